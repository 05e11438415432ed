//! The failure of a command: its message and the process's exit code.

use crate::style;
use std::process::ExitCode;

/// Exit code: a spec has errors, or a check found something.
pub(crate) const SPEC_ERRORS: u8 = 1;
/// Exit code: wrong usage, or a file, port or filter that cannot be used.
pub(crate) const TROUBLE: u8 = 2;

/// The failure of a command.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The exit code.
    pub(crate) code: u8,
    /// The message for standard error; empty if the command has printed everything itself.
    pub(crate) message: String,
}

impl Failure {
    /// A failure with [`SPEC_ERRORS`].
    pub(crate) fn spec(message: impl Into<String>) -> Self {
        Self { code: SPEC_ERRORS, message: message.into() }
    }

    /// A failure with [`TROUBLE`].
    pub(crate) fn trouble(message: impl Into<String>) -> Self {
        Self { code: TROUBLE, message: message.into() }
    }

    /// A failure of a command that has printed everything itself.
    pub(crate) fn silent(code: u8) -> Self {
        Self { code, message: String::new() }
    }

    /// Prints the message, if there is one, and returns the exit code.
    pub(crate) fn report(&self) -> ExitCode {
        if !self.message.is_empty() {
            style::error(&self.message);
        }
        ExitCode::from(self.code)
    }
}
