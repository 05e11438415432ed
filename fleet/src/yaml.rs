//! YAML: specs as people write them, and documents as every tool reads them.

use serde_json::Value;
use serde_saphyr::SerializerOptions;
use serde_saphyr::options::{DuplicateKeyPolicy, MergeKeyPolicy, NonFiniteFloatPolicy};

/// Why a text is no document.
pub type Error = serde_saphyr::Error;

/// What becomes of a key that is given twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DoubledKeys {
    /// The text is no document.
    Refused,
    /// The last one counts, for callers who report it themselves.
    LastCounts,
}

/// Reads a document of YAML 1.2: `on`, `off`, `yes` and `no` are texts. What JSON can't say is refused,
/// and what aliases stand for is bounded.
///
/// # Errors
/// The text is no such document.
pub fn read(text: &str, doubled: DoubledKeys) -> Result<Value, Error> {
    let duplicate_keys = match doubled {
        DoubledKeys::Refused => DuplicateKeyPolicy::Error,
        DoubledKeys::LastCounts => DuplicateKeyPolicy::LastWins,
    };
    let options = serde_saphyr::options! {
        strict_booleans: true,
        duplicate_keys: duplicate_keys,
        merge_keys: MergeKeyPolicy::Error,
        reject_unsupported_tags: true,
        non_finite_float_policy: NonFiniteFloatPolicy::Reject,
        alias_limits: serde_saphyr::alias_limits! {
            max_total_replayed_events: 100_000,
            max_replay_stack_depth: 16,
        },
        with_snippet: false,
    };
    serde_saphyr::from_str_with_options(text, options)
}

/// A document in block style: keys sorted, texts of several lines as blocks, and whatever any version
/// of YAML would not take for a text in quotes (`on`, `1e3`, `2026-11-21`). Ends in a line break.
pub fn document(value: &Value) -> String {
    let mut options = SerializerOptions::default();
    options.folded_wrap_chars = usize::MAX;
    // JSON has nothing that YAML can't say.
    serde_saphyr::to_string_with_options(value, options).unwrap_or_default()
}

/// Lines of comment, each behind `# `.
pub fn comment(lines: &[String]) -> String {
    lines.iter().map(|line| format!("# {line}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_old_yaml_takes_for_something_else_is_quoted() {
        let words = [
            "on",
            "off",
            "yes",
            "No",
            "y",
            "n",
            "N",
            "true",
            "null",
            "~",
            "",
            "1e3",
            "0x1",
            "1_000",
            "12:30",
            "12:30:45",
            "2026-11-21",
            "2026-11-21T09:00:00Z",
            ".5",
            "+1",
            "0o7",
            "017",
            "=",
            "<<",
            "- a",
            "a: b",
            "a #b",
            " a",
            "a ",
            "*a",
            "&a",
            "!a",
            "%a",
            "@a",
            "`a",
            "[a",
            "{a",
            "|",
            ">",
            "'",
            "\"",
            "1.",
            ".inf",
            ".nan",
            "a\nb",
            "\n",
            "a\n\n",
            "tab\t",
            "é",
            "日本語",
            "\u{7f}",
            "\u{feff}",
            "a\r\nb",
        ];
        for word in words {
            let value = json!([{ word: word }]);
            let text = document(&value);
            let read: Value = serde_saphyr::from_str(&text).expect(&text);
            assert_eq!(read, value, "{text}");
            let plain = format!("- {word}: {word}\n");
            assert!(
                text != plain || word.chars().all(char::is_alphanumeric) && !word.is_ascii(),
                "{text}"
            );
        }
    }

    #[test]
    fn maps_are_sorted_and_long_texts_are_blocks() {
        let long = "x".repeat(200);
        let value = json!({"b": {"d": [], "c": [1, {"f": 0.5, "e": "a\nb\n"}]}, "a": long});
        let wanted = format!(
            "a: {long}\nb:\n  c:\n  - 1\n  - e: |\n      a\n      b\n    f: 0.5\n  d: []\n"
        );
        assert_eq!(document(&value), wanted);
    }
}
