//! What a VM has counted of one trial since its last tick, and the metrics of its stages.

use core::cell::{Cell, RefCell};

use serin_core::gate::{Counters, Exposure, Outcome, StageId, Tallies, Tally};
use serin_core::plan::{Rollout, Trial};
use serin_judge::{Judge, TallyBuffer};

use crate::host::Metric;
use crate::shared_data::SharedData;

/// One trial, as this VM has counted it.
pub(crate) struct TrialCounts {
    rollout: String,
    canary: String,
    baseline: String,
    buffer: RefCell<TallyBuffer>,
    metrics: Cell<Option<StageMetrics>>,
}

/// The metrics of a stage, of the canary and of the baseline.
#[derive(Clone, Copy)]
struct StageMetrics {
    stage: StageId,
    requests: [Option<Metric>; 2],
    errors: [Option<Metric>; 2],
}

impl TrialCounts {
    pub(crate) fn new(rollout: &Rollout, trial: &Trial) -> TrialCounts {
        let arm = |id| rollout.arm(id).map(|arm| arm.name().to_owned()).unwrap_or_default();
        TrialCounts {
            rollout: rollout.name().to_owned(),
            canary: arm(trial.canary()),
            baseline: arm(rollout.baseline()),
            buffer: RefCell::default(),
            metrics: Cell::default(),
        }
    }

    /// The rollout's name.
    pub(crate) fn rollout(&self) -> &str {
        &self.rollout
    }

    /// Counts an outcome.
    pub(crate) fn record(&self, trial: &Trial, probe: &Exposure, outcome: &Outcome) {
        let Ok(mut buffer) = self.buffer.try_borrow_mut() else { return };
        // What has no room is evidence of no stage in force; the metrics count it.
        if let Some(displaced) = buffer.record(trial, probe, outcome) {
            self.count(&displaced);
        }
    }

    /// Adds everything to what all VMs have counted in the stage that is in force, with the `compared`
    /// answers of the shadow since the last tick.
    pub(crate) fn flush(
        &self,
        judge: &Judge<SharedData>,
        current: Option<StageId>,
        trial: Option<&Trial>,
        compared: Tally,
    ) {
        let Ok(mut buffer) = self.buffer.try_borrow_mut() else { return };
        if let Some(stage) = current {
            // A stage's metrics exist from its beginning.
            self.metrics_of(stage);
            if let Some(trial) = trial.filter(|_| compared.exposures > 0) {
                let shadow = Tallies { shadow: compared, ..Tallies::new(stage, trial) };
                if buffer.stage() == Some(stage) {
                    let _ = buffer.add(shadow);
                } else {
                    let _ = judge.add(&self.rollout, &shadow, stage);
                }
            }
        }
        let Some(tallies) = buffer.take() else { return };
        let written =
            current.is_none_or(|current| judge.add(&self.rollout, &tallies, current).is_ok());
        if written {
            self.count(&tallies);
        } else {
            // It waits for the next tick.
            let _ = buffer.add(tallies);
        }
    }

    /// Adds tallies to the metrics of their stage.
    fn count(&self, tallies: &Tallies) {
        let Some(everybody) = tallies.groups.first() else { return };
        let metrics = self.metrics_of(tallies.stage);
        let Counters { canary, baseline } = everybody.requests;
        let pairs = [canary, baseline].into_iter().zip(metrics.requests).zip(metrics.errors);
        for ((tally, requests), errors) in pairs {
            for (metric, count) in [(requests, tally.exposures), (errors, tally.events)] {
                if let Some(metric) = metric.filter(|_| count > 0) {
                    metric.add(count);
                }
            }
        }
    }

    fn metrics_of(&self, stage: StageId) -> StageMetrics {
        if let Some(known) = self.metrics.get().filter(|known| known.stage == stage) {
            return known;
        }
        let TrialCounts { rollout, canary, baseline, .. } = self;
        let StageId { epoch, step, .. } = stage;
        let counter = |arm: &str, what: &str| {
            Metric::counter(&format!(
                "serin.gate.{rollout}.epoch.{epoch}.step.{step}.arm.{arm}.{what}"
            ))
        };
        let metrics = StageMetrics {
            stage,
            requests: [counter(canary, "requests"), counter(baseline, "requests")],
            errors: [counter(canary, "errors"), counter(baseline, "errors")],
        };
        self.metrics.set(Some(metrics));
        metrics
    }
}
