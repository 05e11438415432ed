//! The tally buffer: outcomes that a worker has counted and not yet sent to the judge.

use serin_core::gate::{Exposure, Outcome, StageId, Tallies};
use serin_core::plan::Trial;

/// The tallies of one trial in one worker, all of one stage.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TallyBuffer(Option<Tallies>);

impl TallyBuffer {
    /// Counts the outcome of an exposure. Returns displaced tallies: see [`TallyBuffer::add`].
    #[must_use]
    pub fn record(
        &mut self,
        trial: &Trial,
        exposure: &Exposure,
        outcome: &Outcome,
    ) -> Option<Tallies> {
        if let Some(buffered) = self.0.as_mut().filter(|buffered| buffered.stage == exposure.stage)
        {
            buffered.record(trial, exposure, outcome);
            return None;
        }
        let mut fresh = Tallies::new(exposure.stage, trial);
        fresh.record(trial, exposure, outcome);
        self.add(fresh)
    }

    /// Adds tallies. The buffer stores one stage, so tallies of another stage displace some, which are
    /// returned: the added ones if they are of an earlier step of the same trial, else the buffered ones. A
    /// request that began in an earlier step may end after its successors.
    #[must_use]
    pub fn add(&mut self, added: Tallies) -> Option<Tallies> {
        match &mut self.0 {
            Some(buffered) if buffered.stage == added.stage => {
                buffered.add(&added);
                None
            }
            Some(buffered) if buffered.stage.is_later_step_than(added.stage) => Some(added),
            buffer => buffer.replace(added),
        }
    }

    /// Takes the tallies out and leaves the buffer empty.
    pub fn take(&mut self) -> Option<Tallies> {
        self.0.take()
    }

    /// The stage of the buffered tallies.
    pub fn stage(&self) -> Option<StageId> {
        Some(self.0.as_ref()?.stage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serin_core::gate::Tally;

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
