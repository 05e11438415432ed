//! Forecasts: what the gates of a rollout can detect.

use serin_core::Share;
use serin_core::gate::Ratio;

use super::requests::Rate;

/// The expected traffic of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Traffic {
    /// The requests of both arms in a minute.
    pub per_minute: u64,
    /// The error rate of the baseline.
    pub errors: Rate,
    /// The rate of KPI events of the baseline.
    pub kpi: Rate,
}

/// The forecast of a rollout's gates.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RolloutForecast {
    /// The path of the rollout: `rollouts.shop`.
    pub path: String,
    /// The expected traffic.
    pub traffic: Traffic,
    /// The obstacle that keeps all its gates from ending steps or from judging.
    pub obstacle: Option<Obstacle>,
    /// Its steps in order; a fixed share is one step without a hold.
    pub steps: Vec<StepForecast>,
    /// The detections of regressions that exist from the first step on.
    pub detections: Vec<Detection>,
    /// The requests of both arms that detect a KPI drop of 0.3 %, in the step that needs the fewest; `None`
    /// without a KPI gate or if such a drop is tolerated.
    pub slight_drop: Option<u64>,
}

/// An obstacle to all gates of a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Fewer requests a minute than `minRate`: the gates abort, but no step ends.
    TooLittleTraffic {
        /// `minRate`.
        wanted: u64,
    },
    /// The baseline fails more often than `maxBaselineErrorRate`: the gates abort, but no step ends.
    BaselineUnwell {
        /// `maxBaselineErrorRate`.
        allowed: Share,
    },
    /// No step has both a canary and a baseline.
    NobodyToCompareWith,
}

impl Obstacle {
    /// Whether the obstacle holds every step.
    pub fn holds_steps(self) -> bool {
        !matches!(self, Obstacle::NobodyToCompareWith)
    }
}

/// The forecast of one step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct StepForecast {
    /// The path of the step: `rollouts.shop.canary.steps[1]`.
    pub path: String,
    /// The share of units on the canary.
    pub share: Share,
    /// The hold in ms; `None` lasts until the spec changes.
    pub hold_ms: Option<u64>,
    /// The expected canary requests during the hold.
    pub expected: Option<u64>,
    /// For a gated step: the canary requests until it is promotable, if the canary is as good as the
    /// baseline.
    pub promotable: Option<u64>,
    /// The forecast of each metric; empty if all units or none get the canary.
    pub gates: Vec<GateForecast>,
}

/// The forecast of one metric in one step.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct GateForecast {
    /// The metric.
    pub metric: Metric,
    /// Regressions, each with the canary requests until its detection; `None` is never. The first is the
    /// one that the gate must detect during the hold.
    pub needed: Vec<(Ratio, Option<u64>)>,
    /// The smallest regression that is detected during the hold; `None` if there is none, or no end.
    pub smallest: Option<Ratio>,
    /// The canary requests before the step ends; `None` without an end.
    pub(super) within: Option<u64>,
}

/// A metric that a gate compares between canary and baseline.
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

/// The detection of a regression that exists from the first step on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Detection {
    /// The metric that detects it.
    pub metric: Metric,
    /// The ratio of the canary's rate to the baseline's.
    pub ratio: Ratio,
    /// The position of the step in which it is detected; `None` is never.
    pub seen_in: Option<usize>,
    /// The time from the start of the rollout to the detection, in ms.
    pub after_ms: u64,
    /// The canary's requests until then.
    pub requests: u64,
    /// The largest share of units on the canary until then.
    pub share: Share,
}

impl GateForecast {
    /// The canary requests until a regression is detected; `None` is never.
    pub fn needed(&self, ratio: Ratio) -> Option<u64> {
        self.needed.iter().find(|(known, _)| *known == ratio)?.1
    }

    /// Whether a regression is detected before the step ends.
    pub fn sees(&self, ratio: Ratio) -> bool {
        let within = self.within.unwrap_or(u64::MAX);
        self.needed(ratio).is_some_and(|needed| needed <= within)
    }

    /// The regression that the gate must detect and cannot, with the needed and the expected canary requests.
    pub(crate) fn decorative(&self) -> Option<(Ratio, u64, u64)> {
        // Tolerated regressions have no number of requests.
        let (ratio, needed) =
            self.needed.iter().find_map(|(ratio, needed)| Some((*ratio, (*needed)?)))?;
        let within = self.within?;
        (needed > within && self.metric != Metric::SlowestTail).then_some((ratio, needed, within))
    }
}
