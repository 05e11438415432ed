//! The clock of decisions.

use core::cell::Cell;

/// A clock that never goes back: it stores the latest reading of the host's clock.
///
/// The step of a ramp is a function of the time. If a host's clock were set back, a previous step would be
/// in force again and users would leave the ramp. A host has one such clock for its whole life, across
/// plans, and decides at the time that [`MonotonicClock::advance`] returns.
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
}

impl MonotonicClock {
    /// Stores a reading of the host's clock, in ms since 1970-01-01T00:00:00Z, and returns the latest one.
    /// `None` if no reading has had a time yet; 0 counts as no time.
    pub fn advance(&self, reading: Option<u64>) -> Option<u64> {
        let latest = self.latest.get().max(reading.unwrap_or(0));
        self.latest.set(latest);
        (latest > 0).then_some(latest)
    }
}
