//! What a VM has seen of one trial since its last tick, and how it gets to where all VMs add up.

use core::cell::{Cell, RefCell};

use serin_core::gate::{Counters, Outcome, Probe, StageId, Tallies, Tally};
use serin_core::plan::{Rollout, Trial};

use crate::host::{self, Metric};

/// Writing is tried so often in one tick; what could not be written waits for the next.
const TRIES: u32 = 16;

/// One guarded rollout, as this VM sees it.
pub(crate) struct Local {
    name: String,
    /// Where all VMs add up.
    pub(crate) key: String,
    canary: String,
    baseline: String,
    seen: RefCell<Option<Tallies>>,
    metrics: Cell<Option<StageMetrics>>,
}

/// Counters of a stage, of the canary and of the baseline.
#[derive(Clone, Copy)]
struct StageMetrics {
    stage: StageId,
    requests: [Option<Metric>; 2],
    errors: [Option<Metric>; 2],
}

impl Local {
    pub(crate) fn new(rollout: &Rollout, trial: &Trial, prefix: &str) -> Local {
        let arm = |id| rollout.arm(id).map(|arm| arm.name().to_owned()).unwrap_or_default();
        Local {
            name: rollout.name().to_owned(),
            key: format!("{prefix}tallies/{}", rollout.name()),
            canary: arm(trial.canary()),
            baseline: arm(rollout.baseline()),
            seen: RefCell::default(),
            metrics: Cell::default(),
        }
    }

    /// Counts an outcome.
    pub(crate) fn record(&self, trial: &Trial, probe: &Probe, outcome: &Outcome) {
        let Ok(mut slot) = self.seen.try_borrow_mut() else { return };
        if let Some(seen) = slot.as_mut().filter(|seen| seen.stage == probe.stage) {
            seen.record(trial, probe, outcome);
            return;
        }
        let mut fresh = Tallies::new(probe.stage, trial);
        fresh.record(trial, probe, outcome);
        // A request that began before the stage did says nothing of it.
        if slot.as_ref().is_some_and(|seen| is_later(seen.stage, probe.stage)) {
            self.count(&fresh);
        } else if let Some(past) = slot.replace(fresh) {
            self.count(&past);
        }
    }

    /// Adds everything to what all VMs have seen, in the stage that is in force, and answers of the shadow
    /// that have been `compared` since the last time.
    pub(crate) fn flush(&self, current: Option<StageId>, trial: Option<&Trial>, compared: Tally) {
        let Ok(mut slot) = self.seen.try_borrow_mut() else { return };
        if let Some(stage) = current {
            self.metrics_of(stage);
            if let Some(trial) = trial.filter(|_| compared.exposures > 0) {
                let mut fresh = Tallies::new(stage, trial);
                fresh.shadow = compared;
                match slot.as_mut().filter(|seen| seen.stage == stage) {
                    Some(seen) => seen.add(&fresh),
                    None => {
                        self.add(&fresh, stage);
                    }
                }
            }
        }
        let Some(seen) = slot.take() else { return };
        let written = current.is_none_or(|current| self.add(&seen, current));
        if written {
            self.count(&seen);
        } else {
            *slot = Some(seen);
        }
    }

    fn add(&self, seen: &Tallies, current: StageId) -> bool {
        for _ in 0..TRIES {
            let (bytes, cas) = host::shared(&self.key).unwrap_or_default();
            let kept = Tallies::from_bytes(&bytes);
            let Some(sum) = Tallies::absorb(kept, seen, current) else { return true };
            if host::set_shared(&self.key, &sum.to_bytes(), cas) {
                return true;
            }
        }
        false
    }

    /// What all VMs have seen.
    pub(crate) fn sum(&self) -> Option<Tallies> {
        Tallies::from_bytes(&host::shared(&self.key)?.0)
    }

    /// Adds to the counters of the stage.
    fn count(&self, seen: &Tallies) {
        let Some(group) = seen.groups.first() else { return };
        let metrics = self.metrics_of(seen.stage);
        let Counters { canary, baseline } = group.requests;
        let pairs = [canary, baseline].into_iter().zip(metrics.requests).zip(metrics.errors);
        for ((tally, requests), errors) in pairs {
            for (metric, count) in [(requests, tally.exposures), (errors, tally.events)] {
                if let Some(metric) = metric.filter(|_| count > 0) {
                    metric.add(count);
                }
            }
        }
    }

    /// The counters of a stage, which are there from its beginning.
    fn metrics_of(&self, stage: StageId) -> StageMetrics {
        if let Some(known) = self.metrics.get().filter(|known| known.stage == stage) {
            return known;
        }
        let Local { name, canary, baseline, .. } = self;
        let StageId { epoch, step, .. } = stage;
        let counter = |arm: &str, what: &str| {
            Metric::counter(&format!(
                "serin.gate.{name}.epoch.{epoch}.step.{step}.arm.{arm}.{what}"
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

/// Whether a stage is a later step of the same trial.
fn is_later(stage: StageId, than: StageId) -> bool {
    (stage.epoch, stage.fingerprint) == (than.epoch, than.fingerprint) && stage.step > than.step
}
