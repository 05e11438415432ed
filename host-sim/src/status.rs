//! The numbers a host call answers with, and the levels a guest logs at.

use std::fmt;

/// What a host call returns to the guest (`proxy_status_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum Status {
    /// The call did what it was asked.
    Ok = 0,
    /// Nothing has that name, key or token.
    NotFound = 1,
    /// An argument is out of range, or the thing is not there in this phase.
    BadArgument = 2,
    /// The value cannot be put into bytes.
    SerializationFailure = 3,
    /// The bytes cannot be read.
    ParseFailure = 4,
    /// An expression is wrong.
    BadExpression = 5,
    /// A pointer or a length leaves the guest's memory.
    InvalidMemoryAccess = 6,
    /// The queue holds nothing.
    Empty = 7,
    /// The stored value changed since it was read.
    CasMismatch = 8,
    /// The result has another type than expected.
    ResultMismatch = 9,
    /// The host could not do it, or a limit of the host was reached.
    InternalFailure = 10,
    /// The connection broke.
    BrokenConnection = 11,
    /// The host does not offer this call.
    Unimplemented = 12,
}

/// How important a log line is (`proxy_log_level_t`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u32)]
#[non_exhaustive]
pub enum LogLevel {
    /// The finest steps.
    Trace = 0,
    /// For whoever debugs.
    Debug = 1,
    /// Something worth knowing.
    Info = 2,
    /// Something is odd.
    Warn = 3,
    /// Something failed.
    Error = 4,
    /// The program cannot go on.
    Critical = 5,
}

impl LogLevel {
    /// The level with this number, if there is one.
    pub fn from_number(number: u32) -> Option<Self> {
        Some(match number {
            0 => Self::Trace,
            1 => Self::Debug,
            2 => Self::Info,
            3 => Self::Warn,
            4 => Self::Error,
            5 => Self::Critical,
            _ => return None,
        })
    }
}

impl fmt::Display for LogLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
            Self::Critical => "critical",
        })
    }
}
