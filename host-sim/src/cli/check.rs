//! `serin check`.

use super::paint::{self, Tone};
use super::{Failure, spec_file};
use serin_core::Plan;
use std::path::{Path, PathBuf};

/// Checks every file and says so; the worst outcome is the command's.
pub(crate) fn run(specs: &[PathBuf]) -> Result<(), Failure> {
    let mut code = 0;
    for path in specs {
        match spec_file::load(path) {
            Ok(spec) => println!("{}: {}", name(path), summary(&spec.plan)),
            Err(failure) => {
                code = code.max(failure.code);
                report(path, &failure);
            }
        }
    }
    if code == 0 { Ok(()) } else { Err(Failure { code, message: String::new() }) }
}

fn report(path: &Path, failure: &Failure) {
    if failure.code == super::TROUBLE {
        return paint::error(&failure.message);
    }
    let lines: Vec<&str> = failure.message.lines().collect();
    for line in &lines {
        println!("{}: {line}", name(path));
    }
    let count = counted(lines.len(), "error");
    println!("{}: {}", name(path), paint::out(Tone::Bad, &format!("refused, {count}")));
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
