//! The fleet's evidence as Prometheus sees it: which counters belong to a rollout's canary and baseline,
//! and from which level on they speak against it. What all monitoring targets share.

use super::Source;
use serin_core::gate::{GateSettings, InferenceUnit};
use serin_core::{Plan, spec};

/// Requests whose outcome counts, as Envoy shows them with the labels of [`super::envoy`].
pub const REQUESTS: &str = "serin_gate_epoch_step_arm_requests";
/// Those of them that failed.
pub const ERRORS: &str = "serin_gate_epoch_step_arm_errors";
/// Every request that was decided, by arm.
pub const DECIDED: &str = "serin_rollout_arm_requests";
/// 1 while an abort is in force.
pub const ABORTED: &str = "serin_latch_aborted";
/// The revision of the spec that a host runs.
pub const REVISION: &str = "serin_revision";
/// Answers of the shadow that were compared, and those that differed.
pub const COMPARED: &str = "serin_shadow_compared";
/// See [`COMPARED`].
pub const DIVERGED: &str = "serin_shadow_diverged";

/// The recorded level of one alternative, in nats.
pub const LEVEL: &str = "serin:gate_level:nats";
/// The highest level of a step, where it is at the threshold and the gate's guards allow an abort.
pub const CROSSED: &str = "serin:gate_crossed:nats";
/// The recorded level from which on a rollout has failed.
pub const THRESHOLD: &str = "serin:gate_threshold:nats";

/// How many times the tolerated rate, in thousandths: what [`serin_core::gate::Grid::rises`] tests.
pub const ALTERNATIVES: [u32; 5] = [1500, 2000, 4000, 10_000, 50_000];

/// A rollout with gates.
pub struct Trial<'a> {
    /// Its name.
    pub rollout: &'a str,
    /// The arm on trial.
    pub canary: &'a str,
    /// The arm it is compared with.
    pub baseline: &'a str,
    /// The epoch whose counters count.
    pub epoch: u64,
    /// What the spec says of the gate.
    pub settings: &'a GateSettings,
    /// ln(K·S·m/α) in nats, rounded up to four decimals.
    pub threshold: String,
    /// Of the shadow's compared answers, the share that may differ, in 0.001 %.
    pub max_divergence: Option<u32>,
}

/// Every rollout with gates, by name.
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
        epoch: rollout.abort_policy.epoch,
        settings: &gates.settings,
        threshold: nats(trial.gate().thresholds().errors.raw()),
        max_divergence: gates.max_divergence.map(|share| share.millipercent()),
    })
}

impl Trial<'_> {
    /// Whether requests are what the spec takes for independent. If not, users whose requests fail
    /// together look like more evidence than they are.
    pub fn counts_requests(&self) -> bool {
        self.settings.unit == InferenceUnit::Request
    }

    /// `serin_rollout="shop",serin_epoch="3"`.
    pub fn labels(&self) -> String {
        format!("serin_rollout=\"{}\",serin_epoch=\"{}\"", self.rollout, self.epoch)
    }

    /// The highest level that is at the threshold; nothing while none is.
    pub fn crossed(&self) -> String {
        format!("max({CROSSED}{{{}}})", self.labels())
    }

    /// Whether the rollout is stopped somewhere.
    pub fn aborted(&self) -> String {
        format!("max({ABORTED}{{serin_rollout=\"{}\"}})", self.rollout)
    }
}

/// Nats from 16 fractional bits, rounded up: never easier to reach than the gate's own.
fn nats(raw: i64) -> String {
    let raw = u128::try_from(raw).unwrap_or(0);
    let ten_thousandths = (raw * 10_000).div_ceil(1 << 16);
    format!("{}.{:04}", ten_thousandths / 10_000, ten_thousandths % 10_000)
}

/// Thousandths as a number of PromQL: `1.5`, `2`.
pub fn number(thousandths: u32) -> String {
    decimal(u64::from(thousandths), 3)
}

/// A whole number with so many decimals, without zeros at its end.
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
    fn the_alternatives_are_the_gates_own() {
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
