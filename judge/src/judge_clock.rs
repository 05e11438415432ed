//! The clock that a judge evaluates by.

/// The judge's own clock, corrected by its workers' clocks.
///
/// Which step of a ramp is in force is a question of time. If the judge's clock is wrong, every worker counts
/// for a step that the judge does not know yet, and nothing is judged. So each worker sends its own time with
/// its batch. As long as any worker agrees with the judge's clock, that clock is right. If none has agreed for
/// [`JudgeClock::SILENCE_MS`], the judge follows the worker, within [`JudgeClock::MAX_CORRECTION_MS`].
#[derive(Clone, Debug, Default)]
pub struct JudgeClock {
    /// How far the workers' clocks are from the judge's own, in ms.
    correction_ms: i64,
    /// When a worker has last agreed, by the judge's own clock, in ms since 1970.
    agreed_at: Option<u64>,
}

impl JudgeClock {
    /// The largest correction, in ms. It exceeds an hour, the size of the most common mistake.
    pub const MAX_CORRECTION_MS: u64 = 7_200_000;
    /// How long no worker has to agree until the judge follows another clock, in ms.
    pub const SILENCE_MS: u64 = 10_000;
    /// The largest difference of two clocks that agree, in ms.
    const TOLERANCE_MS: u64 = 5_000;

    /// The time at `own`, the reading of the judge's own clock. Both are in ms since 1970.
    pub fn time(&self, own: u64) -> u64 {
        own.saturating_add_signed(self.correction_ms)
    }

    /// The time at `own`, given the time of a worker that has just sent a batch. All are in ms since 1970.
    pub fn follow(&mut self, own: u64, worker: u64) -> u64 {
        if worker.abs_diff(own) <= Self::TOLERANCE_MS {
            self.correction_ms = 0;
            self.agreed_at = Some(own);
        } else if worker.abs_diff(self.time(own)) <= Self::TOLERANCE_MS {
            self.agreed_at = Some(own);
        } else if worker.abs_diff(own) <= Self::MAX_CORRECTION_MS && self.is_alone(own) {
            let correction = i128::from(worker).saturating_sub(i128::from(own));
            self.correction_ms = i64::try_from(correction).unwrap_or_default();
            self.agreed_at = Some(own);
        }
        self.time(own)
    }

    /// Whether no worker has agreed lately. A clock that was set back counts as a long time.
    fn is_alone(&self, own: u64) -> bool {
        self.agreed_at.is_none_or(|agreed_at| own.abs_diff(agreed_at) >= Self::SILENCE_MS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_795_250_000_000;
    const MINUTE: u64 = 60_000;

    #[test]
    fn a_clock_that_is_wrong_follows_the_workers() {
        for worker in [NOW + 10 * MINUTE, NOW - 60 * MINUTE] {
            let mut clock = JudgeClock::default();
            assert_eq!(clock.follow(NOW, worker), worker);
            assert_eq!(clock.follow(NOW + 1_000, worker + 1_001), worker + 1_000);
            // Without a batch the correction stays.
            assert_eq!(clock.time(NOW + 2_000), worker + 2_000);
        }
    }

    #[test]
    fn a_clock_that_is_put_right_needs_no_correction() {
        let mut clock = JudgeClock::default();
        clock.follow(NOW, NOW + 10 * MINUTE);
        let right = NOW + 10 * MINUTE + 1_000;
        assert_eq!(clock.follow(right, right + 20), right);
    }

    #[test]
    fn one_worker_with_a_wrong_clock_is_not_followed() {
        let mut clock = JudgeClock::default();
        clock.follow(NOW, NOW + 30 * MINUTE);
        for second in 1..100 {
            let now = NOW + second * 1_000;
            assert_eq!(clock.follow(now, now + 3), now);
            assert_eq!(clock.follow(now, now + 30 * MINUTE), now);
        }
    }

    #[test]
    fn a_correction_is_bounded() {
        let mut clock = JudgeClock::default();
        let day = 1_440 * MINUTE;
        for worker in [NOW + day, NOW - day, 0, u64::MAX] {
            assert_eq!(clock.follow(NOW, worker), NOW);
        }
        assert_eq!(clock.follow(u64::MAX, u64::MAX), u64::MAX);
    }

    #[test]
    fn a_clock_that_was_set_back_follows_at_once() {
        let mut clock = JudgeClock::default();
        clock.follow(NOW, NOW);
        let back = NOW - 60 * MINUTE;
        assert_eq!(clock.follow(back, NOW + 10), NOW + 10);
    }
}
