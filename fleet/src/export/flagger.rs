//! For Flagger: Flagger owns the pods, Serin owns who gets them. Per canary a Canary that shifts no
//! traffic (provider `kubernetes`), a MetricTemplate on the fleet's evidence and one on aborts, and
//! webhooks with which Serin's side says stop and go.

use super::canary::{self, Canary, dns, metadata, steps};
use super::evidence::Trial;
use super::{Artifact, Problem, Source};
use serde_json::{Value, json};
use serin_core::spec::Hold;

/// What Flagger's resources need to know beside the spec.
#[derive(Clone, Debug)]
pub struct Options {
    /// Prometheus, with the rules of [`super::prometheus`].
    pub prometheus: String,
    /// The namespace; left to whoever applies the resources when absent.
    pub namespace: Option<String>,
    /// Answers 200 when the canary is to be rolled back.
    pub rollback: String,
    /// Answers 200 when it may be promoted.
    pub promotion: String,
    /// The port of the services that Flagger makes.
    pub port: u16,
}

/// How often Flagger looks.
const INTERVAL_MS: u64 = 60_000;

/// One file for each canary.
pub fn artifacts(source: &Source<'_>, options: &Options) -> Result<Vec<Artifact>, Vec<Problem>> {
    let targets = |canary: &Canary<'_>| [canary.stable, canary.canary].map(str::to_owned).into();
    let shared = canary::shared(&canary::all(source), "Flagger", targets);
    canary::each(source, "flagger", shared, |canary, trial| {
        resources(canary, source, options, trial)
    })
}

fn resources(
    canary: &Canary<'_>,
    source: &Source<'_>,
    options: &Options,
    trial: Option<&Trial<'_>>,
) -> Result<Vec<Value>, Problem> {
    let workload = workload(canary)?;
    let metadata = |name: &str| metadata(source, options.namespace.as_deref(), name);
    let mut metrics = Vec::new();
    let mut templates = Vec::new();
    for (kind, query, most) in trial.map(checks).unwrap_or_default() {
        let name = format!("serin-{}-{kind}", dns(canary.name));
        metrics.push(json!({
            "name": format!("serin-{kind}"),
            "templateRef": {"name": name},
            "thresholdRange": {"max": most},
            "interval": "1m",
        }));
        templates.push(json!({
            "apiVersion": "flagger.app/v1beta1",
            "kind": "MetricTemplate",
            "metadata": metadata(&name),
            "spec": {
                "provider": {"type": "prometheus", "address": options.prometheus},
                "query": query,
            },
        }));
    }
    let flagger = json!({
        "apiVersion": "flagger.app/v1beta1",
        "kind": "Canary",
        "metadata": metadata(workload),
        "spec": {
            "provider": "kubernetes",
            "targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": workload},
            "service": {"port": options.port},
            "analysis": {
                "interval": "1m",
                "iterations": iterations(canary),
                "threshold": 1,
                "metrics": metrics,
                "webhooks": webhooks(options),
            },
        },
    });
    Ok([flagger].into_iter().chain(templates).collect())
}

/// Flagger makes the services itself, so the targets have to be called as it calls them.
fn workload<'a>(canary: &Canary<'a>) -> Result<&'a str, Problem> {
    let name = canary.canary.strip_suffix("-canary");
    name.filter(|name| canary.stable.strip_suffix("-primary") == Some(*name)).ok_or_else(|| {
        Problem(format!(
            "rollouts.{}.arms: Flagger calls its services NAME-primary and NAME-canary, and the targets \
             are {} and {}",
            canary.name, canary.stable, canary.canary
        ))
    })
}

/// Kind, query and limit of each check. Without a value Flagger would take a check for failed.
fn checks(trial: &Trial<'_>) -> Vec<(&'static str, String, Value)> {
    let evidence = (trial.counts_requests())
        .then(|| ("evidence", format!("{} or vector(0)", trial.crossed()), json!(0)));
    let aborted = ("aborted", format!("{} or vector(0)", trial.aborted()), json!(0));
    evidence.into_iter().chain([aborted]).collect()
}

/// As many looks as the spec's clock takes; whoever waits for a person or a gate waits in the webhook.
fn iterations(canary: &Canary<'_>) -> u64 {
    let holds = steps(canary.progress).into_iter().map(|step| match step.hold {
        Hold::For(ms) => ms,
        Hold::Manual | Hold::Last => 0,
    });
    holds.fold(0, u64::saturating_add).div_ceil(INTERVAL_MS).max(1)
}

fn webhooks(options: &Options) -> Value {
    json!([
        {"name": "stop", "type": "rollback", "url": options.rollback},
        {"name": "go", "type": "confirm-promotion", "url": options.promotion},
    ])
}
