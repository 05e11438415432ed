//! What a gate is told, before it is compiled.

use core::fmt;

use super::latency::{EDGES, Edge};
use super::ratio::Ratio;

/// What counts as one case of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InferenceUnit {
    /// A bucket's first error in a stage. Right wherever a user's requests fail together.
    Bucket,
    /// Every request. Right only where requests fail independently of each other.
    Request,
}

/// How latency is compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LatencySettings {
    /// How much slower the canary may be, in counts: 1 is 9 %, 2 is 19 %, 5 is 54 %. At most 64.
    pub tolerance: u8,
    /// Where to compare.
    pub edges: [Edge; EDGES],
}

/// A gate as written. Every field has a default that suits a busy service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GateSettings {
    /// The chance, in millionths, that a canary that is no worse than tolerated is aborted in the
    /// whole rollout: 1 to 500,000. It is shared out over stages and kinds of evidence.
    pub alpha_ppm: u32,
    /// Stages of the rollout: 1 to 100.
    pub stages: u32,
    /// What counts as one case of an error.
    pub unit: InferenceUnit,
    /// How many times the baseline's error rate is tolerated: 1 to 100.
    pub tolerated: Ratio,
    /// Latency, if it takes part.
    pub latency: Option<LatencySettings>,
    /// KPI events, if they take part: the share of the baseline's rate that is tolerated, above 0.05
    /// and at most 1.
    pub kpi: Option<Ratio>,
    /// An abort for errors needs at least this difference of error rates, in 0.001 % of requests: 0 to
    /// 100,000.
    pub min_difference: u32,
    /// An abort for errors needs at least this ratio of error rates.
    pub min_ratio: Ratio,
    /// Without so many canary requests in the stage there is no verdict.
    pub min_samples: u64,
    /// Below so many requests in the latest minute, both arms together, the stage pauses.
    pub min_per_minute: u64,
    /// Above this share of failing baseline requests, in 0.001 %, the stage pauses.
    pub max_baseline_errors: u32,
    /// How many errors pass, at the least and on average, before the detector of late faults
    /// mistakes a healthy canary for one that got worse, for each alternative: 1,000 or more; 0 turns
    /// it off.
    pub late_fault_errors: u64,
    /// Promotable is a canary whose error rate has been shown to be below this many times the
    /// baseline's; above `tolerated`.
    pub excluded: Ratio,
    /// The chance, in millionths and for each stage, that a canary is called promotable in spite of a
    /// rate at `excluded`: 1 to 500,000.
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

/// A setting outside its range.
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
    /// Every setting that is outside its range.
    pub(super) fn mistakes(&self) -> impl Iterator<Item = GateSettingsError> {
        let alpha = |ppm: u32| (1..=500_000).contains(&ppm);
        let thousandths = |ratio: Ratio| u64::from(ratio.thousandths());
        let kpi = self.kpi.unwrap_or(Ratio::ONE);
        let tolerance = self.latency.map_or(0, |latency| latency.tolerance);
        let late = self.late_fault_errors;
        let alphas = "a whole number of millionths from 1 to 500000";
        let shares = "a whole number of 0.001 % from 0 to 100000";
        let checks: [(&str, u64, bool, &str); 9] = [
            ("alpha_ppm", self.alpha_ppm.into(), alpha(self.alpha_ppm), alphas),
            ("stages", self.stages.into(), (1..=100).contains(&self.stages), "from 1 to 100"),
            (
                "tolerated",
                thousandths(self.tolerated),
                (1000..=100_000).contains(&self.tolerated.thousandths()),
                "from 1000 to 100000 thousandths",
            ),
            (
                "kpi",
                thousandths(kpi),
                (51..=1000).contains(&kpi.thousandths()),
                "from 51 to 1000 thousandths",
            ),
            ("latency.tolerance", tolerance.into(), tolerance <= 64, "from 0 to 64 counts"),
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
                "above what is tolerated",
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
            .filter(|(_, _, good, _)| !good)
            .map(|(field, given, _, allowed)| GateSettingsError { field, given, allowed })
    }
}
