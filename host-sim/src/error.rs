//! Why a guest could not be loaded, or failed while it ran.

use std::fmt;

/// A failure of a guest, or of loading one. Its message is one sentence, and its [`ErrorKind`] has
/// the data.
#[derive(Clone, Debug)]
pub struct Error {
    kind: ErrorKind,
}

/// What failed, with the data that a caller may act on.
///
/// New kinds, and new fields of a kind, can come with any release.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The bytes are not a WebAssembly module that this host can run.
    #[non_exhaustive]
    Load {
        /// What the engine says about them.
        message: String,
    },
    /// The module is not a proxy-wasm filter: an export that every filter needs is missing or has
    /// another type.
    #[non_exhaustive]
    Export {
        /// Which export, and what is wrong with it.
        message: String,
    },
    /// The guest trapped: `unreachable`, a bad access, a forbidden call, too deep a stack.
    #[non_exhaustive]
    Trap {
        /// The callback that the guest was in.
        callback: &'static str,
        /// What the engine says about the trap.
        message: String,
    },
    /// The guest did not return within [`Limits::call_deadline`](crate::Limits::call_deadline).
    #[non_exhaustive]
    Deadline {
        /// The callback that the guest was in.
        callback: &'static str,
        /// The deadline, in milliseconds.
        millis: u64,
    },
    /// The guest trapped after it was refused more than
    /// [`Limits::memory_bytes`](crate::Limits::memory_bytes).
    #[non_exhaustive]
    Memory {
        /// The callback that the guest was in.
        callback: &'static str,
        /// The limit, in bytes.
        limit: usize,
        /// What the engine says about the trap.
        message: String,
    },
    /// The guest called an import that is part of neither proxy-wasm nor WASI as filters use it.
    #[non_exhaustive]
    UnknownImport {
        /// The import's module.
        module: String,
        /// The import's name.
        name: String,
    },
    /// The guest returned false from `proxy_on_vm_start`.
    #[non_exhaustive]
    StartRefused {
        /// What the guest logged meanwhile.
        log: Vec<String>,
    },
    /// The guest returned false from `proxy_on_configure`.
    #[non_exhaustive]
    ConfigurationRefused {
        /// What the guest logged meanwhile.
        log: Vec<String>,
    },
    /// The VM has failed before and was not restarted.
    Failed,
}

impl Error {
    pub(crate) fn new(kind: ErrorKind) -> Self {
        Self { kind }
    }

    pub(crate) fn load(message: impl fmt::Display) -> Self {
        Self::new(ErrorKind::Load { message: message.to_string() })
    }

    /// What failed.
    pub fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// Whether the guest trapped, for whatever reason: also at a deadline, a memory limit or an
    /// unknown import.
    pub fn is_trap(&self) -> bool {
        matches!(
            self.kind,
            ErrorKind::Trap { .. }
                | ErrorKind::Deadline { .. }
                | ErrorKind::Memory { .. }
                | ErrorKind::UnknownImport { .. }
        )
    }

    /// Whether the guest refused to start or to be configured.
    pub fn is_refused(&self) -> bool {
        matches!(self.kind, ErrorKind::ConfigurationRefused { .. } | ErrorKind::StartRefused { .. })
    }

    /// What the guest logged while it refused to start or to be configured; else empty.
    pub fn log(&self) -> &[String] {
        match &self.kind {
            ErrorKind::ConfigurationRefused { log } | ErrorKind::StartRefused { log } => log,
            _ => &[],
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ErrorKind::Load { message } => write!(f, "the module cannot be loaded: {message}"),
            ErrorKind::Export { message } => {
                write!(f, "the module is no proxy-wasm filter: {message}")
            }
            ErrorKind::Trap { callback, message } => {
                write!(f, "the guest trapped in {callback}: {message}")
            }
            ErrorKind::Deadline { callback, millis } => {
                write!(f, "the guest did not return from {callback} within {millis} ms")
            }
            ErrorKind::Memory { callback, limit, message } => write!(
                f,
                "the guest reached its memory limit of {limit} bytes in {callback}: {message}"
            ),
            ErrorKind::UnknownImport { module, name } => write!(
                f,
                "the guest called {module}.{name}, which is not part of proxy-wasm or WASI as filters use it"
            ),
            ErrorKind::StartRefused { log } => refused(f, "proxy_on_vm_start", log),
            ErrorKind::ConfigurationRefused { log } => refused(f, "proxy_on_configure", log),
            ErrorKind::Failed => f.write_str("the VM has failed and was not restarted"),
        }
    }
}

fn refused(f: &mut fmt::Formatter<'_>, callback: &str, log: &[String]) -> fmt::Result {
    write!(f, "the guest returned false from {callback}")?;
    if log.is_empty() {
        return Ok(());
    }
    write!(f, ": {}", log.join("; "))
}

impl std::error::Error for Error {}
