//! YAML and JSON documents, converted to the JSON that hosts read.

use crate::failure::Failure;
use serin_fleet::lines::Lines;
use serin_fleet::yaml::{self, DuplicateKeys};
use std::path::Path;

/// A syntax error of a document.
pub(crate) struct SyntaxError {
    pub(crate) message: String,
    /// Line and column from 1, where they are known.
    pub(crate) position: Option<(usize, usize)>,
}

/// Whether a text is read as JSON: the file is called `.json`, or the text is JSON.
pub(crate) fn is_json(path: &Path, text: &[u8]) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
        || serde_json::from_slice::<serde_json::Value>(text).is_ok()
}

/// Converts a document to JSON. JSON is returned as it is: the reader of the spec reports its mistakes.
pub(crate) fn to_json(text: &[u8], json: bool) -> Result<Vec<u8>, Failure> {
    if json {
        return Ok(text.to_vec());
    }
    let text = std::str::from_utf8(text)
        .map_err(|error| Failure::spec(format!("not UTF-8 at byte {}", error.valid_up_to())))?;
    let value = yaml::read(text, DuplicateKeys::Refuse)
        .map_err(|error| Failure::spec(one_line(&error.to_string())))?;
    serde_json::to_vec(&value).map_err(|error| Failure::spec(error.to_string()))
}

/// Converts a document to JSON. Of equal keys the last one counts: the caller reports the others.
pub(crate) fn to_json_for_check(text: &str, json: bool) -> Result<Vec<u8>, SyntaxError> {
    let value = if json {
        serde_json::from_str::<serde_json::Value>(text)
            .map_err(|error| SyntaxError::json(&error, text))
    } else {
        yaml::read(text, DuplicateKeys::LastWins).map_err(|error| SyntaxError::yaml(&error))
    }?;
    serde_json::to_vec(&value).map_err(|error| SyntaxError::json(&error, text))
}

impl SyntaxError {
    fn json(error: &serde_json::Error, document: &str) -> SyntaxError {
        let text = error.to_string();
        let suffix = format!(" at line {} column {}", error.line(), error.column());
        let reason = text.strip_suffix(&suffix).unwrap_or(&text);
        let message = format!("not a JSON document: {reason}");
        // serde_json counts bytes, and lines by line feeds alone.
        let before = document.split_inclusive('\n').take(error.line().saturating_sub(1));
        let at = before.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
        let lines = Lines::of(document);
        let line = lines.line_of(at);
        let start = lines.range(line).map_or(0, |range| range.start);
        let column = document.get(start..at).map_or(0, |text| text.chars().count());
        SyntaxError { message, position: Some((line + 1, column + 1)) }
    }

    fn yaml(error: &yaml::Error) -> SyntaxError {
        let number = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
        let position = error.location().map(|at| (number(at.line()), number(at.column())));
        // The reader repeats the position after the reason.
        let text = one_line(&error.without_snippet().to_string());
        let reason = text.split(" at line ").next().unwrap_or(&text);
        let reason = reason.strip_prefix("error: ").unwrap_or(reason);
        let reason = if reason.contains("merge keys") {
            "merge keys (<<) are not supported, repeat the fields or use an alias for a whole value"
        } else {
            reason
        };
        SyntaxError { message: format!("not a YAML document: {reason}"), position }
    }
}

fn one_line(message: &str) -> String {
    message.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> String {
        String::from_utf8(
            to_json(text.as_bytes(), is_json(Path::new("-"), text.as_bytes())).expect("readable"),
        )
        .expect("text")
    }

    fn refused(text: &str) -> String {
        let failure = to_json(text.as_bytes(), is_json(Path::new("-"), text.as_bytes()))
            .expect_err("refused");
        assert_eq!(failure.code, crate::failure::SPEC_ERRORS);
        failure.message
    }

    #[test]
    fn on_off_and_dates_are_strings() {
        assert_eq!(
            json("a: on\nb: off\noff: no\nd: 2026-11-20\ne: true\nf: 10m\ng: 0.5\nh: ~"),
            r#"{"a":"on","b":"off","d":"2026-11-20","e":true,"f":"10m","g":0.5,"h":null,"off":"no"}"#
        );
    }

    #[test]
    fn duplicate_keys_are_refused() {
        let message = refused("a: 1\nb: 2\na: 3\n");
        assert!(message.contains("duplicate") && message.contains('3'), "{message}");
    }

    #[test]
    fn anchors_are_bounded() {
        assert_eq!(json("a: &x [1, 2]\nb: *x"), r#"{"a":[1,2],"b":[1,2]}"#);
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let below = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        let message = refused(&bomb);
        assert!(message.len() < 500, "{message}");
    }

    #[test]
    fn wrong_yaml_is_refused_with_its_line() {
        let message = refused("a:\n  - b\n c: [\n");
        assert!(message.contains("line"), "{message}");
        refused("a: .nan");
        refused("a: !custom 1");
        refused("<<: {a: 1}\n");
    }

    #[test]
    fn mistakes_in_json_have_lines_and_columns_as_editors_count_them() {
        let position = |text| {
            to_json_for_check(text, true).err().and_then(|error| error.position).expect("refused")
        };
        assert_eq!(position("{\"a\": 1,\n \"b\": x}"), (2, 7));
        assert_eq!(position("{\"a\": 1,\r \"b\": x}"), (2, 7));
        assert_eq!(position("{\r\n\"ä\": x}"), (2, 6));
    }

    #[test]
    fn flow_mappings_are_yaml() {
        assert_eq!(json("{a: on, b: 1}"), r#"{"a":"on","b":1}"#);
        assert_eq!(json("{\"a\": 1}"), "{\"a\": 1}");
    }
}
