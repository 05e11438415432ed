//! One file of a check: reads, lints and prints it.

use super::{forecasts, lints};
use crate::diagnostics::report::{Report, Severity};
use crate::diagnostics::text;
use crate::failure::Failure;
use crate::input;
use crate::number_format::counted;
use crate::spec_file::summary;
use crate::style::{self, Tone};
use serin_core::Timestamp;
use std::path::Path;

/// Reads a file and collects its diagnostics.
pub(super) fn load(path: &Path, at: Timestamp, allow: &[&str]) -> Result<Report, Failure> {
    Ok(report(path, input::read_spec(path)?, at, allow))
}

/// Collects the diagnostics of a file's text.
pub(super) fn report(path: &Path, text: Vec<u8>, at: Timestamp, allow: &[&str]) -> Report {
    let mut report = Report::new(path, input::name(path), text);
    lints::add(&mut report, at, allow);
    report
}

/// Prints the report about a file.
pub(super) fn print(report: &Report) {
    print!("{}", text::rendered(report));
    print!("{}", forecasts::rendered(&report.forecasts));
    println!("{}: {}", report.source.name, verdict(report));
}

/// The result for a file in one line.
fn verdict(report: &Report) -> String {
    let mut counts = Vec::new();
    for (severity, noun) in [(Severity::Error, "error"), (Severity::Warning, "warning")] {
        let count = report.count(severity);
        if count > 0 {
            counts.push(counted(count, noun));
        }
    }
    let counts = counts.join(", ");
    match &report.good {
        Some((_, plan)) if counts.is_empty() => summary(plan),
        Some((_, plan)) if report.count(Severity::Error) == 0 => {
            format!("{}, {counts}", summary(plan))
        }
        // Hosts accept a spec whose only error is an expired flag.
        Some(_) => style::out(Tone::Bad, &format!("failed, {counts}")),
        None if report.isolated => style::out(
            Tone::Bad,
            &format!("failed, {counts}; hosts accept the spec without these flags"),
        ),
        None => style::out(Tone::Bad, &format!("refused, {counts}")),
    }
}
