//! Requests that are copied to a shadow. They are counted apart from the moves, because a copy does not
//! change the response.

use super::spec_pair::{Pair, merge_names, position, rollout_named};
use crate::compare::child_path;
use serin_core::plan::Rollout;
use serin_core::{Plan, RolloutDecision};

/// The copies to a rollout's shadow under the old spec and under the new one.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ShadowCopies {
    /// The rollout's name.
    pub rollout: String,
    /// Its path in the spec: `rollouts.shop`.
    pub path: String,
    /// The number of units or requests that belong to the rollout under either spec.
    pub of: u64,
    /// The copies under the old spec; `None` without a shadow.
    pub old: Option<CopyCount>,
    /// The copies under the new spec; `None` without a shadow.
    pub new: Option<CopyCount>,
}

/// The number of copies that a shadow gets under one spec.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct CopyCount {
    /// The arm that gets the copies.
    pub arm: String,
    /// The arm's target.
    pub target: String,
    /// The number of units or requests whose requests are copied.
    pub count: u64,
}

impl ShadowCopies {
    /// Whether the change affects the shadow.
    pub fn differ(&self) -> bool {
        self.old != self.new
    }
}

/// A count of units or requests that counts each one once, at however many probe points it is evaluated.
#[derive(Default)]
struct DistinctCount {
    last: u64,
    count: u64,
}

impl DistinctCount {
    fn add(&mut self, number: u64) {
        self.count += u64::from(self.last != number);
        self.last = number;
    }
}

#[derive(Default)]
struct Count {
    of: DistinctCount,
    /// Under the old spec and the new one.
    copied: [DistinctCount; 2],
}

/// A counter of copies, by rollout.
pub(super) struct CopyCounter {
    /// Rollouts that have a shadow in either spec, sorted.
    names: Vec<String>,
    counts: Vec<Count>,
    /// For each rollout of the old plan and of the new plan, its index in `names`.
    indices: [Vec<Option<usize>>; 2],
}

impl CopyCounter {
    pub(super) fn new(pair: &Pair<'_>) -> CopyCounter {
        let plans = [pair.old.plan, pair.new.plan];
        let all = plans.iter().flat_map(|plan| plan.rollouts());
        let names = merge_names(all.filter(|it| it.shadow().is_some()).map(Rollout::name));
        let indices = plans.map(|plan| {
            plan.rollouts().iter().map(|it| position(&names, it.name())).collect::<Vec<_>>()
        });
        let counts = names.iter().map(|_| Count::default()).collect();
        CopyCounter { names, counts, indices }
    }

    /// Adds the decisions of both plans for the unit or request with this number, counted from 1.
    pub(super) fn add(
        &mut self,
        number: u64,
        old: Option<&RolloutDecision>,
        new: Option<&RolloutDecision>,
    ) {
        for (side, (indices, decision)) in self.indices.iter().zip([old, new]).enumerate() {
            let Some(decision) = decision else { continue };
            let index = indices.get(decision.rollout.index()).copied().flatten();
            let Some(count) = index.and_then(|index| self.counts.get_mut(index)) else { continue };
            count.of.add(number);
            if let (Some(copied), Some(_)) = (count.copied.get_mut(side), decision.shadow) {
                copied.add(number);
            }
        }
    }

    /// The counts of every rollout that a unit or request belongs to.
    pub(super) fn finish(&self, pair: &Pair<'_>) -> Vec<ShadowCopies> {
        let counted = self.names.iter().zip(&self.counts).filter(|(_, count)| count.of.count > 0);
        let copies = counted.map(|(rollout, count)| ShadowCopies {
            rollout: rollout.clone(),
            path: child_path("rollouts", rollout),
            of: count.of.count,
            old: copy_count(pair.old.plan, rollout, &count.copied[0]),
            new: copy_count(pair.new.plan, rollout, &count.copied[1]),
        });
        copies.collect()
    }
}

fn copy_count(plan: &Plan, rollout: &str, count: &DistinctCount) -> Option<CopyCount> {
    let rollout = rollout_named(plan, rollout)?;
    let arm = rollout.arm(rollout.shadow()?.arm())?;
    let (arm, target) = (arm.name().to_owned(), arm.target().to_owned());
    Some(CopyCount { arm, target, count: count.count })
}
