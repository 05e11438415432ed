//! The clock of decisions.

use core::cell::Cell;

/// A clock that never goes back, and follows a jump of the host's clock only once that jump has lasted.
///
/// The step of a ramp is a function of the time. If a host's clock were set back, a previous step would be
/// in force again and users would leave the ramp. If it jumped ahead and back, users would enter steps that
/// have not begun. A host has one such clock for its whole life, across plans, and decides at the time that
/// [`MonotonicClock::advance`] returns.
///
/// The clock is for decisions only. A host measures durations with its own clock.
///
/// ```
/// use serin_core::MonotonicClock;
///
/// let clock = MonotonicClock::default();
/// assert_eq!(clock.advance(None), None);
/// assert_eq!(clock.advance(Some(2_000)), Some(2_000));
/// assert_eq!(clock.advance(Some(1_000)), Some(2_000));
/// assert_eq!(clock.advance(None), Some(2_000));
/// ```
#[derive(Clone, Debug, Default)]
pub struct MonotonicClock {
    /// Ms since 1970; 0 before the first reading.
    latest: Cell<u64>,
    /// A reading that is trusted, with the host's uptime at that reading.
    trusted: Cell<Option<Reading>>,
    /// The jump that is not followed yet.
    jump: Cell<Option<Jump>>,
}

/// The host's two clocks, read at once.
#[derive(Clone, Copy, Debug)]
struct Reading {
    /// Ms since 1970.
    wall_ms: u64,
    /// Ms since any time in the past.
    uptime_ms: u64,
}

/// A jump ahead of the host's clock.
#[derive(Clone, Copy, Debug)]
struct Jump {
    /// How far the clock is ahead, in ms.
    ahead_ms: u64,
    /// The uptime at which that was noticed, in ms.
    since_ms: u64,
}

impl MonotonicClock {
    /// The largest difference between the elapsed times of a host's two clocks that is no jump, in ms.
    pub const TOLERANCE_MS: u64 = 60_000;
    /// How long a jump ahead has to last until the clock follows it, in ms.
    pub const CONFIRMATION_MS: u64 = 300_000;

    /// Stores a reading of the host's clock, in ms since 1970-01-01T00:00:00Z, and returns the latest one.
    /// `None` if no reading has had a time yet; 0 counts as no time. Jumps ahead are followed at once: see
    /// [`MonotonicClock::advance_with`] for hosts that can tell.
    pub fn advance(&self, reading: Option<u64>) -> Option<u64> {
        self.advance_with(reading, || None)
    }

    /// [`MonotonicClock::advance`] for a host with a second clock that cannot be set: `uptime` returns ms since
    /// any time in the past. It is called only at the first reading, and when a reading is more than
    /// [`MonotonicClock::TOLERANCE_MS`] later than the latest one. While a jump ahead is not confirmed, time
    /// goes on as the uptime does.
    pub fn advance_with(
        &self,
        reading: Option<u64>,
        uptime: impl FnOnce() -> Option<u64>,
    ) -> Option<u64> {
        let latest = self.latest.get();
        let Some(wall_ms) = reading.filter(|wall_ms| *wall_ms > latest) else {
            self.jump.set(None);
            return (latest > 0).then_some(latest);
        };
        let next = if wall_ms <= latest.saturating_add(Self::TOLERANCE_MS) {
            self.jump.set(None);
            wall_ms
        } else {
            self.judge_jump(wall_ms, uptime())
        };
        self.latest.set(next.max(latest));
        Some(self.latest.get())
    }

    /// Takes over the time of a clock that runs already: `time_ms` since 1970 was its latest time at `uptime_ms`.
    /// A clock that starts while the host's clock is wrong would otherwise trust it.
    pub fn join(&self, time_ms: u64, uptime_ms: u64) {
        self.latest.set(self.latest.get().max(time_ms));
        self.trusted.set(Some(Reading { wall_ms: time_ms, uptime_ms }));
    }

    /// Whether a time differs from the latest one by no more than [`MonotonicClock::TOLERANCE_MS`].
    pub fn is_near(&self, time_ms: u64) -> bool {
        self.latest.get().abs_diff(time_ms) <= Self::TOLERANCE_MS
    }

