//! Canaries as tools that own pods see them: what Argo's and Flagger's resources have in common.

use super::evidence::{self, Trial};
use super::{Artifact, Problem, Source, mark};
use crate::yaml;
use serde_json::{Value, json};
use serin_core::spec::{Hold, Mode, Progress, Rollout, RouteMatch, Step};

/// One file for each canary of the spec, with the resources that `make` gives.
pub(super) fn each(
    source: &Source<'_>,
    target: &str,
    make: impl Fn(&Canary<'_>, Option<&Trial<'_>>) -> Result<Vec<Value>, Problem>,
) -> Result<Vec<Artifact>, Vec<Problem>> {
    let trials = evidence::trials(source);
    let (mut artifacts, mut problems) = (Vec::new(), Vec::new());
    for (name, rollout) in source.spec.rollouts.iter() {
        let Some(canary) = Canary::of(name, rollout) else { continue };
        let trial = trials.iter().find(|trial| trial.rollout == name);
        match make(&canary, trial) {
            Ok(resources) => artifacts.push(Artifact {
                path: format!("{name}.yaml"),
                text: manifest(source, target, &resources),
            }),
            Err(problem) => problems.push(problem),
        }
    }
    if artifacts.is_empty() && problems.is_empty() {
        let why = format!("rollouts: none of them is a canary, and {target} can't help the others");
        problems.push(Problem(why));
    }
    if problems.is_empty() { Ok(artifacts) } else { Err(problems) }
}

/// A rollout with a canary, as tools that own pods see it.
pub(super) struct Canary<'a> {
    pub(super) name: &'a str,
    /// The canary's arm, and the target of each.
    pub(super) arm: &'a str,
    pub(super) baseline: &'a str,
    pub(super) stable: &'a str,
    pub(super) canary: &'a str,
    pub(super) progress: &'a Progress,
    pub(super) matches: &'a RouteMatch,
}

impl<'a> Canary<'a> {
    pub(super) fn of(name: &'a str, rollout: &'a Rollout) -> Option<Self> {
        let Mode::Canary { arm, progress, .. } = &rollout.mode else { return None };
        let others: Vec<&str> =
            rollout.arms.names().filter(|arm| *arm != rollout.baseline).collect();
        let only = match others.as_slice() {
            [one] => Some(*one),
            others => others.iter().copied().find(|arm| *arm == "canary"),
        };
        let arm = arm.as_deref().or(only)?;
        Some(Canary {
            name,
            arm,
            baseline: &rollout.baseline,
            stable: &rollout.arms.get(&rollout.baseline)?.target,
            canary: &rollout.arms.get(arm)?.target,
            progress,
            matches: &rollout.matches,
        })
    }
}

/// The steps of a canary; a fixed share is one.
pub(super) fn steps(progress: &Progress) -> Vec<Step> {
    match progress {
        Progress::Steps { steps, .. } => steps.clone(),
        Progress::Fixed(share) => vec![Step { share: *share, hold: Hold::Manual, gated: false }],
    }
}

/// A file of several resources.
fn manifest(source: &Source<'_>, target: &str, resources: &[Value]) -> String {
    let documents: Vec<String> = resources.iter().map(yaml::document).collect();
    yaml::comment(&mark::header(source, target)) + &documents.join("---\n")
}

pub(super) fn metadata(source: &Source<'_>, namespace: Option<&str>, name: &str) -> Value {
    let mut metadata = json!({"name": name, "annotations": mark::annotations(source)});
    if let Some(namespace) = namespace {
        metadata["namespace"] = namespace.into();
    }
    metadata
}

/// A rollout's name as Kubernetes takes names.
pub(super) fn dns(name: &str) -> String {
    let lower = name.to_ascii_lowercase().replace('_', "-");
    lower.trim_matches('-').to_owned()
}
