//! The data of one VM that host calls work on.

use crate::context::{Bytes, Context, RootContext, StreamContext};
use crate::entropy::Source;
use crate::environment::Environment;
use crate::half::Direction;
use crate::http_call::{HttpResponse, PendingCall};
use crate::module::Abi;
use crate::pairs::Pair;
use crate::stats::Stats;
use crate::status::LogLevel;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use wasmtime::{Memory, ResourceLimiter, TypedFunc};

/// What a host call asked for and what happens once the callback has returned.
#[derive(Debug)]
pub(crate) enum Deferred {
    Continue(u32, Direction),
    Close(u32, Direction),
    LocalReply(u32, Reply),
    /// A root said `proxy_done`.
    Done(u32),
}

/// The arguments of `proxy_send_local_response`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Reply {
    pub(crate) status: u32,
    pub(crate) details: String,
    pub(crate) body: Vec<u8>,
    pub(crate) headers: Vec<Pair>,
    pub(crate) grpc_status: Option<u32>,
}

pub(crate) struct HostState {
    pub(crate) env: Arc<Environment>,
    pub(crate) abi: Abi,
    pub(crate) worker: usize,
    pub(crate) worker_id: u64,
    pub(crate) memory: Option<Memory>,
    pub(crate) malloc: Option<Arc<TypedFunc<u32, u32>>>,
    pub(crate) allocating: bool,
    /// `_initialize`, `main` or `_start` is running: most host calls are forbidden.
    pub(crate) starting: bool,
    pub(crate) limiter: Limiter,
    pub(crate) contexts: BTreeMap<u32, Context>,
    pub(crate) next_context: u32,
    /// The context of the running callback.
    pub(crate) current: u32,
    /// The context the guest chose for its calls, or 0.
    pub(crate) effective: u32,
    /// Readable while a plugin is being created or configured.
    pub(crate) configuration: Option<Bytes>,
    pub(crate) actions: VecDeque<Deferred>,
    /// A local reply was sent: the callback's own answer no longer counts.
    pub(crate) stop_iteration: bool,
    pub(crate) calls: BTreeMap<u32, PendingCall>,
    pub(crate) next_call: u32,
    /// The answer to an HTTP call, and the root context that may read it.
    pub(crate) call_response: Option<(u32, HttpResponse)>,
    pub(crate) call_status: (u32, &'static str),
    pub(crate) metrics: MetricIds,
    pub(crate) entropy: Source,
    /// The cost of the running callback.
    pub(crate) stats: Stats,
    pub(crate) named_unsupported: BTreeSet<&'static str>,
}

/// The numbers one VM knows metrics by.
#[derive(Default)]
pub(crate) struct MetricIds {
    pub(crate) ids: BTreeMap<u32, usize>,
    pub(crate) defined: [u32; 3],
}

impl HostState {
    pub(crate) fn new(env: Arc<Environment>, abi: Abi, worker: usize, worker_id: u64) -> Self {
        let limiter = Limiter {
            memory_bytes: env.limits.memory_bytes,
            table_elements: env.limits.table_elements,
            reached: false,
        };
        let entropy = Source::new(&env.entropy, worker as u64);
        Self {
            env,
            abi,
            worker,
            worker_id,
            memory: None,
            malloc: None,
            allocating: false,
            starting: false,
            limiter,
            contexts: BTreeMap::new(),
            next_context: 1,
            current: 0,
            effective: 0,
            configuration: None,
            actions: VecDeque::new(),
            stop_iteration: false,
            calls: BTreeMap::new(),
            next_call: 0,
            call_response: None,
            call_status: (0, ""),
            metrics: MetricIds::default(),
            entropy,
            stats: Stats::default(),
            named_unsupported: BTreeSet::new(),
        }
    }

    /// The context that host calls act on.
    pub(crate) fn context_id(&self) -> u32 {
        if self.effective != 0 && self.contexts.contains_key(&self.effective) {
            return self.effective;
        }
        self.current
    }

    /// The stream that host calls act on, if it is a stream.
    pub(crate) fn stream(&self) -> Option<&StreamContext> {
        self.stream_of(self.context_id())
    }

    pub(crate) fn stream_mut(&mut self) -> Option<&mut StreamContext> {
        self.stream_of_mut(self.context_id())
    }

    pub(crate) fn stream_of(&self, id: u32) -> Option<&StreamContext> {
        match self.contexts.get(&id)? {
            Context::Stream(stream) => Some(stream),
            Context::Root(_) => None,
        }
    }

    pub(crate) fn stream_of_mut(&mut self, id: u32) -> Option<&mut StreamContext> {
        match self.contexts.get_mut(&id)? {
            Context::Stream(stream) => Some(stream),
            Context::Root(_) => None,
        }
    }

    pub(crate) fn root_of_mut(&mut self, id: u32) -> Option<&mut RootContext> {
        match self.contexts.get_mut(&id)? {
            Context::Root(root) => Some(root),
            Context::Stream(_) => None,
        }
    }

    /// The root of the context that host calls act on.
    pub(crate) fn root_id(&self) -> u32 {
        let id = self.context_id();
        self.stream_of(id).map_or(id, |stream| stream.root)
    }

    pub(crate) fn new_context(&mut self, context: Context) -> u32 {
        let id = self.next_context;
        self.next_context = self.next_context.checked_add(1).unwrap_or(1);
        self.contexts.insert(id, context);
        id
    }

    /// The answer to an HTTP call, while its callback runs.
    pub(crate) fn call_response(&self) -> Option<&HttpResponse> {
        let (root, response) = self.call_response.as_ref()?;
        (*root == self.root_id()).then_some(response)
    }

    pub(crate) fn say(&self, level: LogLevel, message: String) {
        self.env.log.host(level, message, self.worker);
    }

    /// Names a call that this host answers but does not offer, once per VM.
    pub(crate) fn unsupported(&mut self, name: &'static str) {
        if self.named_unsupported.insert(name) {
            self.say(LogLevel::Warn, format!("unsupported: {name}"));
        }
    }
}

/// Refuses memory and tables beyond the limits, and remembers that it did.
pub(crate) struct Limiter {
    memory_bytes: usize,
    table_elements: usize,
    pub(crate) reached: bool,
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let allowed = desired <= self.memory_bytes;
        self.reached |= !allowed;
        Ok(allowed && maximum.is_none_or(|maximum| desired <= maximum))
    }

    fn table_growing(
        &mut self,
        _current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let allowed = desired <= self.table_elements;
        self.reached |= !allowed;
        Ok(allowed && maximum.is_none_or(|maximum| desired <= maximum))
    }
}
