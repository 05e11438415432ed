//! Latches as files: what a host knows of aborts and of steps that gates let end.

use crate::failure::Failure;
use crate::input;
use serde_json::Value;
use serin_core::gate::Latches;
use std::path::Path;

const SHAPE: &str =
    r#"{"latches":[{"rollout":"shop","abort":{"epoch":0,"at":0,"digest":"","reason":""}}]}"#;

/// Reads a file; `-` is standard input.
pub(crate) fn read(path: &Path) -> Result<Latches, Failure> {
    let shown = path.display();
    let trouble = |why: String| Failure::trouble(format!("{shown} {why}, they look like {SHAPE}"));
    let text = input::read(path)?;
    let latches = Latches::from_json(&text).ok_or_else(|| trouble("holds no latches".into()))?;
    // Hosts pass over an abort that is not whole; whoever has written it wants to know.
    let document: Value = serde_json::from_slice(&text).unwrap_or_default();
    let items = document.get("latches").and_then(Value::as_array);
    for item in items.into_iter().flatten() {
        let name = item.get("rollout").and_then(Value::as_str).unwrap_or_default();
        let given = item.get("abort").is_some_and(|abort| !abort.is_null());
        if given && latches.get(name).is_none_or(|latch| latch.abort.is_none()) {
            return Err(trouble(format!("has an abort of {name} that is not whole")));
        }
    }
    Ok(latches)
}
