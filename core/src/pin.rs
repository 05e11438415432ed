//! Session pins: a cookie that keeps a session on its first arm. It has the arm's name and the
//! start time.
//!
//! A client can forge this cookie. A forged pin selects another arm of the same rollout, which
//! serves other sessions anyway, and it expires like any pin.

use alloc::format;
use alloc::string::String;

use crate::plan::{ArmId, Pin, Rollout};
use crate::value::timestamp::Timestamp;

/// The name of the cookie that pins the sessions of a rollout.
pub(crate) fn cookie(rollout: &str) -> String {
    format!("serin_pin_{rollout}")
}

/// The arm that a cookie value pins at `now`; `None` if the rollout has no such arm, or if the pin
/// is malformed, expired or from the future.
pub(crate) fn pinned(
    value: &str,
    rollout: &Rollout,
    pin: &Pin,
    now: Option<Timestamp>,
) -> Option<ArmId> {
    let (arm, start) = value.split_once('.')?;
    let start: u64 = start.parse().ok()?;
    let age = now?.unix_ms().checked_sub(start.checked_mul(1000)?)?;
    let arm = rollout.arms().iter().position(|known| known.name() == arm)?;
    (age < pin.ms).then(|| ArmId::new(arm))
}

/// The `Set-Cookie` value that pins a session to an arm from `now` on.
pub(crate) fn set_cookie(pin: &Pin, arm: &str, now: Timestamp, secure: bool) -> String {
    let start = now.unix_ms().checked_div(1000).unwrap_or(0);
    let max_age = pin.ms.div_ceil(1000);
    let secure = if secure { "; Secure" } else { "" };
    let name = &pin.cookie;
    format!("{name}={arm}.{start}; Path=/; Max-Age={max_age}; HttpOnly; SameSite=Lax{secure}")
}
