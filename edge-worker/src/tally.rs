//! What an isolate counts for gates, until it hands it on.

use serin_core::gate::{Outcome, Probe, StageId, Tallies};
use serin_core::plan::{RolloutId, Trial};

use crate::active::Active;
use crate::batch::Batch;

/// How long outcomes are gathered before they are handed on, in ms.
pub(crate) const FLUSH_MS: u64 = 1_000;

impl Active {
    /// Counts a request whose outcome is known.
    pub(crate) fn record(&self, probe: &Probe, outcome: &Outcome) {
        self.tallied(probe.rollout, probe.stage, |tallies, trial| {
            tallies.record(trial, probe, outcome);
        });
    }

    /// Counts an answer of the shadow that was compared, if the spec has it judged; whether it has.
    pub(crate) fn record_shadow(&self, rollout: RolloutId, differs: bool, now: u64) -> bool {
        let Some(of) = self.plan.rollout(rollout) else { return false };
        let active_latches = self.active_latches();
        let latch = active_latches.as_ref().and_then(|active_latches| active_latches.get(rollout));
        let is_judged = of.trial().is_some_and(|trial| trial.divergence().is_some());
        let Some(current) = of.current_stage(latch, now).filter(|_| is_judged) else {
            return false;
        };
        self.tallied(rollout, current.stage, |tallies, _| {
            let shadow = &mut tallies.shadow;
            shadow.exposures = shadow.exposures.saturating_add(1);
            shadow.events = shadow.events.saturating_add(differs.into());
        });
        true
    }

    /// Whether this request is the one that hands on what is counted, [`FLUSH_MS`] from now. If it is cut
    /// off meanwhile, a later one is.
    pub(crate) fn claim_flush(&self, now: u64) -> bool {
        if now < self.flush_due.get() {
            return false;
        }
        self.flush_due.set(now.saturating_add(FLUSH_MS));
        true
    }

    /// Everything that has been counted since this was last asked.
    pub(crate) fn take_batch(&self) -> Batch {
        let mut batch = Batch { digest: self.plan.digest().to_owned(), ..Batch::default() };
        for (rollout, counters) in self.plan.rollouts().iter().zip(&self.rollouts) {
            let tallies = counters.tallies.take().filter(|tallies| !tallies.is_empty());
            batch.tallies.extend(tallies.map(|tallies| (rollout.name().to_owned(), tallies)));
        }
        batch
    }

    fn tallied(
        &self,
        rollout: RolloutId,
        stage: StageId,
        count: impl FnOnce(&mut Tallies, &Trial),
    ) {
        let trial = self.plan.rollout(rollout).and_then(|of| of.trial());
        let slot = self.rollouts.get(rollout.index()).map(|of| of.tallies.try_borrow_mut());
        let (Some(trial), Some(Ok(mut slot))) = (trial, slot) else { return };
        // What is of an earlier stage says nothing of this one.
        let tallies = match slot.take().filter(|tallies| tallies.stage == stage) {
            Some(tallies) => slot.insert(tallies),
            None => slot.insert(Tallies::new(stage, trial)),
        };
        count(tallies, trial);
    }
}
