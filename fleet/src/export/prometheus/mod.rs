//! The export to Prometheus: rules that record the fleet's evidence and alert on it.

mod alerts;
mod recording;

use super::artifact::{Artifact, Problem};
use super::evidence::{self, Trial};
use super::mark;
use super::source::Source;
use crate::yaml;
use serde_json::{Value, json};

/// The options of the export to Prometheus.
#[derive(Clone, Debug)]
pub struct Options {
    /// The evaluation interval, in the notation of Prometheus. Without it, the global interval applies.
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
    Ok(vec![Artifact::in_config_map("serin.rules.yaml", text)])
}

fn group(name: &str, rules: Vec<Value>, options: &Options) -> Value {
    let mut group = json!({"name": format!("serin.{name}"), "rules": rules});
    if let Some(interval) = &options.interval {
        group["interval"] = interval.as_str().into();
    }
    group
}

/// The rules of a rollout, in order: a rule may use what the previous ones record in the same evaluation. All have
/// the rollout as a label, because Prometheus would treat rules of several rollouts as duplicates without it.
fn rules(trial: &Trial<'_>) -> Vec<Value> {
    let mut rules = recording::rules(trial);
    rules.extend(alerts::rollout(trial));
    for rule in &mut rules {
        rule["labels"]["serin_rollout"] = trial.rollout.into();
    }
    rules
}