    /// The time that a reading counts as which is far ahead of the latest one.
    fn judge_jump(&self, wall_ms: u64, uptime_ms: Option<u64>) -> u64 {
        let Some(uptime_ms) = uptime_ms else { return wall_ms };
        let reading = Reading { wall_ms, uptime_ms };
        let Some(trusted) = self.trusted.get() else {
            self.trusted.set(Some(reading));
            return wall_ms;
        };
        // An uptime that goes back is none.
        let Some(elapsed) = uptime_ms.checked_sub(trusted.uptime_ms) else { return wall_ms };
        let expected = trusted.wall_ms.saturating_add(elapsed);
        let ahead_ms = wall_ms.saturating_sub(expected);
        if ahead_ms <= Self::TOLERANCE_MS {
            self.jump.set(None);
            return wall_ms;
        }
        let noticed = Jump { ahead_ms, since_ms: uptime_ms };
        let is_same = |jump: &Jump| jump.ahead_ms.abs_diff(ahead_ms) <= Self::TOLERANCE_MS;
        let jump = self.jump.get().filter(is_same).unwrap_or(noticed);
        if uptime_ms.saturating_sub(jump.since_ms) >= Self::CONFIRMATION_MS {
            self.jump.set(None);
            self.trusted.set(Some(reading));
            return wall_ms;
        }
        self.jump.set(Some(jump));
        expected
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: u64 = 1_795_000_000_000;
    const DAY: u64 = 86_400_000;

    /// A host whose clock can be set, and whose uptime cannot.
    struct Host {
        clock: MonotonicClock,
        uptime: u64,
        offset: u64,
        back: u64,
    }

    impl Host {
        fn new() -> Host {
            let host = Host { clock: MonotonicClock::default(), uptime: 5, offset: START, back: 0 };
            assert_eq!(host.read(), START + 5);
            host
        }

        fn read(&self) -> u64 {
            let wall = self.uptime + self.offset - self.back;
            self.clock.advance_with(Some(wall), || Some(self.uptime)).unwrap()
        }
    }

    #[test]
    fn a_jump_ahead_is_followed_once_it_has_lasted() {
        let mut host = Host::new();
        host.offset += DAY;
        for minute in 0..5 {
            host.uptime = 5 + minute * 60_000;
            assert_eq!(host.read(), START + host.uptime, "{minute}");
        }
        host.uptime = 5 + 300_000;
        assert_eq!(host.read(), START + DAY + host.uptime);
        // From here on it is the time.
        host.uptime += 3_600_000;
        assert_eq!(host.read(), START + DAY + host.uptime);
    }

    #[test]
    fn a_jump_ahead_and_back_leaves_no_trace() {
        let mut host = Host::new();
        for _ in 0..10 {
            host.uptime += 100_000;
            host.offset += DAY;
            assert_eq!(host.read(), START + host.uptime);
            host.uptime += 100_000;
            host.offset -= DAY;
            assert_eq!(host.read(), START + host.uptime);
        }
    }

    #[test]
    fn a_clock_that_is_set_back_stands_still_until_it_is_reached_again() {
        let mut host = Host::new();
        host.back = 3_600_000;
        for seconds in [1, 60, 3_599] {
            host.uptime = 5 + seconds * 1_000;
            assert_eq!(host.read(), START + 5);
        }
        host.uptime = 5 + 3_601_000;
        assert_eq!(host.read(), START + 1_005);
    }

    #[test]
    fn a_clock_that_joins_another_does_not_trust_a_jump() {
        let clock = MonotonicClock::default();
        clock.join(START, 100);
        assert_eq!(clock.advance_with(Some(START + DAY), || Some(2_100)), Some(START + 2_000));
        let behind = MonotonicClock::default();
        behind.join(START, 100);
        assert_eq!(behind.advance_with(Some(START - DAY), || Some(2_100)), Some(START));
    }

    #[test]
    fn a_long_silence_is_no_jump() {
        let mut host = Host::new();
        host.uptime += 30 * DAY;
        assert_eq!(host.read(), START + host.uptime);
    }

    #[test]
    fn without_an_uptime_every_jump_ahead_is_followed() {
        let clock = MonotonicClock::default();
        assert_eq!(clock.advance(Some(START)), Some(START));
        assert_eq!(clock.advance(Some(START + DAY)), Some(START + DAY));
        assert_eq!(clock.advance_with(Some(START + 2 * DAY), || Some(7)), Some(START + 2 * DAY));
    }
}
