//! Notes about words without quotes that YAML reads as other values than the text, or that other readers of YAML do.

use crate::diagnostics::report::{Diagnostic, Report, Severity};
use crate::diagnostics::words::{Place, Word};
use serde_json::Value;
use serin_core::inspect::canonical_number;
use serin_fleet::yaml::{OldType, Scalar, old_type, resolve};
use std::ops::Range;

/// The notes, each with its description. They are about the text, so no lint of `serin-analysis` finds them.
pub(crate) const NOTES: [(&str, &str); 3] = [
    (UNQUOTED, "A word without quotes is another value than its text."),
    (
        OLD_VALUE,
        "A word without quotes is a string here, and another value to other readers of YAML.",
    ),
    (OLD_BOOLEAN, "A bare word that YAML 1.1 reads as a boolean."),
];

const UNQUOTED: &str = "unquoted-text";
const OLD_VALUE: &str = "yaml-1-1-value";
const OLD_BOOLEAN: &str = "yaml-1-1-boolean";

/// The most notes of one kind in a file, except `yaml-1-1-boolean`, of which there is one.
const MAX: usize = 20;

/// The notes about the words of a spec without errors.
pub(super) fn notes(report: &Report) -> Vec<Diagnostic> {
    if report.is_json {
        return Vec::new();
    }
    let words = report.source.words(|text| {
        old_type(text).is_some() || !matches!(resolve(text), Scalar::Value(Value::String(_)))
    });
    let mut notes = Vec::new();
    for (id, max) in [(UNQUOTED, MAX), (OLD_VALUE, MAX), (OLD_BOOLEAN, 1)] {
        let found = words.iter().filter_map(|word| {
            let (of, message) = message(word)?;
            (of == id).then_some((word, message))
        });
        let found: Vec<(&Word<'_>, String)> = found.collect();
        let more = found.len().saturating_sub(max);
        for (index, (word, message)) in found.into_iter().take(max).enumerate() {
            let message = match more {
                0 => message,
                1 if index + 1 == max => format!("{message} (and one more such word)"),
                _ if index + 1 == max => format!("{message} (and {more} more such words)"),
                _ => message,
            };
            notes.push(note(id, word, message, report));
        }
    }
    notes
}

/// The ranges of the strings and keys that other readers of YAML take for other values. Quotes change nothing here.
pub(super) fn to_quote(report: &Report, allow: &[&str]) -> Vec<Range<usize>> {
    if report.is_json {
        return Vec::new();
    }
    let is_string = |text: &str| matches!(resolve(text), Scalar::Value(Value::String(_)));
    let words = report.source.words(|text| old_type(text).is_some());
    let words = words.into_iter().filter(|word| word.place == Place::Key || is_string(word.text));
    let noted = words
        .filter(|word| message(word).is_some_and(|(id, _)| id != UNQUOTED && !allow.contains(&id)));
    noted.map(|word| word.range).collect()
}

/// The kind of note about a word, and its message; `None` for a word that all readers of YAML read alike.
fn message(word: &Word<'_>) -> Option<(&'static str, String)> {
    let text = word.text;
    let is_text = matches!(word.place, Place::Operand | Place::Variant);
    match (resolve(text), old_type(text)) {
        (Scalar::Value(Value::Number(number)), old) => {
            let read = canonical_number(&number);
            let is_same = read == text;
            if is_text && !is_same {
                let message = format!("{text} without quotes is the number {read}, not this text");
                return Some((UNQUOTED, message));
            }
            let is_octal =
                text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit());
            if word.place == Place::Key && !is_same {
                let message = "without quotes is this text here, but the key of a number to other readers of YAML";
                return Some((OLD_VALUE, format!("{text} {message}")));
            }
            (is_octal && old == Some(OldType::Number)).then(|| {
                let message = "is a decimal number here, but an octal one in YAML 1.1";
                (OLD_VALUE, format!("{text} {message}"))
            })
        }
        (Scalar::Value(Value::Bool(value)), _) => {
            let is_same = text == value.to_string();
            if word.place == Place::Key && !is_same {
                let message = "without quotes is this text here, but the key of a boolean to other readers of YAML";
                return Some((OLD_VALUE, format!("{text} {message}")));
            }
            (word.place == Place::Operand && !is_same).then(|| {
                (UNQUOTED, format!("{text} without quotes is the boolean {value}, not this text"))
            })
        }
        (Scalar::Value(Value::String(_)), Some(old)) => {
            if old == OldType::Boolean {
                let message = "without quotes is a string here, but a boolean in YAML 1.1";
                return Some((OLD_BOOLEAN, format!("{text} {message}")));
            }
            let what = if old == OldType::Timestamp { "a date" } else { "a number" };
            let message = format!("{text} without quotes is a string here, but {what} in YAML 1.1");
            // A time is a string that every reader understands as a time.
            (word.place != Place::Time || old == OldType::Number).then_some((OLD_VALUE, message))
        }
        // A key is always a string here.
        (_, Some(_)) if word.place == Place::Key => {
            let message =
                "without quotes is this text here, but another value to other readers of YAML";
            Some((OLD_VALUE, format!("{text} {message}")))
        }
        _ => None,
    }
}

fn note(id: &'static str, word: &Word<'_>, message: String, report: &Report) -> Diagnostic {
    let quoted = format!("\"{}\"", word.text);
    let help = match id {
        UNQUOTED => format!("write {quoted} if you mean the text"),
        _ => format!("write {quoted} if kubectl or another YAML 1.1 parser reads this file"),
    };
    let found = Diagnostic::at(Severity::Note, id, &word.path, message, &report.source);
    Diagnostic { range: Some(word.range.clone()), help: Some(help), ..found }
}
