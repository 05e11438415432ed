//! Secrets and tokens for overrides, made by the `serin` command as people make them.

use crate::envoy::path_from;
use std::process::{Command, Stdio};

/// A new secret, and a token of the key `qa` that forces an arm and asks for the decision.
pub fn secret_and_token(arm: &str) -> Result<(String, String), String> {
    let secret = serin(&["key"], "")?;
    let sign = ["sign", "--key-id=qa", "--secret-env=QA_SECRET", "--arm", arm, "--decision"];
    let token = serin(&sign, &secret)?;
    Ok((secret, token))
}

fn serin(arguments: &[&str], secret: &str) -> Result<String, String> {
    let output = Command::new(path_from("SERIN_BIN")?)
        .arg("override")
        .args(arguments)
        .env("QA_SECRET", secret)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("serin did not start: {error}"))?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
