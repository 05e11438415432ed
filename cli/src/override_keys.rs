//! The keys of testers' tokens, from the environment: what `serin serve`, `serin explain` and
//! `serin override` share.

use crate::failure::Failure;
use serin_core::OverrideKeys;

/// The environment variable that holds the keys, at hosts too.
pub(crate) const KEYS: &str = "SERIN_OVERRIDE_KEYS";

/// The variable's value, unless it is empty.
pub(crate) fn text() -> Option<String> {
    std::env::var(KEYS).ok().filter(|keys| !keys.is_empty())
}

/// The keys, if there are any.
pub(crate) fn load() -> Result<Option<OverrideKeys>, Failure> {
    let Some(text) = text() else { return Ok(None) };
    match OverrideKeys::from_json(text.as_bytes()) {
        Ok(keys) => Ok(Some(keys)),
        Err(errors) => {
            let lines: Vec<String> =
                errors.iter().map(|error| format!("{KEYS}: {error}")).collect();
            Err(Failure::trouble(lines.join("\n")))
        }
    }
}
