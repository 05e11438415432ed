//! The export to Flagger: Flagger owns the pods and Serin decides who gets them. Each canary gets a Canary that shifts
//! no traffic (provider `kubernetes`), a MetricTemplate on the fleet's evidence, one on aborts, and webhooks for
//! rollback and promotion.

use super::artifact::{Artifact, Problem};
use super::canary::{self, Canary, dns, metadata, steps};
use super::evidence::Trial;
use super::source::Source;
use serde_json::{Value, json};
use serin_core::spec::Hold;

/// The options of the export to Flagger.
#[derive(Clone, Debug)]
pub struct Options {
    /// The address of a Prometheus that has the rules of [`super::prometheus`].
    pub prometheus: String,
    /// The namespace. Without it, the resources name none.
    pub namespace: Option<String>,
    /// The URL that returns 200 to roll the canary back.
    pub rollback: String,
    /// The URL that returns 200 to allow promotion.
    pub promotion: String,
    /// The port of the services that Flagger creates.
    pub port: u16,
}

/// The interval of Flagger's checks.
const INTERVAL_MS: u64 = 60_000;

/// One file for each canary, or the problems of the spec.
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
    for (kind, query, max) in trial.map(checks).unwrap_or_default() {
        let name = format!("serin-{}-{kind}", dns(canary.name));
        metrics.push(json!({
            "name": format!("serin-{kind}"),
            "templateRef": {"name": name},
            "thresholdRange": {"max": max},
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

/// The name of the workload. Flagger creates the services, so the targets must have the names that it gives them.
fn workload<'a>(canary: &Canary<'a>) -> Result<&'a str, Problem> {
    let name = canary.canary.strip_suffix("-canary");
    name.filter(|name| canary.stable.strip_suffix("-primary") == Some(*name)).ok_or_else(|| {
        Problem::in_spec(
            format!("rollouts.{}.arms", canary.name),
            format!(
                "Flagger calls its services NAME-primary and NAME-canary, and the targets \
             are {} and {}",
                canary.stable, canary.canary
            ),
        )
    })
}

/// Kind, query and limit of each check. Flagger treats a check without a value as failed, so each query has a default.
fn checks(trial: &Trial<'_>) -> Vec<(&'static str, String, Value)> {
    let evidence = (trial.counts_requests())
        .then(|| ("evidence", format!("{} or vector(0)", trial.crossed()), json!(0)));
    let aborted = ("aborted", format!("{} or vector(0)", trial.aborted()), json!(0));
    evidence.into_iter().chain([aborted]).collect()
}

/// The number of checks for the duration of all steps. Waiting for a person or for a gate happens in the webhook.
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
