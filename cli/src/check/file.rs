//! One checked file: read, linted and printed.

use super::{lints, prospects};
use crate::diagnostics::report::{Report, Severity};
use crate::diagnostics::text;
use crate::failure::Failure;
use crate::input;
use crate::number_format::counted;
use crate::spec_file::summary;
use crate::style::{self, Tone};
use serin_core::Timestamp;
use std::path::Path;

/// Reads a file and finds everything that is to be said about it.
pub(super) fn load(path: &Path, at: Timestamp, allow: &[&str]) -> Result<Report, Failure> {
    let mut report = Report::new(path, input::name(path), input::read(path)?);
    lints::add(&mut report, at, allow);
    Ok(report)
}

pub(super) fn print(report: &Report) {
    print!("{}", text::rendered(report));
    print!("{}", prospects::rendered(&report.prospects));
    println!("{}: {}", report.source.name, verdict(report));
}

/// What came of a file, in a line.
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
        // Hosts take a spec whose only fault is its age.
        Some(_) => style::out(Tone::Bad, &format!("failed, {counts}")),
        None if report.isolated => {
            style::out(Tone::Bad, &format!("failed, {counts}; hosts isolate the flags"))
        }
        None => style::out(Tone::Bad, &format!("refused, {counts}")),
    }
}
