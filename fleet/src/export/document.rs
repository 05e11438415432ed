//! The spec as it stands in files: JSON for people, sorted, so that a change of the spec is the same
//! change of the file.

use super::Source;
use serde_json::Value;
use serin_core::Plan;

/// The document, indented and sorted, ending in a line break. It has the spec's digest; where indenting
/// would change that (a number with more digits than a double holds), the text is as it was given.
pub fn pretty(source: &Source<'_>) -> String {
    let text = serde_json::to_string_pretty(&value(source)).unwrap_or_default() + "\n";
    let kept =
        Plan::from_json(text.as_bytes()).is_ok_and(|plan| plan.digest() == source.plan.digest());
    if kept { text } else { format!("{}\n", source.json.trim_end()) }
}

/// The document as a value.
pub fn value(source: &Source<'_>) -> Value {
    serde_json::from_str(source.json).unwrap_or_default()
}
