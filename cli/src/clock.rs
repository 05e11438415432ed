//! The wall clock: the only module that reads the time of day.

use serin_core::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// The current time.
pub(crate) fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_unix_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}
