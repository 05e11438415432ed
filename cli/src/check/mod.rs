//! `serin check`: the errors and warnings of specs.

mod against;
mod args;
mod debt;
mod file;
mod fix;
mod forecasts;
mod json;
mod lints;
mod pace;
mod sarif;
mod size;
mod words;

use crate::clock::now;
use crate::diagnostics::report::{Report, Severity};
use crate::failure::{Failure, SPEC_ERRORS};
use crate::style;
pub(crate) use args::CheckArgs;
use args::{Format, Target};
use file::{load, print};

/// Checks and reports every file. The worst result decides the exit code.
pub(crate) fn run(args: &CheckArgs) -> Result<(), Failure> {
    let at = args.at.unwrap_or_else(now);
    let mut code = 0;
    let mut reports = Vec::new();
    for path in &args.specs {
        let loaded = if args.fix {
            fix::run(path, args, at).map(|text| file::report(path, text, at, &args.allow))
        } else {
            load(path, at, &args.allow)
        };
        match loaded {
            Ok(mut report) => {
                forecasts::add(&mut report, args);
                if args.target.contains(&Target::Kubernetes) {
                    size::add(&mut report, &args.allow);
                }
                reports.push(report);
            }
            Err(failure) => {
                code = failure.code;
                style::error(&failure.message);
            }
        }
    }
    pace::expect_known(&args.rps, &reports)?;
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
    if code == 0 { Ok(()) } else { Err(Failure::silent(code)) }
}
