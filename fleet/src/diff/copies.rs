//! Who is copied to a shadow: beside the moves, since nobody who asks notices it.

use super::outcome::Pair;
use super::tally::{joined, position};
use crate::compare::under;
use serin_core::plan::Rollout;
use serin_core::{Plan, RolloutDecision};

/// How many are copied to a rollout's shadow before a change and after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copies {
    /// The rollout.
    pub rollout: String,
    /// Where it is in the spec: `rollouts.shop`.
    pub path: String,
    /// How many belong to the rollout, in either spec.
    pub of: u64,
    /// Before; `None` without a shadow.
    pub old: Option<Copied>,
    /// After; `None` without a shadow.
    pub new: Option<Copied>,
}

/// How many are copied where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Copied {
    /// The arm that gets the copies.
    pub arm: String,
    /// Its target.
    pub target: String,
    /// Of how many the requests are copied.
    pub count: u64,
}

/// Counts each unit or request once, however many places it is asked about at.
#[derive(Default)]
struct Once {
    last: u64,
    count: u64,
}

impl Once {
    fn add(&mut self, number: u64) {
        self.count += u64::from(self.last != number);
        self.last = number;
    }
}

#[derive(Default)]
struct Count {
    of: Once,
    /// Under the old spec and the new one.
    copied: [Once; 2],
}

/// Counts copies, by rollout.
pub(super) struct Counting {
    /// Rollouts with a shadow in either spec, by name.
    names: Vec<String>,
    counts: Vec<Count>,
    /// For each rollout of the old plan and of the new one, which of those it is.
    places: [Vec<Option<usize>>; 2],
}

impl Counting {
    pub(super) fn new(pair: &Pair<'_>) -> Counting {
        let plans = [pair.old.plan, pair.new.plan];
        let all = plans.iter().flat_map(|plan| plan.rollouts());
        let names = joined(all.filter(|it| it.shadow().is_some()).map(Rollout::name));
        let places = plans.map(|plan| {
            plan.rollouts().iter().map(|it| position(&names, it.name())).collect::<Vec<_>>()
        });
        let counts = names.iter().map(|_| Count::default()).collect();
        Counting { names, counts, places }
    }

    /// What the unit or request of this number, from 1, gets under both specs.
    pub(super) fn add(
        &mut self,
        number: u64,
        old: Option<&RolloutDecision>,
        new: Option<&RolloutDecision>,
    ) {
        for (side, (places, decision)) in self.places.iter().zip([old, new]).enumerate() {
            let Some(decision) = decision else { continue };
            let place = places.get(decision.rollout.index()).copied().flatten();
            let Some(count) = place.and_then(|at| self.counts.get_mut(at)) else { continue };
            count.of.add(number);
            if let (Some(copied), Some(_)) = (count.copied.get_mut(side), decision.shadow) {
                copied.add(number);
            }
        }
    }

    /// What was counted, of rollouts that anybody belongs to.
    pub(super) fn copies(&self, pair: &Pair<'_>) -> Vec<Copies> {
        let counted = self.names.iter().zip(&self.counts).filter(|(_, count)| count.of.count > 0);
        let copies = counted.map(|(rollout, count)| Copies {
            rollout: rollout.clone(),
            path: under("rollouts", rollout),
            of: count.of.count,
            old: copied(pair.old.plan, rollout, &count.copied[0]),
            new: copied(pair.new.plan, rollout, &count.copied[1]),
        });
        copies.collect()
    }
}

impl Copies {
    /// Whether the change is felt by a shadow.
    pub fn differ(&self) -> bool {
        self.old != self.new
    }
}

fn copied(plan: &Plan, rollout: &str, count: &Once) -> Option<Copied> {
    let rollout = named(plan, rollout)?;
    let arm = rollout.arm(rollout.shadow()?.arm())?;
    let (arm, target) = (arm.name().to_owned(), arm.target().to_owned());
    Some(Copied { arm, target, count: count.count })
}

/// Rollouts are in the order of their names.
pub(super) fn named<'p>(plan: &'p Plan, name: &str) -> Option<&'p Rollout> {
    let rollouts = plan.rollouts();
    rollouts.get(rollouts.binary_search_by(|it| it.name().cmp(name)).ok()?)
}
