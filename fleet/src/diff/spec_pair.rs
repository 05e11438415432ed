//! The two specs that a comparison is about.

use serde_json::Value;
use serin_core::plan::Rollout;
use serin_core::{Plan, Spec};

/// One of the two specs: its document, its typed form and its plan.
#[derive(Clone, Copy, Debug)]
pub struct Side<'a> {
    /// The document.
    pub document: &'a Value,
    /// The typed form of the document.
    pub spec: &'a Spec,
    /// The plan that the spec compiles to.
    pub plan: &'a Plan,
}

/// The old spec and the new spec.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pair<'a> {
    pub(super) old: Side<'a>,
    pub(super) new: Side<'a>,
}

/// The names of both specs, sorted, without duplicates.
pub(super) fn merge_names<'n>(names: impl Iterator<Item = &'n str>) -> Vec<String> {
    let mut names: Vec<String> = names.map(str::to_owned).collect();
    names.sort();
    names.dedup();
    names
}

/// The position of a name in a sorted list.
pub(super) fn position(names: &[String], name: &str) -> Option<usize> {
    names.binary_search_by(|known| known.as_str().cmp(name)).ok()
}

/// The rollout of a plan with this name. A plan sorts its rollouts by name.
pub(super) fn rollout_named<'p>(plan: &'p Plan, name: &str) -> Option<&'p Rollout> {
    let rollouts = plan.rollouts();
    rollouts.get(rollouts.binary_search_by(|it| it.name().cmp(name)).ok()?)
}
