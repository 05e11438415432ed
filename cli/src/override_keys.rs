//! The keys of override tokens, from the environment.

use crate::failure::Failure;
use serin_core::OverrideKeys;

/// The environment variable with the keys; the filter reads the same one.
pub(crate) const KEYS: &str = "SERIN_OVERRIDE_KEYS";

/// The variable's value, unless it is empty.
pub(crate) fn text() -> Option<String> {
    std::env::var(KEYS).ok().filter(|keys| !keys.is_empty())
}

/// The keys, if the variable is set.
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
