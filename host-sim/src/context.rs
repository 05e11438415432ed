//! What the host keeps for each context of a guest: roots and streams.

use crate::half::{Direction, Half};
use crate::stats::Stats;
use crate::value::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Bytes of a configuration.
pub(crate) type Bytes = Arc<[u8]>;

pub(crate) enum Context {
    Root(RootContext),
    Stream(Box<StreamContext>),
}

/// A root context: one configured plugin in one VM.
#[derive(Default)]
pub(crate) struct RootContext {
    pub(crate) tick: Option<Tick>,
    /// Streams that still belong to it.
    pub(crate) streams: usize,
    /// A newer configuration has taken over.
    pub(crate) draining: bool,
    /// `proxy_on_done` returned false; `proxy_done` is awaited.
    pub(crate) pending_done: bool,
    /// The names of filter state that outlives an internal redirect.
    pub(crate) request_state: BTreeSet<Vec<u8>>,
}

/// A root's timer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tick {
    pub(crate) period_nanos: u64,
    pub(crate) due_nanos: u64,
}

/// A stream: one request and its response.
pub(crate) struct StreamContext {
    pub(crate) root: u32,
    /// `proxy_on_context_create` was called for it.
    pub(crate) created: bool,
    pub(crate) request: Half,
    pub(crate) response: Half,
    /// What the embedder said about the stream.
    pub(crate) properties: Arc<Value>,
    pub(crate) filter_state: BTreeMap<Vec<u8>, Vec<u8>>,
    pub(crate) filter_state_bytes: usize,
    /// The names of filter state that outlives an internal redirect.
    pub(crate) request_state: BTreeSet<Vec<u8>>,
    pub(crate) stats: Stats,
    pub(crate) start_nanos: u64,
    pub(crate) end_nanos: Option<u64>,
    /// The access log is being written: headers can be read again.
    pub(crate) logging: bool,
    pub(crate) local_reply: Option<LocalReplyState>,
    pub(crate) reset: bool,
    /// The VM failed while it had this stream.
    pub(crate) failed: bool,
    pub(crate) route_cache_cleared: u64,
    /// Called when the stream moves on outside of its own calls.
    pub(crate) waker: Option<Box<dyn Fn() + Send>>,
}

/// Why there is a local reply.
#[derive(Clone, Debug, Default)]
pub(crate) struct LocalReplyState {
    pub(crate) details: String,
    pub(crate) grpc_status: Option<u32>,
}

impl StreamContext {
    pub(crate) fn new(root: u32, properties: Arc<Value>, now: u64) -> Self {
        Self {
            root,
            created: false,
            request: Half::default(),
            response: Half::default(),
            properties,
            filter_state: BTreeMap::new(),
            filter_state_bytes: 0,
            request_state: BTreeSet::new(),
            stats: Stats::default(),
            start_nanos: now,
            end_nanos: None,
            logging: false,
            local_reply: None,
            reset: false,
            failed: false,
            route_cache_cleared: 0,
            waker: None,
        }
    }

    pub(crate) fn half(&self, direction: Direction) -> &Half {
        match direction {
            Direction::Request => &self.request,
            Direction::Response => &self.response,
        }
    }

    pub(crate) fn half_mut(&mut self, direction: Direction) -> &mut Half {
        match direction {
            Direction::Request => &mut self.request,
            Direction::Response => &mut self.response,
        }
    }

    pub(crate) fn wake(&self) {
        if let Some(waker) = &self.waker {
            waker();
        }
    }
}
