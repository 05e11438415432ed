//! `serin override`: tokens for testers, and the keys they are signed with.

mod secret;
mod sign;
mod verify;

use super::Failure;
use clap::{Args, Subcommand};
use serin_core::{OverrideKeys, Timestamp};
use std::path::PathBuf;

/// Where hosts, and `serin serve` and `serin explain` too, find the keys.
pub(crate) const KEYS: &str = "SERIN_OVERRIDE_KEYS";

/// What to do with tokens and keys.
#[derive(Subcommand)]
pub(crate) enum OverrideCommand {
    /// Sign a token that forces arms and variants, and print it
    Sign(SignArgs),
    /// Make a new random secret and print it
    Key,
    /// Tell what a token holds, and whether it would count or why not
    ///
    /// Exit code 1 if it would be ignored. The keys come from SERIN_OVERRIDE_KEYS unless a secret is
    /// given.
    Verify(VerifyArgs),
}

#[derive(Args)]
pub(crate) struct SignArgs {
    /// The id of the key to sign with
    #[arg(long, value_name = "ID")]
    key_id: String,
    #[command(flatten)]
    secret: SecretArgs,
    /// How long the token is good
    #[arg(long, value_name = "SPAN", default_value = "8h", value_parser = sign::parse_duration)]
    expires_in: u64,
    /// An arm to force
    #[arg(long = "arm", value_name = "ROLLOUT=ARM", value_parser = sign::parse_pair)]
    arms: Vec<(String, String)>,
    /// A variant to force
    #[arg(long = "variant", value_name = "FLAG=VARIANT", value_parser = sign::parse_pair)]
    variants: Vec<(String, String)>,
    /// A host that the token is for [default: every host]
    #[arg(long = "aud", value_name = "HOST", value_parser = sign::parse_host)]
    audience: Vec<String>,
    /// Have responses tell the decision, as serin-decision
    #[arg(long)]
    decision: bool,
    /// Check the names against this spec, in YAML or JSON; - is standard input
    #[arg(long)]
    spec: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct VerifyArgs {
    /// The token; - reads it from standard input
    token: String,
    #[command(flatten)]
    secret: SecretArgs,
    /// The request's host [default: one that the token is for]
    #[arg(long, value_name = "HOST", value_parser = sign::parse_host)]
    host: Option<String>,
    /// The moment of the request, RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = super::explain::parse_moment)]
    at: Option<Timestamp>,
    /// See whether this spec has what the token asks for; - is standard input
    #[arg(long)]
    spec: Option<PathBuf>,
}

/// Where a secret is. It never stands on a command line, where every process can read it.
#[derive(Args)]
struct SecretArgs {
    /// A file with the secret in base64url, as `serin override key` makes it
    #[arg(long, value_name = "FILE", conflicts_with = "secret_env")]
    secret_file: Option<PathBuf>,
    /// An environment variable with the secret
    #[arg(long, value_name = "VAR")]
    secret_env: Option<String>,
    /// Refused, whatever it looks like: a secret may begin with a hyphen
    #[arg(long, hide = true, value_name = "TEXT", allow_hyphen_values = true)]
    secret: Option<String>,
}

pub(crate) fn run(command: &OverrideCommand) -> Result<(), Failure> {
    match command {
        OverrideCommand::Sign(args) => sign::run(args),
        OverrideCommand::Key => secret::make().map(|secret| println!("{secret}")),
        OverrideCommand::Verify(args) => verify::run(args),
    }
}

/// The text of the environment's keys, if there is one.
pub(crate) fn text_of_environment() -> Option<String> {
    std::env::var(KEYS).ok().filter(|keys| !keys.is_empty())
}

/// The environment's keys, if there are any.
pub(crate) fn keys_of_environment() -> Result<Option<OverrideKeys>, Failure> {
    let Some(text) = text_of_environment() else { return Ok(None) };
    match OverrideKeys::from_json(text.as_bytes()) {
        Ok(keys) => Ok(Some(keys)),
        Err(errors) => {
            let lines: Vec<String> =
                errors.iter().map(|error| format!("{KEYS}: {error}")).collect();
            Err(Failure::trouble(lines.join("\n")))
        }
    }
}
