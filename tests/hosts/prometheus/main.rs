//! What `serin export prometheus` and `grafana` write, in real Prometheus.

mod live;
mod rules;

use serde_json::Value;
use serin_conformance::envoy;
use serin_conformance::report::Report;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};

fn main() -> ExitCode {
    let mut report = Report::new("Prometheus");
    report.check("the rules of many specs are valid", rules::valid);
    for scenario in rules::SCENARIOS {
        report.check(scenario.name, || rules::agrees(scenario));
    }
    report.check("a test of rules can fail", rules::can_fail);
    report.check("aborts and old revisions are told", rules::hosts);
    live::checks(&mut report);
    report.finish()
}

/// A program of Debian's package.
fn program(name: &str) -> Result<PathBuf, String> {
    let folder = std::env::var_os("SERIN_PROMETHEUS").map(PathBuf::from);
    let folder = folder.ok_or("SERIN_PROMETHEUS is not set: run `cargo xtask test`")?;
    let path = folder.join("usr/bin").join(name);
    if path.is_file() { Ok(path) } else { Err(format!("{} is not there", path.display())) }
}

/// Runs a command and gives what it printed.
fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.stdin(Stdio::null()).output();
    output.map_err(|error| format!("{}: {error}", command.get_program().display()))
}

fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Exports a spec to a target, into the folder.
fn export(target: &str, spec: &Value, folder: &Path, further: &[&str]) -> Result<(), String> {
    let file = folder.join("spec.json");
    envoy::write(&file, &spec.to_string())?;
    let mut serin = Command::new(envoy::path_from("SERIN_BIN")?);
    serin.args(["export", target]).arg(&file).arg("--out").arg(folder).args(further);
    let output = run(&mut serin)?;
    if output.status.success() { Ok(()) } else { Err(said(&output)) }
}
