//! `serin export prometheus` and `grafana` in real Prometheus.

mod live;
mod rules;

use serde_json::Value;
use serin_conformance::envoy;
use serin_conformance::report::Report;
use serin_conformance::serin_cli;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output, Stdio};

fn main() -> ExitCode {
    let mut report = Report::new("Prometheus");
    report.check("the rules of many specs are valid", rules::rules_are_valid);
    for scenario in rules::SCENARIOS {
        report.check(scenario.name, || rules::alert_agrees_with_gate(scenario));
    }
    report.check("promtool fails on a wrong expectation", rules::promtool_can_fail);
    report.check("a gate without evidence raises an alert", rules::blind_gate);
    report.check("aborts and old revisions raise alerts", rules::host_alerts);
    live::checks(&mut report);
    report.finish()
}

/// The path of a program of Debian's Prometheus package.
fn program(name: &str) -> Result<PathBuf, String> {
    let folder = std::env::var_os("SERIN_PROMETHEUS").map(PathBuf::from);
    let folder = folder.ok_or("SERIN_PROMETHEUS is not set: run `cargo xtask test`")?;
    let path = folder.join("usr/bin").join(name);
    if path.is_file() { Ok(path) } else { Err(format!("{} does not exist", path.display())) }
}

/// Runs a command to its end.
fn run(command: &mut Command) -> Result<Output, String> {
    let output = command.stdin(Stdio::null()).output();
    output.map_err(|error| format!("{}: {error}", command.get_program().display()))
}

/// The standard output and the standard error of a command.
fn text(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}

/// Exports a spec to a target, into a folder, with further options.
fn export(target: &str, spec: &Value, folder: &Path, options: &[&str]) -> Result<(), String> {
    let file = folder.join("spec.json");
    envoy::write_file(&file, &spec.to_string())?;
    let mut serin = serin_cli::command()?;
    serin.args(["export", target]).arg(&file).arg("--out").arg(folder).args(options);
    serin_cli::stdout(&mut serin).map(drop)
}
