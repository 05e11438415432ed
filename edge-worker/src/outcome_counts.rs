//! The outcomes that an isolate has counted since its last batch.

use serin_core::gate::{Exposure, Outcome, StageId, Tallies, Tally};
use serin_core::plan::{RolloutId, Trial};
use serin_judge::{DropReason, Dropped, OutcomeBatch, TallyBuffer};

use crate::active_plan::ActivePlan;

/// The time in which outcomes are gathered for a batch, in ms.
pub(crate) const FLUSH_MS: u64 = 1_000;
/// How long outcomes are sent again that the judge could not count yet, in ms: KV may take a minute to have the
/// same spec everywhere.
const KEEP_MS: u64 = 120_000;

impl ActivePlan {
    /// Whether the outcome of an exposure counts. One that does not is counted as dropped.
    pub(crate) fn admits(&self, exposure: &Exposure) -> bool {
        let counters = self.rollouts.get(exposure.rollout.index());
        if let Some(counters) = counters.filter(|_| !exposure.counts) {
            counters.unverified.increment();
        }
        exposure.counts
    }

    /// Counts the outcome of a request. Returns what is dropped for it.
    #[must_use]
    pub(crate) fn record(&self, exposure: &Exposure, outcome: &Outcome) -> Option<Dropped> {
        self.with_buffer(exposure.rollout, |buffer, trial| buffer.record(trial, exposure, outcome))
    }

    /// Counts a comparison with the shadow, with what is dropped for it. `None` if no gate judges the shadow.
    pub(crate) fn record_shadow(
        &self,
        rollout: RolloutId,
        differs: bool,
        now: u64,
    ) -> Option<Option<Dropped>> {
        let stage = self.shadow_stage(rollout, now)?;
        Some(self.with_buffer(rollout, |buffer, trial| {
            let shadow = Tally { exposures: 1, events: differs.into() };
            buffer.add(Tallies { shadow, ..Tallies::new(stage, trial) })
        }))
    }

    /// Puts tallies back that the judge could not count yet. Returns what is dropped for them.
    pub(crate) fn keep(&self, rollout: &str, tallies: Tallies) -> Option<Dropped> {
        let index = self.plan.rollouts().iter().position(|known| known.name() == rollout)?;
        self.with_buffer(RolloutId::from_index(index), |buffer, _| buffer.add(tallies))
    }

    /// Whether outcomes that the judge could not count yet may be sent again: until [`KEEP_MS`] after the first
    /// of them.
    pub(crate) fn may_keep(&self, now: u64) -> bool {
        let since = self.kept_since.get().unwrap_or(now);
        self.kept_since.set(Some(since));
        now.abs_diff(since) < KEEP_MS
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
        self.flush.claim(now, FLUSH_MS)
    }

    /// Takes the outcomes since the last call.
    pub(crate) fn take_batch(&self) -> OutcomeBatch {
        let digest = self.plan.digest().to_owned();
        let mut batch = OutcomeBatch { digest, ..OutcomeBatch::default() };
        for (rollout, counters) in self.plan.rollouts().iter().zip(&self.rollouts) {
            let Ok(mut buffer) = counters.tallies.try_borrow_mut() else { continue };
            let tallies = buffer.take().filter(|tallies| !tallies.is_empty());
            batch.tallies.extend(tallies.map(|tallies| (rollout.name().to_owned(), tallies)));
        }
        batch
    }

    /// Changes a rollout's buffer. Returns displaced tallies as dropped: they belong to a stage that is not in
    /// force, so the judge would drop them, too.
    fn with_buffer(
        &self,
        rollout: RolloutId,
        change: impl FnOnce(&mut TallyBuffer, &Trial) -> Option<Tallies>,
    ) -> Option<Dropped> {
        let known = self.plan.rollout(rollout)?;
        let trial = known.trial()?;
        let mut buffer = self.rollouts.get(rollout.index())?.tallies.try_borrow_mut().ok()?;
        let displaced = change(&mut buffer, trial)?;
        Some(Dropped::new(known.name(), DropReason::Stage, &displaced))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spec_source::SpecSource;
    use serin_core::Plan;

    #[test]
    fn kept_outcomes_are_in_the_next_batch_and_displaced_ones_are_dropped() {
        let spec =
            br#"{"formatVersion":1,"units":{"user":[{"header":"x-user"}]},"rollouts":{"web":{
            "unit":"user","arms":{"a":{"target":"a"},"b":{"target":"b"}},"baseline":"a",
            "canary":{"share":50},"gates":{}}}}"#;
        let active = ActivePlan::new(Plan::from_json(spec).unwrap(), SpecSource::Kv, 0);
        let rollout = &active.plan.rollouts()[0];
        let stage = rollout.current_stage(None, 0).unwrap().stage;
        let tallies = |stage: StageId, exposures: u64| {
            let shadow = Tally { exposures, events: 0 };
            Tallies { shadow, ..Tallies::new(stage, rollout.trial().unwrap()) }
        };
        assert_eq!(active.keep("web", tallies(stage, 5)), None);
        assert_eq!(active.keep("other", tallies(stage, 5)), None);
        assert_eq!(active.keep("web", tallies(stage, 2)), None);
        assert_eq!(active.take_batch().get("web").unwrap().shadow.exposures, 7);
        assert_eq!(active.keep("web", tallies(stage, 3)), None);
        let dropped = active.keep("web", tallies(StageId { epoch: 9, ..stage }, 1)).unwrap();
        assert_eq!((dropped.reason, dropped.outcomes), (DropReason::Stage, 3));
    }

    #[test]
    fn outcomes_are_kept_for_a_bounded_time() {
        let plan = Plan::from_json(br#"{"formatVersion":1}"#).unwrap();
        let active = ActivePlan::new(plan, SpecSource::Kv, 0);
        assert!(active.may_keep(1_000) && active.may_keep(1_000 + KEEP_MS - 1));
        assert!(!active.may_keep(1_000 + KEEP_MS));
        active.kept_since.set(None);
        assert!(active.may_keep(1_000 + KEEP_MS));
    }
}
