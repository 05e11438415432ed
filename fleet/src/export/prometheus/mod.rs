//! For Prometheus: rules that record the fleet's evidence and alert on it.

mod alerts;
mod recording;

use super::evidence::{self, Trial};
use super::{Artifact, Problem, Source, mark};
use crate::yaml;
use serde_json::{Value, json};

/// What the rules need to know beside the spec.
#[derive(Clone, Debug)]
pub struct Options {
    /// How often Prometheus looks, in its own notation; its global interval when absent.
    pub interval: Option<String>,
}

/// One file of rules: a group for each rollout with gates, and one for the hosts.
pub fn artifacts(source: &Source<'_>, options: &Options) -> Result<Vec<Artifact>, Vec<Problem>> {
    let trials = evidence::trials(source);
    let mut groups: Vec<Value> =
        trials.iter().map(|trial| group(trial.rollout, rules(trial), options)).collect();
    groups.push(group("hosts", alerts::hosts(source), options));
    let head = yaml::comment(&mark::header(source, "prometheus"));
    let text = format!("{head}{}", yaml::document(&json!({"groups": groups})));
    Ok(vec![Artifact { path: "serin.rules.yaml".into(), text }])
}

fn group(name: &str, rules: Vec<Value>, options: &Options) -> Value {
    let mut group = json!({"name": format!("serin.{name}"), "rules": rules});
    if let Some(interval) = &options.interval {
        group["interval"] = interval.as_str().into();
    }
    group
}

/// The rules of a rollout; each may use what those before it recorded at the same moment.
fn rules(trial: &Trial<'_>) -> Vec<Value> {
    let mut rules = recording::rules(trial);
    rules.extend(alerts::rollout(trial));
    // What they find has this label already. With it promtool sees that rules of two rollouts differ.
    for rule in &mut rules {
        rule["labels"]["serin_rollout"] = trial.rollout.into();
    }
    rules
}
