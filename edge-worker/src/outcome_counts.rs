//! Counting outcomes until they are sent to the judge.

use serin_core::gate::{Exposure, Outcome, StageId, Tallies, Tally};
use serin_core::plan::{RolloutId, Trial};
use serin_judge::{OutcomeBatch, TallyBuffer};

use crate::active::Active;

/// How long outcomes are gathered before they are sent, in ms.
pub(crate) const FLUSH_MS: u64 = 1_000;

impl Active {
    /// Counts the outcome of a request.
    pub(crate) fn record(&self, probe: &Exposure, outcome: &Outcome) {
        self.with_buffer(probe.rollout, |buffer, trial| buffer.record(trial, probe, outcome));
    }

    /// Counts an answer of the shadow that was compared. Returns whether the spec has shadows judged.
    pub(crate) fn record_shadow(&self, rollout: RolloutId, differs: bool, now: u64) -> bool {
        let Some(stage) = self.shadow_stage(rollout, now) else { return false };
        self.with_buffer(rollout, |buffer, trial| {
            let shadow = Tally { exposures: 1, events: differs.into() };
            buffer.add(Tallies { shadow, ..Tallies::new(stage, trial) })
        });
        true
    }

    /// The stage that an answer of the shadow belongs to; `None` if shadows are not judged.
    fn shadow_stage(&self, rollout: RolloutId, now: u64) -> Option<StageId> {
        let latches = self.active_latches();
        let latch = latches.as_ref().and_then(|latches| latches.get(rollout));
        let rollout = self.plan.rollout(rollout)?;
        rollout.trial()?.divergence()?;
        Some(rollout.current_stage(latch, now)?.stage)
    }

    /// Whether this request sends the batch, [`FLUSH_MS`] from now. If it is cut off meanwhile, a later
    /// request does.
    pub(crate) fn claim_flush(&self, now: u64) -> bool {
        if now < self.flush_due.get() {
            return false;
        }
        self.flush_due.set(now.saturating_add(FLUSH_MS));
        true
    }

    /// Takes everything that has been counted since the last call.
    pub(crate) fn take_batch(&self) -> OutcomeBatch {
        let digest = self.plan.digest().to_owned();
        let mut batch = OutcomeBatch { digest, ..OutcomeBatch::default() };
        for (rollout, counters) in self.plan.rollouts().iter().zip(&self.rollouts) {
            let tallies = counters.tallies.take().take().filter(|tallies| !tallies.is_empty());
            batch.tallies.extend(tallies.map(|tallies| (rollout.name().to_owned(), tallies)));
        }
        batch
    }

    /// Tallies that have no room in the buffer are of another stage than the one in force: the judge would
    /// drop them, too.
    fn with_buffer(
        &self,
        rollout: RolloutId,
        count: impl FnOnce(&mut TallyBuffer, &Trial) -> Option<Tallies>,
    ) {
        let trial = self.plan.rollout(rollout).and_then(|rollout| rollout.trial());
        let buffer = self.rollouts.get(rollout.index()).map(|of| of.tallies.try_borrow_mut());
        if let (Some(trial), Some(Ok(mut buffer))) = (trial, buffer) {
            count(&mut buffer, trial);
        }
    }
}
