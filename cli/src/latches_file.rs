//! Latch files: the aborts that a host knows, and the steps that gates have ended.

use crate::failure::Failure;
use crate::input;
use serde_json::Value;
use serin_core::gate::Latches;
use std::path::Path;

const EXAMPLE: &str =
    r#"{"latches":[{"rollout":"shop","abort":{"epoch":0,"at":0,"digest":"","reason":""}}]}"#;

/// Reads a file; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Latches, Failure> {
    let name = input::name(path);
    let trouble = |why: String| Failure::trouble(format!("{name}: {why}, write {EXAMPLE}"));
    let text = input::read(path)?;
    let latches =
        Latches::from_json(&text).ok_or_else(|| trouble("not a latch document".to_owned()))?;
    // Hosts ignore an abort that lacks a field. For the author of the file it is a mistake.
    let document: Value = serde_json::from_slice(&text).unwrap_or_default();
    let items = document.get("latches").and_then(Value::as_array);
    for item in items.into_iter().flatten() {
        let name = item.get("rollout").and_then(Value::as_str).unwrap_or_default();
        let given = item.get("abort").is_some_and(|abort| !abort.is_null());
        if given && latches.get(name).is_none_or(|latch| latch.abort.is_none()) {
            return Err(trouble(format!("the abort of {name:?} lacks a field")));
        }
    }
    Ok(latches)
}
