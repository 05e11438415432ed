//! The help for an error: what to write in place of what is there.

use super::misread;
use super::source::Found;
use serin_analysis::punycode::to_ascii;
use serin_core::{Error, ErrorKind};
use serin_fleet::yaml::{Scalar, resolve};

/// The help for an error whose path leads to `found`; `None` if the message says all.
pub(super) fn help(error: &Error, found: &Found<'_>) -> Option<String> {
    if let Some(help) = of_key(error) {
        return Some(help);
    }
    if let Some(name) = error.suggestion() {
        return Some(format!("did you mean {name}?"));
    }
    let scalar = found.scalar.filter(|_| found.whole);
    let of_value = |text| {
        let help = of_quotes(text, error, found).or_else(|| misread::placeholder_help(text));
        help.or_else(|| of_host(text, error))
    };
    if let Some(help) = scalar.and_then(of_value) {
        return Some(help);
    }
    error.example().map(|example| format!("write {example}"))
}

/// The help for `{ id:x }`, which is a key without a value, and for `{ share: 0,5 }`, which has a key 5.
fn of_key(error: &Error) -> Option<String> {
    let is_unknown = error.kind() == ErrorKind::UnknownField;
    let is_number = |name: &str| name.bytes().all(|b| b.is_ascii_digit());
    if is_unknown && error.name().is_some_and(is_number) {
        return Some(
            "write a decimal number with a point, as 0.5, and a field with its name".into(),
        );
    }
    let name = error.name().filter(|_| error.kind() == ErrorKind::UnknownField)?;
    let (name, value) = name.split_once(':')?;
    let is_field = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphabetic());
    (is_field && !value.starts_with(' ')).then(|| format!("write {name}: {value}, with a space"))
}

/// The help for a host with letters beyond ASCII.
fn of_host(text: &str, error: &Error) -> Option<String> {
    let is_host = !text.is_ascii() && error.message().contains("is not a host");
    is_host.then(|| ascii_host(text)).flatten().map(|host| format!("write {host}"))
}

/// A host with letters beyond ASCII as browsers send it; `None` if they would change it in other ways too.
pub(crate) fn ascii_host(text: &str) -> Option<String> {
    // A letter that is made of several characters is one in a host.
    let is_combining = |c: char| ('\u{300}'..='\u{36f}').contains(&c);
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_' | '*');
    let is_name = text.chars().all(|c| is_plain(c) && !is_combining(c));
    to_ascii(text).filter(|_| is_name && !text.is_ascii())
}

/// The help for a value that has the wrong type because of its quotes, or because it has none.
fn of_quotes(text: &str, error: &Error, found: &Found<'_>) -> Option<String> {
    if error.kind() != ErrorKind::Type {
        return None;
    }
    if text.is_empty() && found.value.is_empty() {
        return Some("write a value after the colon, or remove the line".into());
    }
    let wanted = error.message().rsplit_once("must be ")?.1;
    let Scalar::Value(read) = resolve(text) else { return None };
    match found.is_bare {
        true if wanted.starts_with("a string") && read.is_null() => {
            Some(format!("write \"{text}\" if you mean the text"))
        }
        true if wanted.starts_with("a string") => Some(format!("write \"{text}\"")),
        true if wanted.starts_with("a share") || wanted == "a number" => {
            number(text).map(|number| format!("write {number}"))
        }
        false if wanted.contains("number") || wanted.starts_with("a share") => {
            read.is_number().then(|| format!("write {text} without quotes"))
        }
        _ if wanted == "true or false" => {
            boolean(text).map(|boolean| format!("write {boolean}, without quotes"))
        }
        _ => None,
    }
}

/// The number that a text means: of `5`, `5%`, `5 %` and `0,5`.
pub(crate) fn number(text: &str) -> Option<String> {
    let number = text.strip_suffix('%').unwrap_or(text).trim_end().replace(',', ".");
    serde_json::from_str::<serde_json::Number>(&number).ok().map(|_| number)
}

/// The boolean that a word means.
pub(crate) fn boolean(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => Some(true),
        "false" | "no" | "off" | "n" => Some(false),
        _ => None,
    }
}
