//! The keys of anonymous ids.

use serin_core::IdKeys;

use crate::host::{self, Level};

/// The VM's environment variable that holds the keys.
const KEYS: &str = "SERIN_ID_KEY";

/// Reads the VM's keys. `None` if there are none, or if they have an error, which is logged.
pub(crate) fn from_environment() -> Option<IdKeys> {
    let text = host::environment_variable(KEYS)?;
    // Bytes that are not UTF-8 are no base64url, so they are refused like other characters.
    match IdKeys::from_text(&String::from_utf8_lossy(&text)) {
        Ok(keys) => {
            let count = keys.count();
            host::log(Level::Info, &format!("anonymous ids are signed, {count} keys verify"));
            Some(keys)
        }
        Err(errors) => {
            for error in errors.iter() {
                host::log(Level::Error, &format!("{KEYS}: {error}"));
            }
            let effect = "is refused: anonymous ids are neither signed nor verified";
            host::log(Level::Error, &format!("{KEYS} {effect}"));
            None
        }
    }
}
