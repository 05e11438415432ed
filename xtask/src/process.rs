//! Other programs: where they run, and how their output is passed through, captured or read line by line.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// A task's result; the error is one sentence for a person.
pub(crate) type TaskResult<T = ()> = Result<T, String>;

/// The workspace's root folder.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_path_buf()
}

/// Cargo's target folder: this program is in its `debug` folder.
pub(crate) fn target_dir() -> PathBuf {
    std::env::current_exe()
        .ok()
        .and_then(|exe| Some(exe.parent()?.parent()?.to_path_buf()))
        .unwrap_or_else(|| root().join("target"))
}

/// The cargo that started this program, in the workspace's root, with the same target folder.
pub(crate) fn cargo(args: &[&str]) -> Command {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    cargo_program(Path::new(&cargo), args)
}

/// The same for a program that starts cargo itself.
pub(crate) fn cargo_program(program: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(args).current_dir(root()).env("CARGO_TARGET_DIR", target_dir());
    command
}

/// Runs a command with its output passed through.
pub(crate) fn run(command: &mut Command) -> TaskResult {
    let name = describe(command);
    match command.stdin(Stdio::null()).status() {
        Ok(status) => check(&name, status),
        Err(error) => Err(format!("`{name}` did not start: {error}")),
    }
}

/// Runs a command silently and returns its standard output.
pub(crate) fn output(command: &mut Command) -> TaskResult<String> {
    let name = describe(command);
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("`{name}` did not start: {error}"))?;
    if !output.status.success() {
        let errors = String::from_utf8_lossy(&output.stderr);
        return Err(format!("`{name}` failed with {}: {}", output.status, errors.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs a command, prints its standard output and hands each line of it to `on_line`.
pub(crate) fn run_with_lines(command: &mut Command, mut on_line: impl FnMut(&str)) -> TaskResult {
    let name = describe(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("`{name}` did not start: {error}"))?;
    if let Some(stdout) = child.stdout.take() {
        let mut lines = BufReader::new(stdout);
        let mut line = Vec::new();
        while lines.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line);
            print!("{text}");
            let _ = std::io::stdout().flush();
            on_line(text.trim_end());
            line.clear();
        }
    }
    match child.wait() {
        Ok(status) => check(&name, status),
        Err(error) => Err(format!("`{name}` gave no exit status: {error}")),
    }
}

/// Whether a program is installed: its `--version` succeeds.
pub(crate) fn is_installed(program: &str) -> bool {
    Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

fn check(name: &str, status: ExitStatus) -> TaskResult {
    if status.success() {
        return Ok(());
    }
    Err(format!("`{name}` failed with {status}"))
}

/// The command as it would be typed, without the folder of its program.
fn describe(command: &Command) -> String {
    let program = Path::new(command.get_program());
    let mut line = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
    for arg in command.get_args() {
        line.push(' ');
        line.push_str(&arg.to_string_lossy());
    }
    line
}
