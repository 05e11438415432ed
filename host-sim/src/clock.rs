//! Time is an argument: a test moves it by hand, a server reads it from the system.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The two clocks of a host: the time of day, which can be set, and the uptime, which cannot.
pub trait Clock: Send + Sync {
    /// Nanoseconds since 1970-01-01T00:00:00Z.
    fn now_nanos(&self) -> u64;

    /// Nanoseconds since any time in the past. They never go back. Timers run by this clock, and guests read it
    /// as WASI's monotonic clock.
    fn uptime_nanos(&self) -> u64 {
        self.now_nanos()
    }

    /// Advances both clocks, if they can be moved. Returns whether they can.
    fn advance(&self, by: Duration) -> bool {
        let _ = by;
        false
    }
}

/// The system's clock.
#[derive(Clone, Copy, Debug, Default)]
#[expect(
    clippy::exhaustive_structs,
    reason = "callers write `SystemClock`, and it has nothing to set"
)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one clock that is the system's, by name")]
    fn now_nanos(&self) -> u64 {
        nanos(SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
    }

    #[expect(clippy::disallowed_methods, reason = "the one clock that is the system's, by name")]
    fn uptime_nanos(&self) -> u64 {
        static START: OnceLock<Instant> = OnceLock::new();
        nanos(START.get_or_init(Instant::now).elapsed())
    }
}

/// A clock that stands still until it is moved. Clones are the same clock.
#[derive(Clone, Debug)]
pub struct VirtualClock {
    wall: Arc<AtomicU64>,
    uptime: Arc<AtomicU64>,
}

impl VirtualClock {
    /// A clock that shows this many milliseconds since 1970. The uptime begins at the same number.
    pub fn at_millis(millis: u64) -> Self {
        let clock = || Arc::new(AtomicU64::new(millis.saturating_mul(1_000_000)));
        Self { wall: clock(), uptime: clock() }
    }

    /// Sets the time, forwards or backwards, without running what was due in between. Forwards, the uptime
    /// moves by the same duration: time has passed. Backwards it stays.
    pub fn set_millis(&self, millis: u64) {
        let now = millis.saturating_mul(1_000_000);
        let before = self.wall.swap(now, Ordering::SeqCst);
        self.uptime.fetch_add(now.saturating_sub(before), Ordering::SeqCst);
    }

    /// Sets the time of day as an administrator or NTP does: no time passes.
    pub fn jump_to_millis(&self, millis: u64) {
        self.wall.store(millis.saturating_mul(1_000_000), Ordering::SeqCst);
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
        self.wall.load(Ordering::SeqCst)
    }

    fn uptime_nanos(&self) -> u64 {
        self.uptime.load(Ordering::SeqCst)
    }

    fn advance(&self, by: Duration) -> bool {
        let by = nanos(by);
        self.wall.fetch_add(by, Ordering::SeqCst);
        self.uptime.fetch_add(by, Ordering::SeqCst);
        true
    }
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
