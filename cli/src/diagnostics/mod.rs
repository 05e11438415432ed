//! Diagnostics of a spec: every error, warning and note, with its range in the text.

pub(crate) mod report;
pub(crate) mod source;
pub(crate) mod text;
pub(crate) mod words;

pub(crate) mod cure;
mod misread;
mod reader;

use report::Report;
use std::path::Path;

/// The errors of a spec as text; empty if it has none.
pub(crate) fn errors(path: &Path, text: &[u8]) -> String {
    let report = Report::new(path, crate::input::name(path), text.to_vec());
    text::plain(&report).trim_end().to_owned()
}
