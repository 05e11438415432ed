//! Secrets of override keys: read from files and variables, never from the command line, and never printed.
use crate::failure::Failure;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clap::Args;
use std::path::PathBuf;

/// The source of a secret: not the command line, which every process can read.
#[derive(Args)]
pub(super) struct SecretArgs {
    /// A file with the secret in base64url, as `serin override key` prints it
    #[arg(long, value_name = "FILE", conflicts_with = "secret_env")]
    secret_file: Option<PathBuf>,
    /// An environment variable with the secret
    #[arg(long, value_name = "VAR")]
    secret_env: Option<String>,
    /// Always refused, with advice; a secret may begin with a hyphen
    #[arg(long, hide = true, value_name = "TEXT", allow_hyphen_values = true)]
    secret: Option<String>,
}

/// The shortest secret, in bytes.
const MIN_BYTES: usize = 32;

/// A new secret of 256 random bits, in base64url.
pub(super) fn make() -> Result<String, Failure> {
    let mut bytes = [0; MIN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::trouble(format!("the system gives no random numbers: {error}"))
    })?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// The secret in base64url, if one is given. Errors never quote it.
pub(super) fn text(args: &SecretArgs) -> Result<Option<String>, Failure> {
    if args.secret.is_some() {
        return Err(Failure::trouble(
            "every process can read a secret on the command line: use --secret-file FILE or \
             --secret-env VAR, and generate a new secret with `serin override key`",
        ));
    }
    if let Some(file) = &args.secret_file {
        let text = std::fs::read_to_string(file).map_err(|error| {
            Failure::trouble(format!("{}: the secret cannot be read: {error}", file.display()))
        })?;
        return Ok(Some(text.trim().to_owned()));
    }
    let Some(variable) = &args.secret_env else { return Ok(None) };
    match std::env::var(variable) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(_) => {
            Err(Failure::trouble(format!("--secret-env: the variable {variable} is not set")))
        }
    }
}

/// The secret's bytes.
pub(super) fn bytes(args: &SecretArgs) -> Result<Vec<u8>, Failure> {
    let source = match (&args.secret_file, &args.secret_env) {
        (Some(file), _) => file.display().to_string(),
        (None, Some(variable)) => variable.clone(),
        (None, None) => String::new(),
    };
    let Some(text) = text(args)? else {
        return Err(Failure::trouble(
            "the secret is missing: give --secret-file FILE or --secret-env VAR",
        ));
    };
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(text) else {
        return Err(Failure::trouble(format!(
            "{source}: the secret is not base64url (A-Z, a-z, 0-9, - and _, without =)"
        )));
    };
    if bytes.len() < MIN_BYTES {
        let length = bytes.len();
        return Err(Failure::trouble(format!(
            "{source}: the secret has {length} bytes, at least {MIN_BYTES} are needed"
        )));
    }
    Ok(bytes)
}
