//! YAML: a reader for specs, and a writer of documents that every YAML parser reads alike.

mod error;
mod read;
mod scalar;

pub use error::Error;
pub use read::{DuplicateKeys, read};
pub use scalar::{OldType, Scalar, old_type, resolve};

#[cfg(feature = "tools")]
pub(crate) use read::bytes;

#[cfg(feature = "tools")]
use serde_json::Value;
#[cfg(feature = "tools")]
use serde_saphyr::SerializerOptions;

/// The document in block style. Keys are sorted and strings of several lines are block scalars. Strings that
/// some version of YAML reads as another type are quoted (`on`, `1e3`, `2026-11-21`). Ends in a line break.
#[cfg(feature = "tools")]
pub fn document(value: &Value) -> String {
    let mut options = SerializerOptions::default();
    options.folded_wrap_chars = usize::MAX;
    // Every JSON value has a YAML form, so this does not fail.
    serde_saphyr::to_string_with_options(value, options).unwrap_or_default()
}

/// The lines as comments, each after `# `.
#[cfg(feature = "tools")]
pub fn comment(lines: &[String]) -> String {
    lines.iter().map(|line| format!("# {line}\n")).collect()
}

#[cfg(all(test, feature = "tools"))]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strings_that_old_yaml_reads_as_another_type_are_quoted() {
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
            let read = read(&text, DuplicateKeys::Refuse).expect(&text);
            assert_eq!(read, value, "{text}");
            let plain = format!("- {word}: {word}\n");
            assert!(
                text != plain || word.chars().all(char::is_alphanumeric) && !word.is_ascii(),
                "{text}"
            );
        }
    }

    #[test]
    fn many_flags_are_read() {
        let flag = |n| {
            format!(
                "  flag-{n}: {{ variants: {{ a: 1, b: 2 }}, defaultVariant: a, tags: [{}] }}\n",
                "x, ".repeat(30)
            )
        };
        let text: String =
            std::iter::once("flags:\n".to_owned()).chain((0..10_000).map(flag)).collect();
        let value = read(&text, DuplicateKeys::Refuse).expect("a document of 400,000 nodes");
        assert_eq!(value["flags"].as_object().map(serde_json::Map::len), Some(10_000));
    }

    #[test]
    fn maps_are_sorted_and_long_strings_are_not_folded() {
        let long = "x".repeat(200);
        let value = json!({"b": {"d": [], "c": [1, {"f": 0.5, "e": "a\nb\n"}]}, "a": long});
        let wanted = format!(
            "a: {long}\nb:\n  c:\n  - 1\n  - e: |\n      a\n      b\n    f: 0.5\n  d: []\n"
        );
        assert_eq!(document(&value), wanted);
    }
}
