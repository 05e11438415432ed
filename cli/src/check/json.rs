//! The JSON report of a check.

use super::forecasts;
use crate::diagnostics::report::{Diagnostic, Report, Severity};
use crate::diagnostics::source::Source;
use serde_json::{Value, json};
use std::ops::Range;

/// The report: `{ "files": […], "errors": 0, "warnings": 0 }`.
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
    if !report.forecasts.is_empty() {
        value["gates"] = report.forecasts.iter().map(forecasts::value).collect();
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
    value["region"] = diagnostic.range.as_ref().map(|range| region(range, source)).into();
    value
}

/// A byte range as a SARIF region: lines and columns from 1, columns in characters, the end exclusive.
pub(crate) fn region(range: &Range<usize>, source: &Source) -> Value {
    let (start, end) = (source.position(range.start), source.position(range.end));
    json!({
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    })
}

/// The name of a severity, which is also SARIF's level.
pub(crate) fn severity_name(severity: Severity) -> &'static str {
    match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Note => "note",
    }
}
