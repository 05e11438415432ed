//! Lints: parts of a spec that are allowed but most likely wrong.

use super::size::TOO_LARGE;
use super::words;
use crate::diagnostics::report::{Diagnostic, Report, Severity};
use serin_analysis::lint::{Finding, Lint, lint};
use serin_core::Timestamp;

/// Adds the findings about a spec without errors, except the allowed ones.
pub(crate) fn add(report: &mut Report, at: Timestamp, allow: &[&str]) {
    let Some((spec, plan)) = &report.good else { return };
    let findings = lint(spec, plan, at);
    let mut found: Vec<Diagnostic> =
        findings.into_iter().map(|finding| diagnostic(finding, report)).collect();
    found.extend(words::notes(report));
    found.retain(|diagnostic| !allow.contains(&diagnostic.id));
    report.add(found);
}

/// The diagnostic of a finding.
pub(super) fn diagnostic(finding: Finding, report: &Report) -> Diagnostic {
    let severity = severity(finding.lint);
    let id = finding.lint.id();
    let (path, message) = (&finding.path, finding.message);
    let found = Diagnostic::at(severity, id, path, message, &report.source);
    let range = match finding.lint {
        // The name is unused, so the name is marked and not its value.
        Lint::UnusedCohort
        | Lint::UnusedUnit
        | Lint::UnusedLayer
        | Lint::UnusedHoldout
        | Lint::UnreachableArm => report.source.key_range(&finding.path),
        _ => None,
    };
    let (help, correction) = (finding.help, finding.replacement);
    Diagnostic { help, correction, range: range.or(found.range), ..found }
}

/// The severity of a lint. An expired flag is an error although hosts accept it: its owner has promised to
/// remove it. A gate that clients can steer is right where no client is hostile.
pub(crate) fn severity(lint: Lint) -> Severity {
    match lint {
        Lint::Expired => Severity::Error,
        Lint::SteerableGate => Severity::Note,
        _ => Severity::Warning,
    }
}

/// Parses the name of a lint or note.
pub(crate) fn parse_lint(text: &str) -> Result<&'static str, String> {
    let notes = || words::NOTES.map(|(id, _)| id).into_iter().chain([TOO_LARGE]);
    let names = || Lint::ALL.iter().map(|lint| lint.id()).chain(notes());
    names().find(|name| *name == text).ok_or_else(|| {
        format!("there is no warning {text}, use {}", names().collect::<Vec<_>>().join(", "))
    })
}
