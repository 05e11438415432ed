//! The outcomes of one trial that this VM has counted since its last tick, and the metrics of its stages.

use core::cell::{Cell, RefCell};

use serin_core::gate::{Counters, Exposure, Outcome, StageId, Tallies, Tally};
use serin_core::plan::{Rollout, Trial};
use serin_judge::{Judge, TallyBuffer};

use crate::host::Metric;
use crate::shared_data::SharedData;

/// The counts of one trial in this VM.
pub(crate) struct TrialCounts {
    rollout: String,
    canary: String,
    baseline: String,
    buffer: RefCell<TallyBuffer>,
    metrics: Cell<Option<StageMetrics>>,
}

/// The metrics of a stage, each for the canary and for the baseline.
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
    pub(crate) fn record(&self, trial: &Trial, exposure: &Exposure, outcome: &Outcome) {
        let Ok(mut buffer) = self.buffer.try_borrow_mut() else { return };
        // Displaced tallies belong to a stage that is not in force. They are no evidence, but the metrics count
        // them.
        if let Some(displaced) = buffer.record(trial, exposure, outcome) {
            self.count(&displaced);
        }
    }

    /// Adds the counts to the tallies that all VMs share, if they belong to the `current` stage. `compared` is
    /// the tally of the shadow's responses since the last tick.
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
            // The next tick tries again.
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
        if let Some(metrics) = self.metrics.get().filter(|metrics| metrics.stage == stage) {
            return metrics;
        }
        let TrialCounts { rollout, canary, baseline, .. } = self;
        let StageId { epoch, step, .. } = stage;
        let counter = |arm: &str, event: &str| {
            Metric::counter(&format!(
                "serin.gate.{rollout}.epoch.{epoch}.step.{step}.arm.{arm}.{event}"
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
