//! What is allowed and most likely not meant.

use crate::diagnostics::report::{Diagnostic, Report, Severity};
use serin_analysis::lint::{Finding, Lint, lint};
use serin_core::Timestamp;

/// A bare word that YAML 1.1 takes for a boolean; the only finding that is about the text itself.
pub(crate) const OLD_BOOLEAN: &str = "yaml-1-1-boolean";

/// What the note about it finds, in a sentence.
pub(crate) const OLD_BOOLEAN_ABOUT: &str = "A bare word that YAML 1.1 reads as a boolean.";

/// Adds what is found in a good spec, except what is allowed.
pub(crate) fn add(report: &mut Report, at: Timestamp, allow: &[&str]) {
    let Some((spec, plan)) = &report.good else { return };
    let findings = lint(spec, plan, at);
    let mut found: Vec<Diagnostic> =
        findings.into_iter().map(|finding| diagnostic(finding, report)).collect();
    found.extend(old_boolean(report));
    found.retain(|diagnostic| !allow.contains(&diagnostic.id));
    report.add(found);
}

pub(super) fn diagnostic(finding: Finding, report: &Report) -> Diagnostic {
    let severity = severity(finding.lint);
    let id = finding.lint.id();
    let (path, message) = (&finding.path, finding.message);
    let found = Diagnostic::at(severity, id, path, message, &report.source);
    let place = match finding.lint {
        // It is the name that nothing uses, not what stands behind it.
        Lint::UnusedCohort
        | Lint::UnusedUnit
        | Lint::UnusedLayer
        | Lint::UnusedHoldout
        | Lint::UnreachableArm => report.source.key_place(&finding.path),
        _ => None,
    };
    Diagnostic { help: finding.help, place: place.or(found.place), ..found }
}

/// An expired flag is an error, hosts or no hosts: someone has promised to remove it.
pub(crate) fn severity(lint: Lint) -> Severity {
    if lint == Lint::Expired { Severity::Error } else { Severity::Warning }
}

/// One note for a file, at the first word.
fn old_boolean(report: &Report) -> Option<Diagnostic> {
    let words = &report.source.words;
    let first = words.first()?;
    let word = report.source.text.get(first.clone())?;
    let more = match words.len() - 1 {
        0 => String::new(),
        1 => ", and one more such word".to_owned(),
        more => format!(", and {more} more such words"),
    };
    let message = format!("the bare word {word} is a text here, and a boolean for YAML 1.1{more}");
    let help =
        format!("quote it (\"{word}\") if kubectl or another reader of YAML 1.1 gets this file");
    let found = Diagnostic::at(Severity::Note, OLD_BOOLEAN, "", message, &report.source);
    Some(Diagnostic { place: Some(first.clone()), help: Some(help), ..found })
}

/// The name of a finding that can be allowed.
pub(crate) fn parse_lint(text: &str) -> Result<&'static str, String> {
    let names = || Lint::ALL.iter().map(|lint| lint.id()).chain([OLD_BOOLEAN]);
    names().find(|name| *name == text).ok_or_else(|| {
        format!("there is no such warning, use {}", names().collect::<Vec<_>>().join(", "))
    })
}
