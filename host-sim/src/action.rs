//! What becomes of a stream.

use crate::context::StreamContext;
use crate::half::{Direction, Stopped};
use crate::headers::HeaderMap;

/// What becomes of a stream after a callback.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Action {
    /// What was sent in goes on.
    Continue,
    /// It waits for the guest.
    Pause,
    /// The client is answered without an upstream.
    LocalReply(LocalReply),
    /// The stream was reset: the guest closed it, or a reply came too late.
    Reset,
}

impl Action {
    /// Whether what was sent in goes on.
    pub fn is_continue(&self) -> bool {
        *self == Self::Continue
    }

    /// The local reply, if there is one.
    pub fn local_reply(&self) -> Option<&LocalReply> {
        match self {
            Self::LocalReply(reply) => Some(reply),
            _ => None,
        }
    }
}

/// A reply that did not come from upstream, after it has passed the guest's response callbacks.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LocalReply {
    /// The status code.
    pub status: u16,
    /// The headers, `:status` among them.
    pub headers: HeaderMap,
    /// The body.
    pub body: Vec<u8>,
    /// Why, as `response.code_details` says it.
    pub details: String,
    /// The gRPC status the guest gave.
    pub grpc_status: Option<u32>,
}

/// What becomes of one direction of a stream.
pub(crate) fn of(stream: &StreamContext, direction: Direction) -> Action {
    if stream.reset {
        return Action::Reset;
    }
    if let Some(reply) = &stream.local_reply {
        if !stream.response.end_sent {
            return Action::Pause;
        }
        let headers = stream.response.headers.clone().unwrap_or_default();
        let status = headers.get_str(":status").and_then(|status| status.parse().ok());
        return Action::LocalReply(LocalReply {
            status: status.unwrap_or(500),
            headers,
            body: stream.response.out.clone(),
            details: reply.details.clone(),
            grpc_status: reply.grpc_status,
        });
    }
    match stream.half(direction).stopped {
        Stopped::No => Action::Continue,
        Stopped::Headers | Stopped::Body | Stopped::Trailers => Action::Pause,
    }
}
