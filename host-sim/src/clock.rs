//! Time is an argument: a test moves it by hand, a server reads it from the system.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Where the guests of a plugin read the time.
pub trait Clock: Send + Sync {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    fn now_nanos(&self) -> u64;

    /// Moves the clock, if it is one that can be moved. Says whether it did.
    fn advance(&self, by: Duration) -> bool {
        let _ = by;
        false
    }
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one clock that is the system's, by name")]
    fn now_nanos(&self) -> u64 {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
    }
}

/// A clock that stands still until it is moved. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct VirtualClock(Arc<AtomicU64>);

impl VirtualClock {
    /// A clock that shows this many milliseconds since 1970.
    pub fn at_millis(millis: u64) -> Self {
        Self(Arc::new(AtomicU64::new(millis.saturating_mul(1_000_000))))
    }

    /// Sets the clock, forwards or backwards, without running what was due in between.
    pub fn set_millis(&self, millis: u64) {
        self.0.store(millis.saturating_mul(1_000_000), Ordering::SeqCst);
    }
}

impl Default for VirtualClock {
    /// 2026-01-01T00:00:00Z.
    fn default() -> Self {
        Self::at_millis(1_767_225_600_000)
    }
}

impl Clock for VirtualClock {
    fn now_nanos(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    fn advance(&self, by: Duration) -> bool {
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        self.0.fetch_add(nanos, Ordering::SeqCst);
        true
    }
}
