//! YAML as every tool reads it.

use serde_json::Value;
use serde_saphyr::SerializerOptions;

/// A document in block style: keys sorted, texts of several lines as blocks, and whatever any version
/// of YAML would not take for a text in quotes (`on`, `1e3`, `2026-11-21`). Ends in a line break.
pub fn document(value: &Value) -> String {
    let mut options = SerializerOptions::default();
    options.min_fold_chars = usize::MAX;
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
            "on", "off", "yes", "No", "y", "n", "N", "true", "null", "~", "", "1e3", "0x1", "1_000",
            "12:30", "12:30:45", "2026-11-21", "2026-11-21T09:00:00Z", ".5", "+1", "0o7", "017", "=", "<<",
            "- a", "a: b", "a #b", " a", "a ", "*a", "&a", "!a", "%a", "@a", "`a", "[a", "{a", "|", ">", "'", "\"",
            "1.", ".inf", ".nan", "a\nb", "\n", "a\n\n", "tab\t", "é", "日本語", "\u{7f}", "\u{feff}", "a\r\nb",
        ];
        let value = Value::Array(words.iter().map(|word| json!({*word: word})).collect());
        println!("{}", document(&value));
        panic!();
    }
}
