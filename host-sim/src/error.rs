//! What can go wrong when a guest is loaded or runs.

use std::fmt;

/// A failure of a guest, or of loading one, as one sentence.
#[derive(Clone, Debug)]
pub struct Error {
    kind: Kind,
}

/// What happened. Private, so that it can grow.
#[derive(Clone, Debug)]
pub(crate) enum Kind {
    /// The bytes are no module this host can run.
    Load(String),
    /// An export that every filter needs is missing or has another type.
    Export(String),
    /// The guest trapped in a callback.
    Trap { callback: &'static str, message: String },
    /// The guest ran longer than one call may.
    Deadline { callback: &'static str, millis: u64 },
    /// The guest trapped after it had been refused more memory.
    Memory { callback: &'static str, limit: usize, message: String },
    /// The guest imports something no host offers, and called it.
    UnknownImport { module: String, name: String },
    /// The guest returned false from `proxy_on_vm_start`.
    StartRefused { log: Vec<String> },
    /// The guest returned false from `proxy_on_configure`.
    ConfigurationRefused { log: Vec<String> },
    /// The VM has failed before and was not restarted.
    Failed,
}

impl Error {
    pub(crate) fn new(kind: Kind) -> Self {
        Self { kind }
    }

    pub(crate) fn load(message: impl fmt::Display) -> Self {
        Self::new(Kind::Load(message.to_string()))
    }

    /// The guest trapped: `unreachable`, a bad access, a forbidden call, too deep a stack.
    pub fn is_trap(&self) -> bool {
        matches!(
            self.kind,
            Kind::Trap { .. }
                | Kind::Deadline { .. }
                | Kind::Memory { .. }
                | Kind::UnknownImport { .. }
        )
    }

    /// The guest did not come back within [`Limits::call_deadline`](crate::Limits).
    pub fn is_deadline(&self) -> bool {
        matches!(self.kind, Kind::Deadline { .. })
    }

    /// The guest wanted more than [`Limits::memory_bytes`](crate::Limits) and fell over.
    pub fn is_memory_limit(&self) -> bool {
        matches!(self.kind, Kind::Memory { .. })
    }

    /// The guest called an import that no host offers.
    pub fn is_unknown_import(&self) -> bool {
        matches!(self.kind, Kind::UnknownImport { .. })
    }

    /// The guest said no to its configuration.
    pub fn is_refused(&self) -> bool {
        matches!(self.kind, Kind::ConfigurationRefused { .. } | Kind::StartRefused { .. })
    }

    /// What the guest logged while it refused its configuration.
    pub fn log(&self) -> &[String] {
        match &self.kind {
            Kind::ConfigurationRefused { log } | Kind::StartRefused { log } => log,
            _ => &[],
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Load(message) => write!(f, "the module cannot be loaded: {message}"),
            Kind::Export(message) => write!(f, "the module is no proxy-wasm filter: {message}"),
            Kind::Trap { callback, message } => {
                write!(f, "the guest trapped in {callback}: {message}")
            }
            Kind::Deadline { callback, millis } => {
                write!(f, "the guest did not return from {callback} within {millis} ms")
            }
            Kind::Memory { callback, limit, message } => write!(
                f,
                "the guest reached its memory limit of {limit} bytes in {callback}: {message}"
            ),
            Kind::UnknownImport { module, name } => write!(
                f,
                "the guest called {module}.{name}, which is not part of proxy-wasm or WASI as filters use it"
            ),
            Kind::StartRefused { log } => refused(f, "proxy_on_vm_start", log),
            Kind::ConfigurationRefused { log } => refused(f, "proxy_on_configure", log),
            Kind::Failed => f.write_str("the VM has failed and was not restarted"),
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
