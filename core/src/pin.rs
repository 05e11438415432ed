//! Sessions that keep the arm they began on: a cookie with the arm's name and when it began.
//!
//! A client can write this cookie itself. All that gains is another arm of the same rollout, one
//! that serves sessions anyway, and no longer than the pin lasts.

use alloc::format;
use alloc::string::String;

use crate::plan::{ArmId, Pin, Rollout};
use crate::value::timestamp::Timestamp;

/// The cookie that pins sessions of a rollout.
pub(crate) fn cookie(rollout: &str) -> String {
    format!("serin_pin_{rollout}")
}

/// The arm that a cookie's value pins to at `now`: one of the rollout's, begun in the past and not
/// longer ago than pins last.
pub(crate) fn pinned(
    value: &str,
    rollout: &Rollout,
    pin: &Pin,
    now: Option<Timestamp>,
) -> Option<ArmId> {
    let (arm, began) = value.split_once('.')?;
    let began: u64 = began.parse().ok()?;
    let age = now?.unix_ms().checked_sub(began.checked_mul(1000)?)?;
    let arm = rollout.arms().iter().position(|known| known.name() == arm)?;
    (age < pin.ms).then(|| ArmId::new(arm))
}

/// The `Set-Cookie` value that pins to an arm from `now` on.
pub(crate) fn set_cookie(pin: &Pin, arm: &str, now: Timestamp, secure: bool) -> String {
    let began = now.unix_ms().checked_div(1000).unwrap_or(0);
    let max_age = pin.ms.div_ceil(1000);
    let secure = if secure { "; Secure" } else { "" };
    let name = &pin.cookie;
    format!("{name}={arm}.{began}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}")
}
