//! An interval by the platform's clock, which may be set.

use std::cell::Cell;

/// The time of the latest claim. The next one is due once the clock has moved by the length of the interval,
/// forwards or back: a clock that is set back must not stop what happens at intervals.
#[derive(Debug, Default)]
pub(crate) struct Interval(Cell<Option<u64>>);

impl Interval {
    /// Whether the interval is due at `now`. If so, the next one begins. Both are in ms; `now` since 1970.
    pub(crate) fn claim(&self, now: u64, length_ms: u64) -> bool {
        let is_due = self.0.get().is_none_or(|latest| now.abs_diff(latest) >= length_ms);
        if is_due {
            self.begin(now);
        }
        is_due
    }

    /// Begins an interval.
    pub(crate) fn begin(&self, now: u64) {
        self.0.set(Some(now));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interval_is_claimed_once() {
        let interval = Interval::default();
        assert!(interval.claim(1_000, 500));
        assert!(!interval.claim(1_000, 500) && !interval.claim(1_499, 500));
        assert!(interval.claim(1_500, 500));
        interval.begin(1_600);
        assert!(!interval.claim(2_099, 500) && interval.claim(2_100, 500));
    }

    #[test]
    fn a_clock_that_is_set_makes_it_due_at_once() {
        const DAY: u64 = 86_400_000;
        let interval = Interval::default();
        assert!(interval.claim(DAY, 1_000));
        for now in [DAY - 3_600_000, 2 * DAY, DAY] {
            assert!(interval.claim(now, 1_000), "{now}");
            assert!(!interval.claim(now + 999, 1_000), "{now}");
        }
    }
}
