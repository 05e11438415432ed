//! The result of a comparison: which units or requests move, and between what.

use super::rollout_effects::RolloutEffects;
use super::shadow_copies::ShadowCopies;
use crate::compare::Difference;
use serin_core::Timestamp;

/// What a comparison evaluates both specs for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Population {
    /// Units with generated ids.
    MadeUp,
    /// Units with ids from a list.
    Listed,
    /// Recorded requests.
    Requests,
}

/// The effects of a change of a spec.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Diff {
    /// What both specs were evaluated for.
    pub population: Population,
    /// The time at which both specs were evaluated.
    pub at: Timestamp,
    /// Revision and digest of the old spec.
    pub old: (u64, String),
    /// Revision and digest of the new spec.
    pub new: (u64, String),
    /// Whether the comparison used latches.
    pub has_latches: bool,
    /// The whole population first. For units, then the same ids with attributes that satisfy a condition.
    pub groups: Vec<Group>,
    /// Aborts and evidence that the change affects, by rollout name. Unaffected rollouts are absent.
    pub rollouts: Vec<RolloutEffects>,
    /// The number of further groups that a spec with many conditions would have.
    pub left_out: usize,
    /// Every path at which the documents differ, except `revision` and `deploy`.
    pub changed: Vec<Difference>,
}

/// Units or requests of a comparison that have the same attributes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Group {
    /// The attributes of the units apart from their ids; empty for the whole population.
    pub attributes: Vec<(String, String)>,
    /// The cohorts, of either spec, that these attributes belong to.
    pub cohorts: Vec<String>,
    /// Whether the group is a single unit that a condition names by its id.
    pub is_named_unit: bool,
    /// The number of units or requests.
    pub size: u64,
    /// The number of them that get something else under the new spec.
    pub moved: u64,
    /// Rollouts, flags and cohorts, sorted by kind and name.
    pub parts: Vec<Part>,
    /// Requests that are copied to a shadow, by rollout.
    pub copies: Vec<ShadowCopies>,
}

/// The moves within one rollout, flag or cohort.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Part {
    /// `rollout`, `flag` or `cohort`.
    pub kind: &'static str,
    /// The name.
    pub name: String,
    /// The path in the spec: `rollouts.shop`.
    pub path: String,
    /// The rollout that the same requests belonged to; another one by its path, `rollouts.feed`.
    pub previous: PreviousOwner<String>,
    /// The number of units or requests that were evaluated.
    pub of: u64,
    /// The moves, the most frequent first.
    pub moves: Vec<Move>,
}

/// The rollout that requests belonged to under the old spec.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PreviousOwner<T> {
    /// The same rollout.
    Same,
    /// No rollout.
    Nothing,
    /// This rollout; under the new spec they belong to none.
    Gone,
    /// Another rollout.
    Other(T),
}

/// Units or requests that get something else under the new spec.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Move {
    /// The arm, variant or membership under the old spec.
    pub from: String,
    /// The arm, variant or membership under the new spec.
    pub to: String,
    /// The number of units or requests.
    pub count: u64,
}

impl Diff {
    /// The largest moved share of a group, in per cent. A single named unit does not count as a group.
    pub fn max_moved_percent(&self) -> f64 {
        let groups = self.groups.iter().filter(|group| !group.is_named_unit);
        groups.map(Group::percent).fold(0.0, f64::max)
    }

    /// Whether more than `limit` per cent of some group move.
    pub fn is_above(&self, limit: f64) -> bool {
        self.max_moved_percent() > limit
    }

    /// Whether no group moves more than the whole population does.
    pub(super) fn population_moves_most(&self) -> bool {
        self.groups.first().is_none_or(|all| all.percent() >= self.max_moved_percent())
    }
}

impl Group {
    fn percent(&self) -> f64 {
        percent(self.moved, self.size)
    }
}

impl Part {
    /// The number of units or requests that move.
    pub fn moved(&self) -> u64 {
        self.moves.iter().map(|moved| moved.count).sum()
    }
}

impl<T> PreviousOwner<T> {
    /// The other rollout, if it was one.
    pub fn other(&self) -> Option<&T> {
        if let PreviousOwner::Other(rollout) = self { Some(rollout) } else { None }
    }
}

/// `some` as a percentage of `all`; 0 if `all` is 0.
#[allow(clippy::cast_precision_loss)]
pub(super) fn percent(some: u64, all: u64) -> f64 {
    if all == 0 { 0.0 } else { some as f64 * 100.0 / all as f64 }
}
