//! The keys of anonymous ids, from the environment.

use crate::failure::Failure;
use serin_core::IdKeys;

/// The environment variable with the keys; the filter reads the same one.
pub(crate) const KEYS: &str = "SERIN_ID_KEY";

/// The variable's value, unless it is empty.
pub(crate) fn text() -> Option<String> {
    std::env::var(KEYS).ok().filter(|keys| !keys.is_empty())
}

/// The keys, if the variable is set.
pub(crate) fn load() -> Result<Option<IdKeys>, Failure> {
    let Some(text) = text() else { return Ok(None) };
    IdKeys::from_text(&text).map(Some).map_err(|errors| {
        let lines: Vec<String> = errors.iter().map(|error| format!("{KEYS}: {error}")).collect();
        Failure::trouble(lines.join("\n"))
    })
}
