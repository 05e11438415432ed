//! The `serin` command as a child process.

use crate::envoy::path_from_env;
use std::process::{Command, Output, Stdio};

/// The command that `SERIN_BIN` names, with an empty standard input.
pub fn command() -> Result<Command, String> {
    let mut command = Command::new(path_from_env("SERIN_BIN")?);
    command.stdin(Stdio::null());
    Ok(command)
}

/// Runs the command to its end, whatever its exit code is.
pub fn run(command: &mut Command) -> Result<Output, String> {
    command.output().map_err(|error| format!("serin did not start: {error}"))
}

/// The command's standard output; an error with its standard error if it fails.
pub fn stdout(command: &mut Command) -> Result<String, String> {
    let output = run(command)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    Err(format!("{}: {}", output.status, stderr(&output)))
}

/// What a command wrote to standard error.
pub fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A new secret, and an override token signed with it: its key is `qa`, it forces `arm`
/// (`ROLLOUT=ARM`) and asks for the decision in the response.
pub fn secret_and_token(arm: &str) -> Result<(String, String), String> {
    let secret = stdout(command()?.args(["override", "key"]))?.trim().to_owned();
    let mut sign = command()?;
    sign.args(["override", "sign", "--key-id=qa", "--secret-env=QA_SECRET"]);
    sign.args(["--arm", arm, "--decision"]).env("QA_SECRET", &secret);
    let token = stdout(&mut sign)?.trim().to_owned();
    Ok((secret, token))
}
