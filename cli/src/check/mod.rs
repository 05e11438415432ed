//! `serin check`.

mod against;
mod debt;
mod json;
mod lints;
mod pace;
mod prospects;
mod reader;
mod report;
mod sarif;
mod source;
mod text;

use super::explain::now;
use super::paint::{self, Tone};
use super::{CheckArgs, Failure, SPEC_ERRORS, spec_file};
pub(crate) use lints::parse_lint;
pub(crate) use pace::{Pace, parse_pace, parse_rate};
use report::{Report, Severity};
use serin_core::{Plan, Timestamp};
use std::path::Path;

/// What `serin check --help` ends with.
pub(crate) const HELP: &str = "\
Exit codes: 0 the specs can be used, with warnings perhaps; 1 a spec has errors, or warnings with
--deny-warnings; 2 wrong usage or a file that cannot be read.

Examples:
  serin check spec.yaml
  serin check --format sarif specs/*.yaml > serin.sarif
  serin check --debt spec.yaml
  serin check --rps 200 --error-rate 0.1 spec.yaml
  git show main:spec.yaml | serin check --against - spec.yaml";

/// How to print.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Format {
    Text,
    Json,
    Sarif,
}

/// Checks every file and says so; the worst outcome is the command's.
pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let at = args.at.unwrap_or_else(now);
    let mut code = 0;
    let mut reports = Vec::new();
    for path in &args.specs {
        match load(path, at, &args.allow) {
            Ok(mut report) => {
                prospects::add(&mut report, args);
                reports.push(report);
            }
            Err(failure) => {
                code = failure.code;
                paint::error(&failure.message);
            }
        }
    }
    pace::known(&args.rps, &reports)?;
    let denied = |report: &Report| args.deny_warnings && report.count(Severity::Warning) > 0;
    let refused = |report: &Report| report.count(Severity::Error) > 0;
    let bad = match (&args.against, args.debt) {
        (Some(old), _) => against::run(args, old, &reports, at)?,
        (None, true) => debt::run(args, &reports, at)?,
        (None, false) => {
            match args.format {
                Format::Text => reports.iter().for_each(print),
                Format::Json => println!("{}", json::document(&reports)),
                Format::Sarif => println!("{}", sarif::document(&reports, code == 0)),
            }
            reports.iter().any(|report| refused(report) || denied(report))
        }
    };
    if bad {
        code = code.max(SPEC_ERRORS);
    }
    if code == 0 { Ok(()) } else { Err(Failure { code, message: String::new() }) }
}

/// Reads a file and finds everything that is to be said about it.
fn load(path: &Path, at: Timestamp, allow: &[&str]) -> Result<Report, Failure> {
    let mut report = Report::new(path, name(path), spec_file::read(path)?);
    lints::add(&mut report, at, allow);
    Ok(report)
}

fn print(report: &Report) {
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
        Some(_) => paint::out(Tone::Bad, &format!("failed, {counts}")),
        None if report.isolated => {
            paint::out(Tone::Bad, &format!("failed, {counts}; hosts isolate the flags"))
        }
        None => paint::out(Tone::Bad, &format!("refused, {counts}")),
    }
}

/// What is wrong with a text that cannot be used, for commands that wanted to use it.
pub(crate) fn errors(path: &Path, text: &[u8]) -> String {
    let report = Report::new(path, name(path), text.to_vec());
    text::plain(&report).trim_end().to_owned()
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
