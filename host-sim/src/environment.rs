//! What all VMs of one plugin are given by whoever runs them.

use crate::clock::Clock;
use crate::context::Bytes;
use crate::entropy::Entropy;
use crate::http_call::{HttpCall, HttpResponse};
use crate::limits::Limits;
use crate::logbook::LogBook;
use crate::shared::Shared;
use crate::status::{LogLevel, Status};
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

/// A function that guests can call by name.
pub(crate) type ForeignFunction =
    Box<dyn Fn(&[u8]) -> Result<Vec<u8>, Status> + Send + Sync + 'static>;

/// Answers HTTP calls at once; `None` leaves a call open.
pub(crate) type HttpHandler = Box<dyn Fn(&HttpCall) -> Option<HttpResponse> + Send + Sync>;

/// What happens to streams when the VM traps.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum FailPolicy {
    /// Every stream is answered 503, for ever.
    #[default]
    FailClosed,
    /// Streams go on as if there were no filter, for ever.
    FailOpen,
    /// As `FailClosed`, but the next stream after the back-off starts a new VM. The back-off doubles
    /// with every failure that follows another, up to 32 times the base.
    #[non_exhaustive]
    FailReload {
        /// The time before the first restart. Envoy's default is a second.
        base: Duration,
    },
}

impl FailPolicy {
    /// Envoy's default for reloading.
    pub fn reload() -> Self {
        Self::reload_after(Duration::from_secs(1))
    }

    /// Reloading with this time before the first restart.
    pub fn reload_after(base: Duration) -> Self {
        Self::FailReload { base }
    }
}

/// Which upstreams `proxy_http_call` knows.
#[derive(Clone, Debug)]
pub(crate) enum Clusters {
    Any,
    NameMap(BTreeSet<String>),
}

impl Clusters {
    pub(crate) fn knows(&self, name: &str) -> bool {
        match self {
            Self::Any => true,
            Self::NameMap(names) => names.contains(name),
        }
    }
}

pub(crate) struct Environment {
    pub(crate) name: String,
    pub(crate) root_id: String,
    pub(crate) vm_id: String,
    pub(crate) vm_configuration: Bytes,
    pub(crate) limits: Limits,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Entropy,
    pub(crate) shared: Shared,
    pub(crate) log: LogBook,
    pub(crate) log_level: LogLevel,
    pub(crate) fail_policy: FailPolicy,
    pub(crate) clusters: Clusters,
    pub(crate) http: Option<HttpHandler>,
    pub(crate) foreign: BTreeMap<String, ForeignFunction>,
    pub(crate) env_vars: Vec<(String, String)>,
    /// Properties of every stream and of root contexts.
    pub(crate) properties: Value,
}
