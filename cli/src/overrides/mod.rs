//! `serin override`: override tokens for testers, and the secrets that sign them.

mod secret;
mod sign;
mod verify;

use crate::failure::Failure;
use clap::Subcommand;

/// The subcommands of `serin override`.
#[derive(Subcommand)]
pub(crate) enum OverrideCommand {
    /// Sign a token that forces arms and variants, and print it
    Sign(sign::SignArgs),
    /// Generate a random secret, and print it
    Key,
    /// Print a token's claims, and whether hosts would accept it
    ///
    /// Exit code 1 if hosts would ignore it. Without a secret, the keys come from the environment variable
    /// SERIN_OVERRIDE_KEYS.
    Verify(verify::VerifyArgs),
}

pub(crate) fn run(command: &OverrideCommand) -> Result<(), Failure> {
    match command {
        OverrideCommand::Sign(args) => sign::run(args),
        OverrideCommand::Key => secret::make().map(|secret| println!("{secret}")),
        OverrideCommand::Verify(args) => verify::run(args),
    }
}
