//! What the gates of a rollout will be able to show.

use serin_core::Share;
use serin_core::gate::Ratio;

use super::requests::Rate;

/// The traffic that one expects of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// Requests a minute of a rollout, both arms together.
    pub per_minute: u64,
    /// How often the baseline's requests fail.
    pub errors: Rate,
    /// How often the baseline's requests are KPI events.
    pub kpi: Rate,
}

/// What the gates of a rollout will be able to show.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RolloutForecast {
    /// Such as `rollouts.shop`.
    pub path: String,
    /// The traffic that is assumed.
    pub traffic: Traffic,
    /// What keeps its gates from letting steps end, or from judging at all.
    pub obstacle: Option<Obstacle>,
    /// Its steps in order; a fixed share is one step without a hold.
    pub steps: Vec<StepForecast>,
    /// When regressions that are there from the first step on are seen.
    pub detections: Vec<Detection>,
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

/// What the gates can show in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepForecast {
    /// Such as `rollouts.shop.canary.steps[1]`.
    pub path: String,
    /// The share of units on the canary.
    pub share: Share,
    /// How long it is held at least, in ms; `None` is until the spec changes.
    pub hold_ms: Option<u64>,
    /// Canary requests that the hold brings.
    pub expected: Option<u64>,
    /// For a step that waits for its gate: canary requests until that says promotable, if the canary is
    /// as good as the baseline.
    pub promotable: Option<u64>,
    /// What is compared; empty if every unit or none has the canary.
    pub gates: Vec<GateForecast>,
}

/// What one metric can show in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GateForecast {
    /// The metric.
    pub metric: Metric,
    /// Regressions, with the canary requests that showing each takes; `None` is never. The first is the
    /// one that the gate has to show in its hold.
    pub needed: Vec<(Ratio, Option<u64>)>,
    /// The smallest regression that the hold can show; `None` if it can show none, or has no end.
    pub smallest: Option<Ratio>,
    /// Canary requests by which a regression has to be seen; `None` is no end.
    pub(super) within: Option<u64>,
}

/// What a gate compares between canary and baseline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Metric {
    /// Requests that fail.
    Errors,
    /// Requests that take longer than 95 of 100 of the baseline's.
    SlowTail,
    /// Requests that take longer than 99 of 100 of the baseline's.
    SlowestTail,
    /// KPI events.
    Kpi,
}

/// When a regression that is there from the first step on is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Detection {
    /// The metric that shows it.
    pub metric: Metric,
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

impl GateForecast {
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
    pub(crate) fn decorative(&self) -> Option<(Ratio, u64, u64)> {
        // What is tolerated nobody asks of it.
        let (ratio, needed) =
            self.needed.iter().find_map(|(ratio, needed)| Some((*ratio, (*needed)?)))?;
        let within = self.within?;
        (needed > within && self.metric != Metric::SlowestTail).then_some((ratio, needed, within))
    }
}
