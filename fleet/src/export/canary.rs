//! Canaries as tools that own pods see them: what Argo's and Flagger's resources have in common.

use super::evidence::{self, Trial};
use super::{Artifact, Problem, Source, mark};
use crate::yaml;
use serde_json::{Value, json};
use serin_core::spec::{Hold, Mode, Progress, Rollout, RouteMatch, Step};
use std::collections::{BTreeMap, BTreeSet};

/// One file for each canary of the spec, with the resources that `make` gives; none if there are problems.
pub(super) fn each(
    source: &Source<'_>,
    target: &str,
    mut problems: Vec<Problem>,
    make: impl Fn(&Canary<'_>, Option<&Trial<'_>>) -> Result<Vec<Value>, Problem>,
) -> Result<Vec<Artifact>, Vec<Problem>> {
    let trials = evidence::trials(source);
    let canaries = all(source);
    let mut artifacts = Vec::new();
    problems.extend(names(&canaries));
    for canary in &canaries {
        let trial = trials.iter().find(|trial| trial.rollout == canary.name);
        match make(canary, trial) {
            Ok(resources) => artifacts.push(Artifact {
                path: format!("{}.yaml", canary.name),
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

/// Every canary of the spec, by name.
pub(super) fn all<'a>(source: &Source<'a>) -> Vec<Canary<'a>> {
    source.spec.rollouts.iter().filter_map(|(name, rollout)| Canary::of(name, rollout)).collect()
}

/// Rollouts whose names Kubernetes does not take, or does not tell apart.
fn names(canaries: &[Canary<'_>]) -> Vec<Problem> {
    let mut taken: BTreeMap<String, &str> = BTreeMap::new();
    let mut problems = Vec::new();
    for Canary { name, .. } in canaries {
        let own = dns(name);
        let why = match taken.get(&own) {
            _ if own.is_empty() => {
                "has no letter and no digit, and Kubernetes needs one".to_owned()
            }
            Some(other) => format!("is {own} in Kubernetes, as is rollouts.{other}"),
            None => {
                taken.insert(own, name);
                continue;
            }
        };
        problems.push(Problem(format!(
            "rollouts.{name}: {why}: give it another name, with salt: {name} for users to stay where they are"
        )));
    }
    problems
}

/// Canaries that share pods with one before them: a tool that owns pods wants those of a rollout to be its
/// alone. `places` says what they are called.
pub(super) fn shared<'a>(
    canaries: &[Canary<'a>],
    target: &str,
    places: impl Fn(&Canary<'a>) -> BTreeSet<String>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, canary) in canaries.iter().enumerate() {
        let own = places(canary);
        for other in canaries.iter().take(index) {
            let both: Vec<String> = places(other).intersection(&own).cloned().collect();
            let (Some(_), Canary { name, .. }) = (both.first(), canary) else { continue };
            let (other, are) = (other.name, if both.len() == 1 { "is" } else { "are" });
            problems.push(Problem(format!(
                "rollouts.{name}.arms: {} {are} rollouts.{other}'s too, and {target} moves pods for one rollout",
                both.join(" and ")
            )));
        }
    }
    problems
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
