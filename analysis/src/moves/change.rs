//! The effect of an edit on the users of a flag, rollout, holdout or cohort.

use serin_core::inspect::Path;

/// The kind of a change to what buckets get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// No bucket changes. The notes list other effects.
    Nobody,
    /// Some buckets get something else. The shares are exact.
    Moved,
    /// The unit, its sources, the salt or the purpose has changed, so every unit gets another bucket. The
    /// shares are those of two independent assignments.
    Redrawn,
    /// The old spec does not have it.
    Added,
    /// The new spec does not have it.
    Removed,
}

/// A group of units that get something else.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Move {
    /// The name of what they got before the edit, such as a variant or an arm.
    pub from: String,
    /// The name of what they get after the edit.
    pub to: String,
    /// The size of the group, in 10⁻¹⁰ of all units: a bucket is 100,000.
    pub share: u64,
}

/// The effect of an edit on one rule, rollout, holdout or cohort.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moves {
    /// The path in the new spec; in the old spec if it was removed.
    pub path: String,
    /// The kind of the change.
    pub change: Change,
    /// The groups of units that move, sorted by name.
    pub list: Vec<Move>,
    /// For a split that moves more units than necessary: the necessary number, in 10⁻¹⁰ of all units, and
    /// the line of YAML with which it moves no more.
    pub past: Option<(u64, String)>,
    /// The effects that buckets do not show, a sentence each.
    pub notes: Vec<String>,
}

impl Moves {
    /// The number of units that move, in 10⁻¹⁰ of all units.
    pub fn total(&self) -> u64 {
        self.list.iter().fold(0, |sum, moved| sum.saturating_add(moved.share))
    }
}

pub(super) fn unmoved(path: &Path<'_>, change: Change) -> Moves {
    Moves { path: path.to_string(), change, list: Vec::new(), past: None, notes: Vec::new() }
}
