//! What a rollout's gates will be able to show, at the traffic one expects.
//!
//! Estimates of means, see [`crate::gate::planner`]. What a hold cannot show on average, its gate is
//! there for in vain.

mod courses;
mod rates;

use alloc::string::String;
use alloc::vec::Vec;

use super::ROOT;
use crate::gate::Ratio;
use crate::gate::planner::Rate;
use crate::plan::Plan;
use crate::spec::{Mode, Spec};
use crate::value::share::Share;
use rates::Rates;

/// The traffic one expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Requests a minute of a rollout, both arms together.
    pub per_minute: u64,
    /// How often the baseline's requests fail.
    pub errors: Rate,
    /// How often the baseline's requests are KPI events.
    pub kpi: Rate,
}

/// A rollout whose canary is on trial.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Prospects {
    /// Such as `rollouts.shop`.
    pub path: String,
    /// What was assumed of it.
    pub traffic: Traffic,
    /// What keeps its gates from letting steps end, or from judging at all.
    pub obstacle: Option<Obstacle>,
    /// Its steps in order; a fixed share is one step without a hold.
    pub steps: Vec<StepProspect>,
    /// What becomes of a regression that is there from the first step on.
    pub courses: Vec<Course>,
    /// Requests of both arms that it takes to see a KPI drop of 0.3 %, at the step where it takes the
    /// fewest; `None` without a KPI gate or where such a drop is tolerated.
    pub slight_drop: Option<u64>,
}

/// What stands in the way of all gates of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Fewer requests a minute than `minRate`: aborts come through, no step ends.
    TooLittleTraffic {
        /// `minRate`.
        wanted: u64,
    },
    /// The baseline fails more often than `maxBaselineErrorRate`: aborts come through, no step ends.
    BaselineUnwell {
        /// `maxBaselineErrorRate`.
        allowed: Share,
    },
    /// Everybody has the canary from the start.
    NobodyToCompareWith,
}

impl Obstacle {
    /// Whether it holds every step for as long as it is there.
    pub fn holds_steps(self) -> bool {
        !matches!(self, Obstacle::NobodyToCompareWith)
    }
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StepProspect {
    /// Such as `rollouts.shop.canary.steps[1]`.
    pub path: String,
    /// Of how many units.
    pub share: Share,
    /// For how many ms, at the least; `None` is until the spec changes.
    pub hold_ms: Option<u64>,
    /// Canary requests that the hold brings.
    pub expected: Option<u64>,
    /// For a step that waits for its gate: canary requests until that says promotable, if the canary is
    /// as good as the baseline.
    pub promotable: Option<u64>,
    /// What is compared; nothing where everybody or nobody has the canary.
    pub gates: Vec<GateProspect>,
}

/// One kind of evidence in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateProspect {
    /// Which kind.
    pub evidence: Evidence,
    /// Regressions, with the canary requests that showing each takes; `None` is never. The first is the
    /// one that the gate has to show in its hold.
    pub needed: Vec<(Ratio, Option<u64>)>,
    /// The smallest regression that the hold can show; `None` if it can show none, or has no end.
    pub smallest: Option<Ratio>,
    /// Canary requests by which it has to be seen; `None` is no end.
    within: Option<u64>,
}

/// What a gate looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Evidence {
    /// Requests that fail.
    Errors,
    /// Requests that take longer than 95 of 100 of the baseline's.
    SlowTail,
    /// Requests that take longer than 99 of 100 of the baseline's.
    SlowestTail,
    /// KPI events.
    Kpi,
}

/// What becomes of a regression that is there from the first step on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// What shows it.
    pub evidence: Evidence,
    /// How large it is.
    pub ratio: Ratio,
    /// The step in which it is seen, by position; `None` is never.
    pub seen_in: Option<usize>,
    /// How many ms after the start that is.
    pub after_ms: u64,
    /// The canary's requests until then.
    pub requests: u64,
    /// The units that have had the canary by then.
    pub share: Share,
}

/// What the gates of every rollout that has some can show. `traffic` is asked by the rollout's name;
/// where it gives `None`, nothing is said.
pub fn prospects(
    spec: &Spec,
    plan: &Plan,
    traffic: impl Fn(&str) -> Option<Traffic>,
) -> Vec<Prospects> {
    let section = ROOT.key("rollouts");
    let mut found = Vec::new();
    for (name, rollout) in &spec.rollouts {
        let Mode::Canary { progress, .. } = &rollout.mode else { continue };
        let compiled = plan.rollouts().iter().find(|compiled| compiled.name() == &**name);
        let trial = compiled.and_then(|compiled| compiled.trial());
        if let (Some(trial), Some(traffic)) = (trial, traffic(name)) {
            let path = section.key(name);
            found.push(Rates { gate: trial.gate(), traffic }.rollout(progress, &path));
        }
    }
    found
}

impl GateProspect {
    /// Canary requests until this regression is seen.
    pub fn needed(&self, ratio: Ratio) -> Option<u64> {
        self.needed.iter().find(|(known, _)| *known == ratio)?.1
    }

    /// Whether a regression is seen in the step.
    pub fn sees(&self, ratio: Ratio) -> bool {
        let within = self.within.unwrap_or(u64::MAX);
        self.needed(ratio).is_some_and(|needed| needed <= within)
    }

    /// The regression that it has to show and cannot, with what it will see and what it needs.
    pub(super) fn decorative(&self) -> Option<(Ratio, u64, u64)> {
        // What is tolerated nobody asks of it.
        let (ratio, needed) =
            self.needed.iter().find_map(|(ratio, needed)| Some((*ratio, (*needed)?)))?;
        let within = self.within?;
        (needed > within && self.evidence != Evidence::SlowestTail)
            .then_some((ratio, needed, within))
    }
}
