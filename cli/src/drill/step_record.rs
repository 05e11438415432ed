//! The record of a step in a run: when it began, and which users were on which side of its share.

use super::subject::Subject;
use super::users::User;
use serin_core::Share;

/// Users of one kind that only the share sent to their arm.
#[derive(Clone, Debug, Default)]
pub(super) struct Mix {
    pub(super) users: u64,
    /// How many are in each of the subject's groups.
    pub(super) groups: Vec<u64>,
    pub(super) requests: u64,
    /// How many of these are by the busiest hundredth of all users.
    pub(super) busiest: u64,
}

/// The record of a step in a run.
#[derive(Clone, Debug)]
pub(super) struct StepRecord {
    pub(super) step: usize,
    pub(super) share: Share,
    /// In ms since the rollout began.
    pub(super) from_ms: u64,
    pub(super) new: Mix,
    pub(super) baseline: Mix,
    /// Who has been seen in it: bit 0 at the baseline, bit 1 at the new version.
    seen: Vec<u8>,
}

impl StepRecord {
    /// A step begins, with so many groups and users that may be met in it.
    pub(super) fn new(
        step: usize,
        share: Share,
        from_ms: u64,
        groups: usize,
        users: usize,
    ) -> StepRecord {
        let mix = || Mix { groups: vec![0; groups], ..Mix::default() };
        StepRecord { step, share, from_ms, new: mix(), baseline: mix(), seen: vec![0; users] }
    }

    /// Whether its gate keeps the rollout in it beyond its time.
    pub(super) fn is_kept(&self, subject: &Subject, end_ms: u64) -> bool {
        let step = subject.steps.get(self.step).filter(|step| step.gated);
        let over = step.and_then(|step| self.from_ms.checked_add(step.hold_ms?));
        over.is_some_and(|over| end_ms > over)
    }

    /// A request of a user, by its place in the list.
    pub(super) fn count(&mut self, index: usize, user: &User, new: bool) {
        let (mix, bit) = if new { (&mut self.new, 2) } else { (&mut self.baseline, 1) };
        mix.requests += 1;
        mix.busiest += u64::from(user.busiest);
        self.seen[index] |= bit;
    }

    /// The step is over.
    pub(super) fn close(&mut self, users: &[User]) {
        for (seen, user) in self.seen.iter().zip(users) {
            for (bit, mix) in [(1, &mut self.baseline), (2, &mut self.new)] {
                if seen & bit == 0 {
                    continue;
                }
                mix.users += 1;
                for (place, count) in mix.groups.iter_mut().enumerate() {
                    *count += u64::from(user.groups & 1 << place.min(31) != 0);
                }
            }
        }
        self.seen = Vec::new();
    }
}
