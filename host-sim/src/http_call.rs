//! HTTP calls that a guest makes, and the answers it gets.

use crate::headers::HeaderMap;
use std::time::Duration;

/// A call that a guest dispatched.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct HttpCall {
    /// Names the call when it is answered.
    pub id: HttpCallId,
    /// The upstream the guest named.
    pub cluster: String,
    /// The request, with `:method`, `:path` and `:authority`.
    pub headers: HeaderMap,
    /// The request's body.
    pub body: Vec<u8>,
    /// The request's trailers.
    pub trailers: HeaderMap,
    /// How long the guest waits; `None` for ever.
    pub timeout: Option<Duration>,
}

/// Names one call of one worker.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct HttpCallId {
    pub(crate) worker: usize,
    pub(crate) token: u32,
}

impl HttpCallId {
    /// The index of the worker whose guest made the call; the main thread's comes after the workers'.
    pub fn worker(self) -> usize {
        self.worker
    }
}

/// What a guest gets for its call.
#[derive(Clone, Debug, Default)]
pub struct HttpResponse {
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl HttpResponse {
    /// A response with this status and no body.
    pub fn new(status: u16) -> Self {
        let mut response = Self::default();
        response.headers.add(":status", status.to_string());
        response
    }

    /// Adds a header.
    #[must_use]
    pub fn header(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.headers.add(name, value);
        self
    }

    /// Sets the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Adds a trailer.
    #[must_use]
    pub fn trailer(mut self, name: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> Self {
        self.trailers.get_or_insert_default().add(name, value);
        self
    }

    /// What Envoy answers when the upstream did not within the call's timeout.
    pub fn timed_out() -> Self {
        let body = "upstream request timeout";
        Self::new(504)
            .header("content-length", body.len().to_string())
            .header("content-type", "text/plain")
            .body(body)
    }

    /// What Envoy answers when no connection could be made.
    pub fn unreachable() -> Self {
        let body = "upstream connect error or disconnect/reset before headers. \
                    reset reason: remote connection failure";
        Self::new(503)
            .header("content-length", body.len().to_string())
            .header("content-type", "text/plain")
            .body(body)
    }
}

/// A call without an answer yet.
pub(crate) struct PendingCall {
    pub(crate) root: u32,
    pub(crate) call: HttpCall,
    pub(crate) due_nanos: Option<u64>,
    /// The embedder has fetched it.
    pub(crate) taken: bool,
}
