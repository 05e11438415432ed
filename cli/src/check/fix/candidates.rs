//! The edits that could be the answer to a diagnostic. Which of them is, the compiler says.

use crate::check::words;
use crate::diagnostics::cure;
use crate::diagnostics::report::{Diagnostic, Report};
use serde_json::Value;
use std::ops::Range;

/// A replacement of a part of the text.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Edit {
    pub(super) range: Range<usize>,
    pub(super) text: String,
}

/// What a scalar could be instead; `None` where the way does not apply.
type Way = fn(&Scalar<'_>, &Report) -> Option<String>;

const WAYS: [Way; 9] = [
    as_a_number,
    as_a_boolean,
    quoted,
    in_a_list,
    as_a_cohort,
    as_a_timestamp,
    in_lower_case,
    as_a_host,
    as_an_ascii_host,
];

/// A scalar: its text in the document, and its value.
struct Scalar<'t> {
    written: &'t str,
    value: &'t str,
}

impl Scalar<'_> {
    fn is_quoted(&self) -> bool {
        self.written.starts_with(['"', '\''])
    }
}

/// The edits that could remove an error.
pub(super) fn candidates(report: &Report, error: &Diagnostic) -> Vec<Edit> {
    let Some(range) = &error.range else { return Vec::new() };
    let source = &report.source;
    let written = &source.text[range.clone()];
    if let Some(edit) = correction(report, error) {
        return vec![edit];
    }
    let found = source.find(&error.path).filter(|found| found.whole && found.value == *range);
    let is_plain = !written.starts_with(['&', '*', '!', '|', '>']);
    let Some(value) = found.and_then(|found| found.scalar).filter(|_| is_plain) else {
        return Vec::new();
    };
    let scalar = Scalar { written, value };
    let texts = WAYS.iter().filter_map(|way| way(&scalar, report));
    let edits = texts.map(|text| Edit { range: range.clone(), text });
    edits.filter(|edit| edit.text != written).collect()
}

/// The edit that a diagnostic names itself.
pub(super) fn correction(report: &Report, found: &Diagnostic) -> Option<Edit> {
    let (range, text) = (found.range.clone()?, found.correction.as_ref()?);
    let written = &report.source.text[range.clone()];
    if written.starts_with(['&', '*', '!', '|', '>']) {
        return None;
    }
    let is_quoted = written.starts_with(['"', '\'']) || !is_plain(text);
    let text = if is_quoted { Value::from(text.as_str()).to_string() } else { text.clone() };
    Some(Edit { range, text })
}

/// Whether a string can stand without quotes, in brackets and braces too.
fn is_plain(text: &str) -> bool {
    let in_a_block = serin_fleet::yaml::document(&text.into());
    in_a_block.trim_end() == text && !text.contains([',', '[', ']', '{', '}'])
}

/// The strings and keys without quotes that other readers of YAML take for other values, in quotes.
pub(super) fn bare_words(report: &Report, allow: &[&str]) -> Vec<Edit> {
    let edit = |range: Range<usize>| {
        let text = Value::from(&report.source.text[range.clone()]).to_string();
        Edit { range, text }
    };
    words::to_quote(report, allow).into_iter().map(edit).collect()
}

/// A number that stands in quotes or has a per cent sign or a comma.
fn as_a_number(scalar: &Scalar<'_>, _: &Report) -> Option<String> {
    cure::number(scalar.value)
}

/// A boolean that stands in quotes, or another word for it.
fn as_a_boolean(scalar: &Scalar<'_>, _: &Report) -> Option<String> {
    cure::boolean(scalar.value).map(|boolean| boolean.to_string())
}

/// A string that stands without quotes and is read as another type.
fn quoted(scalar: &Scalar<'_>, _: &Report) -> Option<String> {
    let bare = !scalar.is_quoted() && !scalar.value.is_empty();
    bare.then(|| Value::from(scalar.written).to_string())
}

/// One value in place of a list.
fn in_a_list(scalar: &Scalar<'_>, _: &Report) -> Option<String> {
    // In brackets these characters mean something else.
    let is_plain = scalar.is_quoted() || !scalar.written.contains([',', '[', ']', '{', '}']);
    (is_plain && !scalar.written.is_empty()).then(|| format!("[{}]", scalar.written))
}

/// The name of a cohort in place of a condition.
fn as_a_cohort(scalar: &Scalar<'_>, report: &Report) -> Option<String> {
    let path = format!("cohorts.{}", serin_core::inspect::path_step(scalar.value));
    let is_cohort = report.source.find(&path).is_some_and(|found| found.whole);
    is_cohort.then(|| format!("{{ cohort: {} }}", scalar.written))
}

/// A timestamp with a space in place of its T.
fn as_a_timestamp(scalar: &Scalar<'_>, _: &Report) -> Option<String> {
    let (date, time) = scalar.written.split_once(' ')?;
    Some(format!("{date}T{time}"))
}

fn in_lower_case(scalar: &Scalar<'_>, _: &Report) -> Option<String> {
    Some(scalar.written.to_ascii_lowercase())
}

/// The host of a URL without a path.
fn as_a_host(scalar: &Scalar<'_>, _: &Report) -> Option<String> {
    let (scheme, rest) = scalar.value.split_once("://")?;
    let host = rest.strip_suffix('/').unwrap_or(rest);
    ["http", "https"].contains(&scheme).then(|| host.to_owned())
}

/// A host with letters beyond ASCII as browsers send it.
fn as_an_ascii_host(scalar: &Scalar<'_>, _: &Report) -> Option<String> {
    cure::ascii_host(scalar.value)
}
