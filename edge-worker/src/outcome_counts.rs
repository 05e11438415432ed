//! The outcomes that an isolate has counted since its last batch.

use serin_core::gate::{Exposure, Outcome, StageId, Tallies, Tally};
use serin_core::plan::{RolloutId, Trial};
use serin_judge::{OutcomeBatch, TallyBuffer};

use crate::active_plan::ActivePlan;

/// The time in which outcomes are gathered for a batch, in ms.
pub(crate) const FLUSH_MS: u64 = 1_000;

impl ActivePlan {
    /// Whether the outcome of an exposure counts. One that does not is counted as dropped.
    pub(crate) fn admits(&self, exposure: &Exposure) -> bool {
        let counters = self.rollouts.get(exposure.rollout.index());
        if let Some(counters) = counters.filter(|_| !exposure.counts) {
            counters.unverified.increment();
        }
        exposure.counts
    }

    /// Counts the outcome of a request.
    pub(crate) fn record(&self, exposure: &Exposure, outcome: &Outcome) {
        self.with_buffer(exposure.rollout, |buffer, trial| buffer.record(trial, exposure, outcome));
    }

    /// Counts a comparison with the shadow. Returns whether a gate judges the shadow.
    pub(crate) fn record_shadow(&self, rollout: RolloutId, differs: bool, now: u64) -> bool {
        let Some(stage) = self.shadow_stage(rollout, now) else { return false };
        self.with_buffer(rollout, |buffer, trial| {
            let shadow = Tally { exposures: 1, events: differs.into() };
            buffer.add(Tallies { shadow, ..Tallies::new(stage, trial) })
        });
        true
    }

    /// The stage that a comparison belongs to; `None` if no gate judges the shadow.
    fn shadow_stage(&self, rollout: RolloutId, now: u64) -> Option<StageId> {
        let latches = self.active_latches();
        let latch = latches.as_ref().and_then(|latches| latches.get(rollout));
        let rollout = self.plan.rollout(rollout)?;
        rollout.trial()?.divergence()?;
        Some(rollout.current_stage(latch, now)?.stage)
    }

    /// Whether the caller has to send the next batch, [`FLUSH_MS`] from now. If the runtime cuts off its request,
    /// a later one sends the batch.
    pub(crate) fn claim_flush(&self, now: u64) -> bool {
        if now < self.flush_due.get() {
            return false;
        }
        self.flush_due.set(now.saturating_add(FLUSH_MS));
        true
    }

    /// Takes the outcomes since the last call.
    pub(crate) fn take_batch(&self) -> OutcomeBatch {
        let digest = self.plan.digest().to_owned();
        let mut batch = OutcomeBatch { digest, ..OutcomeBatch::default() };
        for (rollout, counters) in self.plan.rollouts().iter().zip(&self.rollouts) {
            let tallies = counters.tallies.take().take().filter(|tallies| !tallies.is_empty());
            batch.tallies.extend(tallies.map(|tallies| (rollout.name().to_owned(), tallies)));
        }
        batch
    }

    /// Changes a rollout's buffer. Displaced tallies are dropped: they belong to a stage that is not in force, so
    /// the judge would drop them, too.
    fn with_buffer(
        &self,
        rollout: RolloutId,
        change: impl FnOnce(&mut TallyBuffer, &Trial) -> Option<Tallies>,
    ) {
        let trial = self.plan.rollout(rollout).and_then(|rollout| rollout.trial());
        let buffer = self.rollouts.get(rollout.index()).map(|of| of.tallies.try_borrow_mut());
        if let (Some(trial), Some(Ok(mut buffer))) = (trial, buffer) {
            change(&mut buffer, trial);
        }
    }
}
