//! `serin check`.

mod report;
mod source;
mod text;

use super::paint::{self, Tone};
use super::{CheckArgs, Failure, SPEC_ERRORS, spec_file};
use report::{Report, Severity};
use serin_core::Plan;
use std::path::Path;

/// Checks every file and says so; the worst outcome is the command's.
pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let mut code = 0;
    for path in &args.specs {
        match spec_file::read(path) {
            Ok(text) => {
                let report = Report::new(path, name(path), text);
                print!("{}", text::rendered(&report));
                println!("{}: {}", report.source.name, verdict(&report));
                if report.good.is_none() {
                    code = code.max(SPEC_ERRORS);
                }
            }
            Err(failure) => {
                code = code.max(failure.code);
                paint::error(&failure.message);
            }
        }
    }
    if code == 0 { Ok(()) } else { Err(Failure { code, message: String::new() }) }
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
        Some((_, plan)) => format!("{}, {counts}", summary(plan)),
        None => paint::out(Tone::Bad, &format!("refused, {counts}")),
    }
}

fn name(path: &Path) -> String {
    if path == Path::new("-") { "standard input".to_owned() } else { path.display().to_string() }
}

/// One line about a plan.
pub(crate) fn summary(plan: &Plan) -> String {
    let rollouts = counted(plan.rollouts().len(), "rollout");
    let flags = counted(plan.flags().len(), "flag");
    let ok = paint::out(Tone::Good, "ok");
    format!("{ok}, revision {} ({}), {rollouts}, {flags}", plan.revision(), plan.digest())
}

/// `1 flag`, `2 flags`.
pub(crate) fn counted(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}
