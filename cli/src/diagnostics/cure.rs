//! The cure of an error: what to write in place of what is there.

use super::misread;
use super::report::Fix;
use super::source::{Found, Source};
use serde_json::Value;
use serin_core::{Error, ErrorKind};
use serin_fleet::yaml::{Scalar, resolve};

/// What to do about an error.
#[derive(Default)]
pub(super) struct Cure {
    pub(super) help: Option<String>,
    pub(super) fix: Option<Fix>,
}

impl Cure {
    fn help(help: String) -> Cure {
        Cure { help: Some(help), fix: None }
    }
}

/// The cure of an error whose path leads to `found`; `None` if only its author can know it.
pub(super) fn of(error: &Error, found: &Found<'_>, source: &Source) -> Option<Cure> {
    if let Some(name) = error.suggestion() {
        return Some(suggested(name, error, found, source));
    }
    let scalar = found.scalar.filter(|_| found.whole);
    if let Some(cure) = scalar.and_then(|text| of_quotes(text, error, found)) {
        return Some(cure);
    }
    if let Some(help) = scalar.and_then(misread::placeholder_help) {
        return Some(Cure::help(help));
    }
    if let Some(example) = error.example() {
        return Some(Cure::help(format!("write {example}")));
    }
    // `{ id:x }` is a key without a value.
    let (name, value) =
        error.name().filter(|_| error.kind() == ErrorKind::UnknownField)?.split_once(':')?;
    (!value.starts_with(' ')).then(|| Cure::help(format!("write {name}: {value}, with a space")))
}

/// The cure by a known name in place of a wrong one.
fn suggested(name: &str, error: &Error, found: &Found<'_>, source: &Source) -> Cure {
    let key = found.key.as_ref().filter(|_| found.whole);
    let at = match key {
        Some((key, at)) if error.name() == Some(*key) && found.scalar != error.name() => {
            Some(at.clone())
        }
        _ if found.scalar == error.name() => Some(found.value.clone()),
        _ => None,
    };
    let fix = at.map(|range| {
        let is_quoted =
            source.text.get(range.clone()).is_some_and(|text| text.starts_with(['"', '\'']));
        let plain = matches!(resolve(name), Scalar::Value(Value::String(_)));
        let text = if is_quoted || !plain { format!("\"{name}\"") } else { name.to_owned() };
        Fix { range, text }
    });
    Cure { help: Some(format!("did you mean {name}?")), fix }
}

/// The cure of a value that has the wrong type because of its quotes, or because it has none.
fn of_quotes(text: &str, error: &Error, found: &Found<'_>) -> Option<Cure> {
    if error.kind() != ErrorKind::Type || text.is_empty() {
        return None;
    }
    let wanted = error.message().rsplit_once("must be ")?.1;
    let read = match resolve(text) {
        Scalar::Value(value) => value,
        _ => return None,
    };
    let (help, text) = match found.is_bare {
        true if wanted.starts_with("a string") && !read.is_null() => {
            let quoted = format!("\"{text}\"");
            (format!("write {quoted}"), quoted)
        }
        false if wanted.contains("number") || wanted.starts_with("a share") => {
            let number = read.is_number().then(|| text.to_owned())?;
            (format!("write {number} without quotes"), number)
        }
        _ if wanted == "true or false" => {
            let boolean = match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "on" | "y" => "true",
                "false" | "no" | "off" | "n" => "false",
                _ => return None,
            };
            (format!("write {boolean}, without quotes"), boolean.to_owned())
        }
        _ => return None,
    };
    Some(Cure { help: Some(help), fix: Some(Fix { range: found.value.clone(), text }) })
}
