//! `serin override`: tokens for testers, and the keys they are signed with.

mod secret;
mod sign;
mod verify;

use crate::failure::Failure;
use clap::Subcommand;

/// What to do with tokens and keys.
#[derive(Subcommand)]
pub(crate) enum OverrideCommand {
    /// Sign a token that forces arms and variants, and print it
    Sign(sign::SignArgs),
    /// Make a new random secret and print it
    Key,
    /// Tell what a token holds, and whether it would count or why not
    ///
    /// Exit code 1 if it would be ignored. The keys come from SERIN_OVERRIDE_KEYS unless a secret is
    /// given.
    Verify(verify::VerifyArgs),
}

pub(crate) fn run(command: &OverrideCommand) -> Result<(), Failure> {
    match command {
        OverrideCommand::Sign(args) => sign::run(args),
        OverrideCommand::Key => secret::make().map(|secret| println!("{secret}")),
        OverrideCommand::Verify(args) => verify::run(args),
    }
}
