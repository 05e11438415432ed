//! Canaries for tools that own pods: the common part of the exports to Argo Rollouts and Flagger.

use super::artifact::{Artifact, Problem};
use super::evidence::{self, Trial};
use super::mark;
use super::source::Source;
use crate::yaml;
use serde_json::{Value, json};
use serin_core::spec::{Hold, Mode, Progress, Rollout, RouteMatch, Step};
use std::collections::{BTreeMap, BTreeSet};

/// One file for each canary of the spec, with the resources from `make`, or every problem.
pub(super) fn each(
    source: &Source<'_>,
    target: &str,
    mut problems: Vec<Problem>,
    make: impl Fn(&Canary<'_>, Option<&Trial<'_>>) -> Result<Vec<Value>, Problem>,
) -> Result<Vec<Artifact>, Vec<Problem>> {
    let trials = evidence::trials(source);
    let canaries = all(source);
    let mut artifacts = Vec::new();
    problems.extend(name_problems(&canaries));
    for canary in &canaries {
        let trial = trials.iter().find(|trial| trial.rollout == canary.name);
        match make(canary, trial) {
            Ok(resources) => artifacts.push(Artifact::of_resources(
                format!("{}.yaml", canary.name),
                manifest(source, target, &resources),
                &resources,
            )),
            Err(problem) => problems.push(problem),
        }
    }
    if artifacts.is_empty() && problems.is_empty() {
        let why = format!("none of them is a canary, and {target} can't help the others");
        problems.push(Problem::in_spec("rollouts", why));
    }
    if problems.is_empty() { Ok(artifacts) } else { Err(problems) }
}

/// Every canary of the spec, sorted by name.
pub(super) fn all<'a>(source: &Source<'a>) -> Vec<Canary<'a>> {
    source.spec.rollouts.iter().filter_map(|(name, rollout)| Canary::of(name, rollout)).collect()
}

/// The problems of rollouts whose names Kubernetes refuses or does not distinguish.
fn name_problems(canaries: &[Canary<'_>]) -> Vec<Problem> {
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
        problems.push(Problem::in_spec(
            format!("rollouts.{name}"),
            format!(
                "{why}: give it another name, with salt: {name} for users to stay where they are"
            ),
        ));
    }
    problems
}

/// The problems of canaries that share pods, because a tool that owns pods moves them for one rollout only. `workloads`
/// gives the names of a canary's pods.
pub(super) fn shared<'a>(
    canaries: &[Canary<'a>],
    target: &str,
    workloads: impl Fn(&Canary<'a>) -> BTreeSet<String>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, canary) in canaries.iter().enumerate() {
        let own = workloads(canary);
        for other in canaries.iter().take(index) {
            let both: Vec<String> = workloads(other).intersection(&own).cloned().collect();
            let (Some(_), Canary { name, .. }) = (both.first(), canary) else { continue };
            let (other, are) = (other.name, if both.len() == 1 { "is" } else { "are" });
            problems.push(Problem::in_spec(
                format!("rollouts.{name}.arms"),
                format!(
                    "{} {are} rollouts.{other}'s too, and {target} moves pods for one rollout",
                    both.join(" and ")
                ),
            ));
        }
    }
    problems
}

/// A rollout in the mode `canary`.
pub(super) struct Canary<'a> {
    pub(super) name: &'a str,
    /// The arm on trial.
    pub(super) arm: &'a str,
    pub(super) baseline: &'a str,
    /// The target of the baseline.
    pub(super) stable: &'a str,
    /// The target of the arm on trial.
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

/// The steps of a canary; a fixed share is a single step.
pub(super) fn steps(progress: &Progress) -> Vec<Step> {
    match progress {
        Progress::Steps { steps, .. } => steps.clone(),
        Progress::Fixed(share) => vec![Step { share: *share, hold: Hold::Manual, gated: false }],
    }
}

/// The content of a file with several resources.
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

/// The name of a rollout as a name in Kubernetes.
pub(super) fn dns(name: &str) -> String {
    let lower = name.to_ascii_lowercase().replace('_', "-");
    lower.trim_matches('-').to_owned()
}
