//! YAML and JSON documents, converted to the JSON that hosts read.

use crate::failure::Failure;
use serin_fleet::yaml::{self, DuplicateKeys};
use std::fmt;
use std::ops::Range;
use std::path::Path;

/// A syntax error of a document.
#[derive(Debug)]
pub(crate) struct SyntaxError {
    /// What is wrong, in one sentence.
    pub(crate) message: String,
    /// What to do.
    pub(crate) help: String,
    /// Where it is, in bytes.
    pub(crate) range: Range<usize>,
}

/// The mark at the start of a file that some editors write.
const BYTE_ORDER_MARK: char = '\u{feff}';

/// Whether a text is read as JSON: the file is called `.json`, or the text is JSON.
pub(crate) fn is_json(path: &Path, text: &[u8]) -> bool {
    path.extension().is_some_and(|extension| extension == "json")
        || serde_json::from_slice::<serde_json::Value>(text).is_ok()
}

/// The text of a file, which is UTF-8.
pub(crate) fn text(bytes: &[u8]) -> Result<&str, SyntaxError> {
    std::str::from_utf8(bytes).map_err(|error| SyntaxError::encoding(bytes, error.valid_up_to()))
}

/// Converts a document to JSON. JSON is returned as it is: the reader of the spec reports its mistakes.
pub(crate) fn to_json(bytes: &[u8], json: bool) -> Result<Vec<u8>, Failure> {
    if json {
        return Ok(bytes.to_vec());
    }
    let text = text(bytes).map_err(|error| Failure::spec(error.to_string()))?;
    let value = yaml::read(text, DuplicateKeys::Refuse)
        .map_err(|error| Failure::spec(error.to_string()))?;
    serde_json::to_vec(&value).map_err(|error| Failure::spec(error.to_string()))
}

/// Converts a document to JSON. Of equal keys the last one counts: the caller reports the others.
pub(crate) fn to_json_for_check(text: &str, json: bool) -> Result<Vec<u8>, SyntaxError> {
    let value = if json {
        serde_json::from_str::<serde_json::Value>(text)
            .map_err(|error| SyntaxError::json(text, &error))
    } else {
        yaml::read(text, DuplicateKeys::LastWins).map_err(|error| SyntaxError::yaml(&error))
    }?;
    serde_json::to_vec(&value).map_err(|error| SyntaxError::json(text, &error))
}

impl fmt::Display for SyntaxError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.message, self.help)
    }
}

impl SyntaxError {
    fn encoding(bytes: &[u8], at: usize) -> SyntaxError {
        let is_utf16 = bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]);
        let message = match bytes.get(at) {
            _ if is_utf16 => "the file is UTF-16, and only UTF-8 is read".to_owned(),
            _ if bytes.starts_with(&[0x1f, 0x8b]) => {
                return SyntaxError {
                    message: "the file is compressed by gzip".to_owned(),
                    help: "unpack it first".to_owned(),
                    range: 0..0,
                };
            }
            Some(byte) => format!("the byte 0x{byte:02x} is not UTF-8, as all text must be"),
            None => "the file ends in the middle of a character".to_owned(),
        };
        SyntaxError { message, help: "save the file as UTF-8".to_owned(), range: at..at }
    }

    fn yaml(error: &yaml::Error) -> SyntaxError {
        let pipe = if error.is_template() { " | serin check -" } else { "" };
        let (message, help) = (error.message().to_owned(), format!("{}{pipe}", error.help()));
        SyntaxError { message, help, range: error.range() }
    }

    fn json(text: &str, error: &serde_json::Error) -> SyntaxError {
        let lines = text.split_inclusive('\n').take(error.line().saturating_sub(1));
        let start: usize = lines.map(str::len).sum();
        let at = (start + error.column().saturating_sub(1)).min(text.len());
        let at = text.floor_char_boundary(at);
        let cause = yaml::Error::cause(text, at).filter(|_| {
            !text.starts_with(BYTE_ORDER_MARK) && !is_comment(text.get(at..).unwrap_or(""))
        });
        if let Some(cause) = cause {
            return SyntaxError::yaml(&cause);
        }
        let rest = text.get(at..).unwrap_or("");
        let reason = error.to_string();
        let reason = reason.split(" at line ").next().unwrap_or_default();
        let (message, help) = json_mistake(reason, rest);
        // The parser has gone on to the bracket after the comma.
        let comma = (reason == "trailing comma").then(|| text.get(..at)?.rfind(',')).flatten();
        let at = comma.unwrap_or(at);
        let length = text.get(at..).and_then(|rest| rest.chars().next());
        let length = length.filter(|c| !c.is_control()).map_or(0, char::len_utf8);
        SyntaxError { message: message.into(), help: help.into(), range: at..at + length }
    }
}

