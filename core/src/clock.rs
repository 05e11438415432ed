//! The time that decisions go by.

use core::cell::Cell;

/// A clock that never goes back: it keeps the latest time it was given.
///
/// A step of a ramp is a function of the time. A host's clock that is set back would end a step that
/// has begun, and take out users who are in. A host keeps one of these for as long as it runs, across
/// plans, and gives its facts the time that [`MonotonicClock::advance`] returns.
///
/// Only what decisions look at goes by this clock. A duration is measured by the host's own.
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
}

impl MonotonicClock {
    /// Takes a reading of the host's clock, in ms since 1970-01-01T00:00:00Z, and returns the latest
    /// time so far. `None` only if no reading has had a time yet; 0 is no time.
    pub fn advance(&self, reading: Option<u64>) -> Option<u64> {
        let latest = self.latest.get().max(reading.unwrap_or(0));
        self.latest.set(latest);
        (latest > 0).then_some(latest)
    }
}
