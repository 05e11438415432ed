//! The tally buffer: outcomes that a worker has counted and not yet sent to the judge.

use serin_core::gate::{Exposure, Outcome, StageId, Tallies};
use serin_core::plan::Trial;

/// The tallies of one trial in one worker, all of one stage.
///
/// It also knows what was counted in the stage before, as far as this worker has seen it: a bucket that has
/// failed there is no longer at risk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TallyBuffer {
    buffered: Option<Tallies>,
    known: Option<Tallies>,
}

impl TallyBuffer {
    /// Counts the outcome of an exposure. Returns displaced tallies: see [`TallyBuffer::add`].
    #[must_use]
    pub fn record(
        &mut self,
        trial: &Trial,
        exposure: &Exposure,
        outcome: &Outcome,
    ) -> Option<Tallies> {
        let known = self.known.as_ref();
        let buffered = self.buffered.as_mut();
        if let Some(buffered) = buffered.filter(|buffered| buffered.stage == exposure.stage) {
            buffered.record_after(known, trial, exposure, outcome);
            return None;
        }
        let mut fresh = Tallies::new(exposure.stage, trial);
        fresh.record_after(known, trial, exposure, outcome);
        self.add(fresh)
    }

    /// Adds tallies. The buffer stores one stage, so tallies of another stage displace some, which are
    /// returned: the added ones if they are of an earlier step of the same trial, else the buffered ones. A
    /// request that began in an earlier step may end after its successors.
    #[must_use]
    pub fn add(&mut self, added: Tallies) -> Option<Tallies> {
        match &mut self.buffered {
            Some(buffered) if buffered.stage == added.stage => {
                buffered.add(&added);
                None
            }
            Some(buffered) if buffered.stage.is_later_step_than(added.stage) => Some(added),
            buffer => buffer.replace(added),
        }
    }

    /// Takes the tallies out, and knows them from now on.
    pub fn take(&mut self) -> Option<Tallies> {
        let taken = self.buffered.take()?;
        self.known = Tallies::absorb(self.known.take(), &taken, taken.stage);
        Some(taken)
    }

    /// Knows the tallies of all workers from now on, which have those that were taken.
    pub fn set_known(&mut self, all: Tallies) {
        self.known = Some(all);
    }

    /// The stage of the buffered tallies.
    pub fn stage(&self) -> Option<StageId> {
        Some(self.buffered.as_ref()?.stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serin_core::gate::Tally;
    use serin_core::plan::RolloutId;
    use serin_core::{Bucket, Plan};

    fn tallies(epoch: u64, step: u32, compared: u64) -> Tallies {
        let shadow = Tally { exposures: compared, events: 0 };
        Tallies { stage: StageId { epoch, step, fingerprint: 7 }, shadow, ..Tallies::default() }
    }

    #[test]
    fn an_earlier_step_does_not_displace_a_later_one() {
        let mut buffer = TallyBuffer::default();
        assert_eq!(buffer.add(tallies(1, 2, 10)), None);
        assert_eq!(buffer.add(tallies(1, 1, 3)), Some(tallies(1, 1, 3)));
        assert_eq!(buffer.add(tallies(1, 2, 5)), None);
        assert_eq!(buffer.take(), Some(tallies(1, 2, 15)));
        assert_eq!((buffer.take(), buffer.stage()), (None, None));
    }

    #[test]
    fn a_bucket_that_has_failed_is_not_at_risk_any_more() {
        let spec = br#"{"formatVersion":1,"units":{"user":[{"header":"x-user"}]},"rollouts":{"web":{
            "arms":{"a":{"target":"a"},"b":{"target":"b"}},"baseline":"a","canary":{"share":50},"gates":{}}}}"#;
        let plan = Plan::from_json(spec).unwrap();
        let trial = plan.rollouts()[0].trial().unwrap();
        let exposure = |number: u32, epoch: u64| Exposure {
            rollout: RolloutId::from_index(0),
            stage: StageId { epoch, ..StageId::default() },
            canary: number < 50_000,
            bucket: Bucket::from_number(number).unwrap(),
            cohorts: 0,
            kpi: false,
            counts: true,
        };
        let count = |buffer: &mut TallyBuffer, requests: &[(u32, u16)], epoch: u64| {
            for (number, status) in requests {
                let outcome = Outcome { status: *status, ..Outcome::default() };
                let _ = buffer.record(trial, &exposure(*number, epoch), &outcome);
            }
            buffer.take().unwrap()
        };
        let mut buffer = TallyBuffer::default();
        // The requests up to the first error are at risk, that one among them.
        let first = count(&mut buffer, &[(1, 200), (1, 503), (1, 503), (70_000, 200)], 0);
        assert_eq!(first.groups[0].at_risk, [2, 1]);
        // Later batches know it.
        let second = count(&mut buffer, &[(1, 503), (2, 200), (70_000, 503)], 0);
        assert_eq!(second.groups[0].at_risk, [1, 1]);
        // Another worker does not, until it has seen the sum.
        let mut other = TallyBuffer::default();
        assert_eq!(count(&mut other, &[(1, 503)], 0).groups[0].at_risk, [1, 0]);
        other.set_known(Tallies::absorb(Some(first), &second, second.stage).unwrap());
        let third = count(&mut other, &[(1, 503), (2, 503), (70_000, 503)], 0);
        assert_eq!(third.groups[0].at_risk, [1, 0]);
        // Another stage begins without errors.
        assert_eq!(count(&mut other, &[(1, 200), (70_000, 200)], 1).groups[0].at_risk, [1, 1]);
    }

    #[test]
    fn a_later_step_and_another_epoch_displace_the_buffer() {
        let mut buffer = TallyBuffer::default();
        for (added, displaced) in [
            (tallies(1, 0, 1), None),
            (tallies(1, 1, 2), Some(tallies(1, 0, 1))),
            (tallies(2, 0, 3), Some(tallies(1, 1, 2))),
            (tallies(1, 5, 4), Some(tallies(2, 0, 3))),
        ] {
            assert_eq!(buffer.add(added), displaced);
        }
    }
}
