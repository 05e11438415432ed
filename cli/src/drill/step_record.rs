//! The record of a step in a run: when it began, and which users the share sent to which arm.

use super::subject::Subject;
use super::users::User;
use serin_core::Share;

/// The users of one arm that the share alone sent there.
#[derive(Clone, Debug, Default)]
pub(super) struct Mix {
    pub(super) users: u64,
    /// The users in each of the subject's groups.
    pub(super) groups: Vec<u64>,
    pub(super) requests: u64,
    /// The requests of the busiest hundredth of all users.
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
    /// The arms of each user in this step: bit 0 the baseline, bit 1 the new version.
    arms: Vec<u8>,
}

impl StepRecord {
    /// The record of a step that begins.
    pub(super) fn new(
        step: usize,
        share: Share,
        from_ms: u64,
        groups: usize,
        users: usize,
    ) -> StepRecord {
        let mix = || Mix { groups: vec![0; groups], ..Mix::default() };
        StepRecord { step, share, from_ms, new: mix(), baseline: mix(), arms: vec![0; users] }
    }

    /// Whether the gate held the rollout in this step beyond its hold.
    pub(super) fn is_held_by_gate(&self, subject: &Subject, end_ms: u64) -> bool {
        let step = subject.steps.get(self.step).filter(|step| step.gated);
        let over = step.and_then(|step| self.from_ms.checked_add(step.hold_ms?));
        over.is_some_and(|over| end_ms > over)
    }

    /// Counts a request of a user, who is given by index too.
    pub(super) fn count(&mut self, index: usize, user: &User, new: bool) {
        let (mix, bit) = if new { (&mut self.new, 2) } else { (&mut self.baseline, 1) };
        mix.requests += 1;
        mix.busiest += u64::from(user.busiest);
        self.arms[index] |= bit;
    }

    /// Ends the step: adds up its users.
    pub(super) fn close(&mut self, users: &[User]) {
        for (arms, user) in self.arms.iter().zip(users) {
            for (bit, mix) in [(1, &mut self.baseline), (2, &mut self.new)] {
                if arms & bit == 0 {
                    continue;
                }
                mix.users += 1;
                for (group, count) in mix.groups.iter_mut().enumerate() {
                    *count += u64::from(user.groups & 1 << group.min(31) != 0);
                }
            }
        }
        self.arms = Vec::new();
    }
}
