//! The spec in exported files: sorted JSON with a line for each flag, rollout and cohort. So the file has about the
//! size of the spec, and a small change of the spec is a small change of the file.

use super::source::Source;
use serde_json::Value;
use serin_core::Plan;

/// The document, sorted, with a line for each entry of a section and a final line break. Where that would change
/// the digest (a number with more digits than a double has), the original document.
pub fn compact(source: &Source<'_>) -> String {
    let text = by_lines(&value(source));
    let same_digest =
        Plan::from_json(text.as_bytes()).is_ok_and(|plan| plan.digest() == source.plan.digest());
    if same_digest { text } else { format!("{}\n", source.json.trim_end()) }
}

/// A document with a line for each field, and for each entry of a field that is an object.
fn by_lines(document: &Value) -> String {
    let Value::Object(fields) = document else { return format!("{document}\n") };
    let fields = fields.iter().map(|(name, field)| {
        let text = match field {
            Value::Object(entries) if !entries.is_empty() => {
                let entry = |(name, entry): (&String, &Value)| format!("{}:{entry}", key(name));
                braces(entries.iter().map(entry))
            }
            field => field.to_string(),
        };
        format!("{}:{text}", key(name))
    });
    braces(fields) + "\n"
}

fn braces(entries: impl Iterator<Item = String>) -> String {
    format!("{{\n{}\n}}", entries.collect::<Vec<_>>().join(",\n"))
}

/// A name as a JSON string.
fn key(name: &str) -> Value {
    Value::from(name)
}

/// The document as a value.
pub fn value(source: &Source<'_>) -> Value {
    serde_json::from_str(source.json).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_entry_of_a_section_has_a_line() {
        let document = json!({"formatVersion": 1, "flags": {"b": {"x": [1, {"y": "\n"}]}, "a\"": {}}, "units": {}, "rollouts": null});
        let text = by_lines(&document);
        let lines = [
            "{",
            "\"flags\":{",
            "\"a\\\"\":{},",
            "\"b\":{\"x\":[1,{\"y\":\"\\n\"}]}",
            "},",
            "\"formatVersion\":1,",
            "\"rollouts\":null,",
            "\"units\":{}",
            "}",
            "",
        ];
        assert_eq!(text.split('\n').collect::<Vec<_>>(), lines);
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), document);
    }
}
