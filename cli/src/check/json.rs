//! Diagnostics for tools, as JSON.

use super::prospects;
use crate::diagnostics::report::{Diagnostic, Report, Severity};
use crate::diagnostics::source::Source;
use serde_json::{Value, json};
use std::ops::Range;

/// `{ "files": […], "errors": 0, "warnings": 0 }`.
pub(crate) fn document(reports: &[Report]) -> Value {
    let count = |severity| reports.iter().map(|report| report.count(severity)).sum::<usize>();
    json!({
        "files": reports.iter().map(file).collect::<Vec<_>>(),
        "errors": count(Severity::Error),
        "warnings": count(Severity::Warning),
    })
}

fn file(report: &Report) -> Value {
    let diagnostics = report.diagnostics.iter();
    let plan = report.good.as_ref().map(|(_, plan)| plan);
    let mut value = json!({
        "file": report.source.name,
        "ok": report.count(Severity::Error) == 0,
        "revision": plan.map(|plan| plan.revision()),
        "digest": plan.map(|plan| plan.digest().to_owned()),
        "diagnostics": diagnostics.map(|found| diagnostic(found, &report.source)).collect::<Vec<_>>(),
    });
    if !report.prospects.is_empty() {
        value["gates"] = report.prospects.iter().map(prospects::value).collect();
    }
    value
}

fn diagnostic(diagnostic: &Diagnostic, source: &Source) -> Value {
    let mut value = json!({
        "severity": severity_name(diagnostic.severity),
        "id": diagnostic.id,
        "path": diagnostic.path,
        "message": diagnostic.message,
        "help": diagnostic.help,
    });
    value["region"] = diagnostic.place.as_ref().map(|place| region(place, source)).into();
    value
}

/// Lines and columns from 1, in characters; the end exclusive. SARIF's words.
pub(crate) fn region(place: &Range<usize>, source: &Source) -> Value {
    let (start, end) = (source.position(place.start), source.position(place.end));
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

/// SARIF's word for it, too.
pub(crate) fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}
