//! The fleet's evidence in Prometheus: the metrics of a trial and the threshold of its gate. All monitoring targets
//! share them.

use super::source::Source;
use serin_core::gate::{GateSettings, InferenceUnit};
use serin_core::{Plan, spec};

/// The counter of requests whose outcome counts, in Envoy with the labels of [`super::envoy`].
pub const REQUESTS: &str = "serin_gate_epoch_step_arm_requests";
/// The counter of those requests that failed.
pub const ERRORS: &str = "serin_gate_epoch_step_arm_errors";
/// The counter of all decided requests, by arm.
pub const DECIDED: &str = "serin_rollout_arm_requests";
/// The counter of outcomes that are no evidence, by reason. Those of the reason `stage` are in [`REQUESTS`] too.
pub const DROPPED: &str = "serin_gate_dropped";
/// 1 while an abort is in force.
pub const ABORTED: &str = "serin_latch_aborted";
/// The revision in force on a host.
pub const REVISION: &str = "serin_revision";
/// The counter of compared responses of a shadow.
pub const COMPARED: &str = "serin_shadow_compared";
/// The counter of compared responses that differ.
pub const DIVERGED: &str = "serin_shadow_diverged";

/// The recorded level of one alternative, in nats.
pub const LEVEL: &str = "serin:gate_level:nats";
/// The highest level of a step, if it has reached the threshold and the guards of the gate allow an abort.
pub const CROSSED: &str = "serin:gate_crossed:nats";
/// The recorded threshold, the level at which a rollout fails.
pub const THRESHOLD: &str = "serin:gate_threshold:nats";

/// The alternatives as multiples of the tolerated rate, in thousandths, equal to those of [`serin_core::gate::Grid::rises`].
pub const ALTERNATIVES: [u32; 5] = [1500, 2000, 4000, 10_000, 50_000];

/// The trial of a rollout with gates.
pub struct Trial<'a> {
    /// The rollout's name.
    pub rollout: &'a str,
    /// The arm on trial.
    pub canary: &'a str,
    /// The arm that it is compared with.
    pub baseline: &'a str,
    /// Whether rings send requests to the canary, which are no evidence.
    pub has_rings: bool,
    /// The epoch whose counters count.
    pub epoch: u64,
    /// The settings of the gate.
    pub settings: &'a GateSettings,
    /// ln(K·S·m/α) in nats, rounded up to four decimals.
    pub threshold: String,
    /// The maximum share of compared responses of the shadow that may differ, in 0.001 %.
    pub max_divergence: Option<u32>,
}

/// The trials of all rollouts with gates, sorted by name.
pub fn trials<'a>(source: &'a Source<'_>) -> Vec<Trial<'a>> {
    let trial = |(name, rollout): &'a (String, spec::Rollout)| trial(source.plan, name, rollout);
    source.spec.rollouts.iter().filter_map(trial).collect()
}

fn trial<'a>(plan: &'a Plan, name: &'a str, rollout: &'a spec::Rollout) -> Option<Trial<'a>> {
    let gates = rollout.abort_policy.gates.as_ref()?;
    let planned = plan.rollouts().iter().find(|planned| planned.name() == name)?;
    let trial = planned.trial()?;
    Some(Trial {
        rollout: name,
        canary: planned.arm(trial.canary())?.name(),
        baseline: &rollout.baseline,
        has_rings: matches!(&rollout.mode, spec::Mode::Canary { rings, .. } if !rings.is_empty()),
        epoch: rollout.abort_policy.epoch,
        settings: &gates.settings,
        threshold: nats(trial.gate().thresholds().errors.raw()),
        max_divergence: gates.max_divergence.map(|share| share.millipercent()),
    })
}

impl Trial<'_> {
    /// Whether the gate counts requests. A gate that counts users does so because requests of one user fail together,
    /// which makes them weaker evidence.
    pub fn counts_requests(&self) -> bool {
        self.settings.unit == InferenceUnit::Request
    }

    /// The label matchers of the trial: `serin_rollout="shop",serin_epoch="3"`.
    pub fn labels(&self) -> String {
        format!("serin_rollout=\"{}\",serin_epoch=\"{}\"", self.rollout, self.epoch)
    }

    /// The query for the highest level at the threshold; without a result while none is.
    pub fn crossed(&self) -> String {
        format!("max({CROSSED}{{{}}})", self.labels())
    }

    /// The query for whether a host has aborted the rollout.
    pub fn aborted(&self) -> String {
        format!("max({ABORTED}{{serin_rollout=\"{}\"}})", self.rollout)
    }
}

/// Nats from a fixed-point number with 16 fractional bits, rounded up so that the threshold is never below the gate's.
fn nats(raw: i64) -> String {
    let raw = u128::try_from(raw).unwrap_or(0);
    let ten_thousandths = (raw * 10_000).div_ceil(1 << 16);
    format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000)
}

/// Thousandths as a number of PromQL: `1.5`, `2`.
pub fn number(thousandths: u32) -> String {
    decimal(u64::from(thousandths), 3)
}

/// A whole number divided by a power of ten, without trailing zeros.
pub fn decimal(value: u64, decimals: u32) -> String {
    let size = 10_u64.pow(decimals);
    let text = format!("{}.{:0width$}", value / size, value % size, width = decimals as usize);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serin_core::gate::{Grid, Ratio};

    #[test]
    fn alternatives_are_those_of_the_gate() {
        let grid = Grid::rises(Ratio::ONE).alternatives().map(Ratio::thousandths);
        assert_eq!(grid, ALTERNATIVES);
    }

    #[test]
    fn numbers_are_written_exactly_and_thresholds_rounded_up() {
        assert_eq!(
            (number(1500), number(50_000), decimal(5, 5)),
            ("1.5".into(), "50".into(), "0.00005".into())
        );
        assert_eq!(nats(65_536), "1.0000");
        assert_eq!(nats(65_537), "1.0001");
    }
}