/// Whether a comment of another language begins here.
fn is_comment(rest: &str) -> bool {
    ["//", "/*", "#"].iter().any(|mark| rest.starts_with(mark))
}

const NO_NUMBER: (&str, &str) = (
    "this is not a number of JSON",
    "write 0.5 and not .5, 1 and not 01 or +1; quote it if you mean the text",
);

/// The JSON parser's reason in plain words, and what to do. `rest` is the text from the mistake on.
fn json_mistake(reason: &str, rest: &str) -> (&'static str, &'static str) {
    let starts = |words: &[&str]| words.iter().any(|word| rest.starts_with(word));
    if is_comment(rest) {
        return ("a comment begins here, and JSON has none", "remove it, or name the file .yaml");
    }
    if rest.starts_with(BYTE_ORDER_MARK) {
        return (
            "the file begins with an invisible mark (a byte order mark), which JSON does not allow",
            "save the file as UTF-8 without BOM",
        );
    }
    if rest.starts_with('\'') {
        return ("JSON has no single quotes", "quote strings and keys with \"");
    }
    if starts(&["NaN", "Infinity", "-Infinity"]) {
        return ("JSON has no such number", "quote it if you mean the text");
    }
    if starts(&["True", "False", "None", "undefined"]) {
        return ("JSON has no such word", "write true, false or null");
    }
    if starts(&[".", "+"]) {
        return NO_NUMBER;
    }
    match reason {
        "trailing comma" => {
            ("a comma follows the last item, which JSON does not allow", "remove the comma")
        }
        "key must be a string" => ("a key of an object is not in quotes", "write \"key\": value"),
        "EOF while parsing a list" => ("the list is never closed", "add the closing ]"),
        "EOF while parsing an object" => ("the object is never closed", "add the closing }"),
        "EOF while parsing a string" => ("the string is never closed", "add the closing \""),
        "EOF while parsing a value" => ("the file ends where a value must follow", "add the value"),
        "expected `:`" => ("no colon follows the key", "write \"key\": value"),
        "expected `,` or `]`" => {
            ("a comma or the closing ] is missing before this", "separate items with commas")
        }
        "expected `,` or `}`" => {
            ("a comma or the closing } is missing before this", "separate fields with commas")
        }
        "trailing characters" => (
            "the document has ended, and more text follows",
            "remove the text, or the bracket too many before it",
        ),
        "invalid number" => NO_NUMBER,
        "number out of range" => ("the number is too large", "quote it if you mean the text"),
        "recursion limit exceeded" => (
            "lists and objects are nested too deep",
            "move inner parts outwards, conditions into cohorts",
        ),
        _ if reason.starts_with("control character") => {
            ("a string has a line break or a tab in it", "write \\n or \\t in its place")
        }
        _ if reason.contains("escape")
            || reason.contains("unicode")
            || reason.contains("surrogate") =>
        {
            ("the backslash does not begin an escape that JSON has", "write \\\\ for a backslash")
        }
        _ => (
            "a value in quotes, a number, true, false, null, [ or { is missing here",
            "quote strings with \"",
        ),
    }
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
        assert!(message.starts_with("line 3: ") && message.contains("twice"), "{message}");
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
    fn flow_mappings_are_yaml() {
        assert_eq!(json("{a: on, b: 1}"), r#"{"a":"on","b":1}"#);
        assert_eq!(json("{\"a\": 1}"), "{\"a\": 1}");
    }
}
