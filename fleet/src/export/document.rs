//! The spec in exported files: indented and sorted JSON, so that a small change of the spec is a small change of
//! the file.

use super::source::Source;
use serde_json::Value;
use serin_core::Plan;

/// The document, indented and sorted, with a final line break. Where that would change the digest (a number with
/// more digits than a double has), the original document.
pub fn pretty(source: &Source<'_>) -> String {
    let text = serde_json::to_string_pretty(&value(source)).unwrap_or_default() + "\n";
    let same_digest =
        Plan::from_json(text.as_bytes()).is_ok_and(|plan| plan.digest() == source.plan.digest());
    if same_digest { text } else { format!("{}\n", source.json.trim_end()) }
}

/// The document as a value.
pub fn value(source: &Source<'_>) -> Value {
    serde_json::from_str(source.json).unwrap_or_default()
}
