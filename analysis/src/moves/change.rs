//! What an edit does to whom.

use serin_core::inspect::Path;

/// How what buckets get compares before and after an edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// No bucket changes. The notes list other effects.
    Nobody,
    /// Some buckets get something else. The shares are exact.
    Moved,
    /// The unit, its sources, the salt or the purpose has changed, so every unit falls into another
    /// bucket. The shares are what two independent draws give.
    Redrawn,
    /// It is new.
    Added,
    /// It is gone.
    Removed,
}

/// Units that get something else.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Move {
    /// What they had.
    pub from: String,
    /// What they get.
    pub to: String,
    /// How many they are, in 10⁻¹⁰ of all units: a bucket is 100,000.
    pub share: u64,
}

/// What an edit does to one thing that buckets.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Moves {
    /// Where it is in the new spec; in the old one if it is gone.
    pub path: String,
    /// How the two compare.
    pub change: Change,
    /// Who moves, in the order of names.
    pub list: Vec<Move>,
    /// For a split that moves more than it must: how many it must move, in 10⁻¹⁰ of all units, and
    /// the line of YAML that makes it so.
    pub past: Option<(u64, String)>,
    /// What else has changed there, a sentence each.
    pub notes: Vec<String>,
}

impl Moves {
    /// How many move in all, in 10⁻¹⁰ of all units.
    pub fn total(&self) -> u64 {
        self.list.iter().fold(0, |sum, moved| sum.saturating_add(moved.share))
    }
}

pub(super) fn unmoved(path: &Path<'_>, change: Change) -> Moves {
    Moves { path: path.to_string(), change, list: Vec::new(), past: None, notes: Vec::new() }
}
