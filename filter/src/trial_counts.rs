//! The outcomes of one trial that this VM has counted since its last tick, and the metrics of its stages.

use core::cell::{Cell, RefCell};

use serin_core::gate::{Counters, Exposure, Outcome, StageId, Tallies, Tally};
use serin_core::plan::{Rollout, Trial};
use serin_judge::{DropReason, Dropped, Judge, TallyBuffer};

use crate::host::{self, Level, Metric};
use crate::shared_data::SharedData;

/// The counts of one trial in this VM.
pub(crate) struct TrialCounts {
    rollout: String,
    canary: String,
    baseline: String,
    buffer: RefCell<TallyBuffer>,
    metrics: Cell<Option<StageMetrics>>,
    /// The stage that the shared tallies have been opened for.
    opened: Cell<Option<StageId>>,
    /// The outcomes that are no evidence, because their stage is not in force.
    dropped: Option<Metric>,
    /// The outcomes that are no evidence, because their unit is not verified; `None` if all units count.
    unverified: Option<Metric>,
    is_drop_logged: Cell<bool>,
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
        let dropped = |reason: &str| {
            Metric::counter(&format!("serin.gate.{}.dropped.{reason}", rollout.name()))
        };
        TrialCounts {
            rollout: rollout.name().to_owned(),
            canary: arm(trial.canary()),
            baseline: arm(rollout.baseline()),
            buffer: RefCell::default(),
            metrics: Cell::default(),
            opened: Cell::default(),
            dropped: dropped(DropReason::Stage.as_str()),
            unverified: trial.counts_verified_only().then(|| dropped("unverified")).flatten(),
            is_drop_logged: Cell::default(),
        }
    }

    /// The name of the rollout.
    pub(crate) fn rollout(&self) -> &str {
        &self.rollout
    }

    /// Counts an outcome that is no evidence, because its unit is not verified.
    pub(crate) fn drop_unverified(&self) {
        if let Some(metric) = self.unverified {
            metric.increment();
        }
    }

    /// Counts an outcome.
    pub(crate) fn record(&self, trial: &Trial, exposure: &Exposure, outcome: &Outcome) {
        let Ok(mut buffer) = self.buffer.try_borrow_mut() else { return };
        // Displaced tallies belong to a stage that is not in force. They are no evidence, but the metrics count
        // them.
        if let Some(displaced) = buffer.record(trial, exposure, outcome) {
            self.count(&displaced);
            self.drop_tallies(&displaced);
        }
    }

    /// Adds the counts to the tallies that all VMs share, if they belong to the `current` stage. `compared` is
    /// the tally of the shadow's responses since the last tick.
    pub(crate) fn flush(
        &self,
        judge: &Judge<SharedData>,
        current: StageId,
        trial: &Trial,
        compared: Tally,
    ) {
        // A stage's metrics exist from its beginning.
        self.metrics_of(current);
        let Ok(mut buffer) = self.buffer.try_borrow_mut() else { return };
        self.open_stage(&mut buffer, judge, current, trial);
        if compared.exposures > 0 {
            let shadow = Tallies { shadow: compared, ..Tallies::new(current, trial) };
            if buffer.stage() == Some(current) {
                let _ = buffer.add(shadow);
            } else {
                let _ = judge.add(&self.rollout, &shadow, current);
            }
        }
        self.flush_buffer(&mut buffer, judge, current);
    }

    /// Adds the last counts of a draining config. The judging config determines the stage in force: that of the
    /// shared tallies, or a later step of the same trial.
    pub(crate) fn flush_draining(&self, judge: &Judge<SharedData>) {
        let Ok(mut buffer) = self.buffer.try_borrow_mut() else { return };
        let Some(own) = buffer.stage() else { return };
        let stored = judge.tallies(&self.rollout).map(|tallies| tallies.stage);
        let current = stored.filter(|stored| !own.is_later_step_than(*stored)).unwrap_or(own);
        self.flush_buffer(&mut buffer, judge, current);
    }

    /// Counts all outcomes as no evidence: no stage is in force.
    pub(crate) fn drop_all(&self) {
        let Ok(mut buffer) = self.buffer.try_borrow_mut() else { return };
        if let Some(tallies) = buffer.take() {
            self.count(&tallies);
            self.drop_tallies(&tallies);
        }
    }

    /// Makes a stage the one of the shared tallies when it begins, so that draining configs know it.
    fn open_stage(
        &self,
        buffer: &mut TallyBuffer,
        judge: &Judge<SharedData>,
        current: StageId,
        trial: &Trial,
    ) {
        if self.opened.replace(Some(current)) == Some(current) {
            return;
        }
        match judge.tallies(&self.rollout).filter(|stored| stored.stage == current) {
            Some(stored) => buffer.set_known(stored),
            None => {
                if judge.add(&self.rollout, &Tallies::new(current, trial), current).is_err() {
                    self.opened.set(None);
                }
            }
        }
    }

    fn flush_buffer(&self, buffer: &mut TallyBuffer, judge: &Judge<SharedData>, current: StageId) {
        let Some(tallies) = buffer.take() else { return };
        if tallies.stage != current {
            self.drop_tallies(&tallies);
        } else {
            match judge.add(&self.rollout, &tallies, current) {
                Ok(sum) => sum.into_iter().for_each(|sum| buffer.set_known(sum)),
                Err(_) => {
                    // The next tick tries again.
                    let _ = buffer.add(tallies);
                    return;
                }
            }
        }
        self.count(&tallies);
    }

    /// Counts tallies that are no evidence, and logs the first ones.
    fn drop_tallies(&self, tallies: &Tallies) {
        let Dropped { outcomes, .. } = Dropped::new(&self.rollout, DropReason::Stage, tallies);
        if outcomes == 0 {
            return;
        }
        if let Some(metric) = self.dropped {
            metric.add(outcomes);
        }
        if !self.is_drop_logged.replace(true) {
            let StageId { epoch, step, .. } = tallies.stage;
            let rollout = &self.rollout;
            host::log(
                Level::Info,
                &format!(
                    "gates: {outcomes} outcomes of {rollout} are no evidence: epoch {epoch}, step {step} is not in \
                     force, or the rollout was edited"
                ),
            );
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
