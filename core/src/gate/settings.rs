//! The settings of a gate, before it is compiled.

use core::fmt;

use super::latency::{EDGES, Edge};
use super::ratio::Ratio;

/// The unit of inference: what a test counts as one independent event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InferenceUnit {
    /// A bucket's first event in a stage. Valid where the events of one user hang together.
    Bucket,
    /// Each request. Valid only where the events of requests are independent of each other.
    Request,
}

impl InferenceUnit {
    /// The unit's name in specs and audit records.
    pub const fn as_str(self) -> &'static str {
        match self {
            InferenceUnit::Bucket => "bucket",
            InferenceUnit::Request => "request",
        }
    }

    /// The unit with this name.
    pub fn from_name(name: &str) -> Option<InferenceUnit> {
        [InferenceUnit::Bucket, InferenceUnit::Request]
            .into_iter()
            .find(|unit| unit.as_str() == name)
    }
}

/// The settings of the comparison of KPI events.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KpiSettings {
    /// The unit of inference.
    pub unit: InferenceUnit,
    /// The tolerated ratio of the canary's rate of KPI events to the baseline's: above 0.05, at most 1.
    pub tolerated: Ratio,
}

impl Default for KpiSettings {
    fn default() -> KpiSettings {
        KpiSettings { unit: InferenceUnit::Bucket, tolerated: Ratio::ONE }
    }
}

/// The settings of the latency comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencySettings {
    /// The unit of inference.
    pub unit: InferenceUnit,
    /// How much slower the canary may be, in steps of 2^(1/8): 1 is 9 %, 2 is 19 %, 5 is 54 %. At most 64.
    pub tolerance: u8,
    /// The edges at which the arms are compared, in ascending order.
    pub edges: [Edge; EDGES],
}

impl Default for LatencySettings {
    fn default() -> LatencySettings {
        LatencySettings { unit: InferenceUnit::Bucket, tolerance: 0, edges: Edge::DEFAULT }
    }
}

/// The settings of a gate. The defaults suit a service with much traffic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateSettings {
    /// The largest probability, in millionths, that the rollout aborts a canary that is no worse than
    /// tolerated: 1 to 500,000. It is divided among stages and kinds of evidence.
    pub alpha_ppm: u32,
    /// The number of stages of the rollout that have both a canary and a baseline: 1 to 100.
    pub stages: u32,
    /// The unit of inference for errors.
    pub unit: InferenceUnit,
    /// The tolerated ratio of the canary's error rate to the baseline's: 1 to 100.
    pub tolerated: Ratio,
    /// The latency comparison; `None` compares no latency.
    pub latency: Option<LatencySettings>,
    /// The comparison of KPI events; `None` compares none.
    pub kpi: Option<KpiSettings>,
    /// The smallest difference of error rates that aborts, in 0.001 % of requests: 0 to 100,000.
    pub min_difference: u32,
    /// The smallest ratio of error rates that aborts.
    pub min_ratio: Ratio,
    /// The number of canary requests in a stage below which there is no verdict.
    pub min_samples: u64,
    /// The requests of both arms in the latest minute below which the stage pauses.
    pub min_per_minute: u64,
    /// The error rate of the baseline, in 0.001 % of requests, above which the stage pauses: 0 to 100,000.
    pub max_baseline_errors: u32,
    /// The mean number of errors, at least, until the detector of late faults raises a false alarm on a
    /// healthy canary, for each alternative: 1,000 or more; 0 turns the detector off.
    pub late_fault_errors: u64,
    /// The ratio of error rates that must be ruled out before a canary is promotable; above `tolerated`.
    pub excluded: Ratio,
    /// The largest probability, in millionths and for each stage, that a canary at the ratio `excluded` is
    /// promotable: 1 to 500,000.
    pub promotion_alpha_ppm: u32,
}

impl Default for GateSettings {
    fn default() -> GateSettings {
        GateSettings {
            alpha_ppm: 10_000,
            stages: 1,
            unit: InferenceUnit::Bucket,
            tolerated: Ratio::ONE,
            latency: None,
            kpi: None,
            min_difference: 0,
            min_ratio: Ratio::ONE,
            min_samples: 50,
            min_per_minute: 100,
            max_baseline_errors: 5000,
            late_fault_errors: 1_000_000,
            excluded: Ratio::ONE.times(2000),
            promotion_alpha_ppm: 50_000,
        }
    }
}

/// The error of a gate setting outside its range: the field, the value and the allowed range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateSettingsError {
    field: &'static str,
    given: u64,
    allowed: &'static str,
}

impl fmt::Display for GateSettingsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let GateSettingsError { field, given, allowed } = self;
        write!(f, "{field}: {given} is not {allowed}")
    }
}

impl core::error::Error for GateSettingsError {}

impl GateSettings {
    /// The smallest difference (0.001 %) and ratio (thousandths) of the error rates that abort.
    pub(super) fn smallest_effect(&self) -> (u32, u32) {
        (self.min_difference, self.min_ratio.thousandths())
    }

    /// One error for each setting outside its range.
    pub(super) fn errors(&self) -> impl Iterator<Item = GateSettingsError> {
        let alpha = |ppm: u32| (1..=500_000).contains(&ppm);
        let thousandths = |ratio: Ratio| u64::from(ratio.thousandths());
        let kpi = self.kpi.unwrap_or_default().tolerated;
        let tolerance = self.latency.map_or(0, |latency| latency.tolerance);
        let late = self.late_fault_errors;
        let alphas = "from 1 to 500000 (in millionths)";
        let shares = "from 0 to 100000 (in 0.001 %)";
        let edges = self.latency.map_or(Edge::DEFAULT, |latency| latency.edges);
        let first = edges.first().map_or(0, |edge| edge.number().into());
        let checks: [(&str, u64, bool, &str); 10] = [
            ("alpha_ppm", self.alpha_ppm.into(), alpha(self.alpha_ppm), alphas),
            ("stages", self.stages.into(), (1..=100).contains(&self.stages), "from 1 to 100"),
            (
                "tolerated",
                thousandths(self.tolerated),
                (1000..=100_000).contains(&self.tolerated.thousandths()),
                "from 1000 to 100000 thousandths",
            ),
            (
                "kpi.tolerated",
                thousandths(kpi),
                (51..=1000).contains(&kpi.thousandths()),
                "from 51 to 1000 thousandths",
            ),
            ("latency.tolerance", tolerance.into(), tolerance <= 64, "from 0 to 64 counts"),
            ("latency.edges", first, edges.is_sorted(), "the first of edges in ascending order"),
            ("min_difference", self.min_difference.into(), self.min_difference <= 100_000, shares),
            (
                "max_baseline_errors",
                self.max_baseline_errors.into(),
                self.max_baseline_errors <= 100_000,
                shares,
            ),
            ("late_fault_errors", late, late == 0 || late >= 1000, "0 or at least 1000"),
            (
                "excluded",
                thousandths(self.excluded),
                self.excluded > self.tolerated,
                "above tolerated",
            ),
        ];
        let promotion = (
            "promotion_alpha_ppm",
            u64::from(self.promotion_alpha_ppm),
            alpha(self.promotion_alpha_ppm),
            alphas,
        );
        checks
            .into_iter()
            .chain([promotion])
            .filter(|(_, _, is_allowed, _)| !is_allowed)
            .map(|(field, given, _, allowed)| GateSettingsError { field, given, allowed })
    }
}
