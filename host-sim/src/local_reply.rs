//! Replies that come from no upstream, as Envoy makes them.

use crate::context::LocalReplyState;
use crate::half::{Direction, Half, Stopped};
use crate::headers::HeaderMap;
use crate::state::Reply;
use crate::worker::Worker;

impl Worker {
    /// A reply that did not come from upstream. It passes through the response callbacks, unless a
    /// response was there already or the VM is gone.
    pub(crate) fn local_reply(&mut self, id: u32, reply: Reply) {
        let alive = self.alive(id);
        let Some(stream) = self.stream_mut(id) else {
            return;
        };
        if stream.response.headers_sent {
            stream.reset = true;
            return stream.wake();
        }
        let direct = stream.response.headers.is_some() || !alive || stream.failed;
        let (headers, body) = render(stream.request.headers.as_ref(), &reply);
        let end = body.is_empty();
        stream.local_reply =
            Some(LocalReplyState { details: reply.details, grpc_status: reply.grpc_status });
        stream.response = Half::default();
        if stream.request.stopped == Stopped::No {
            stream.request.stopped = Stopped::Headers;
        }
        if direct {
            let half = &mut stream.response;
            (half.headers, half.headers_sent) = (Some(headers), true);
            (half.out, half.ended, half.end_sent) = (body, true, true);
        } else {
            self.headers(id, Direction::Response, headers, end);
            let again = self.stream(id).is_none_or(|stream| stream.response.end_sent);
            if !end && !again {
                self.body(id, Direction::Response, body, true);
            }
        }
        if let Some(stream) = self.stream(id) {
            stream.wake();
        }
    }

    /// A body that is held back and has grown too large.
    pub(crate) fn too_large(&mut self, id: u32, direction: Direction) {
        let (status, details) = match direction {
            Direction::Request => (413, "request_payload_too_large"),
            Direction::Response => (500, "response_payload_too_large"),
        };
        if let Some(stream) = self.stream_mut(id) {
            let half = stream.half_mut(direction);
            half.chunk.clear();
            half.held.clear();
            half.buffering = false;
            half.stopped = Stopped::Body;
        }
        let body = if status == 413 { "Payload Too Large" } else { "Internal Server Error" };
        let reply =
            Reply { status, details: details.to_owned(), body: body.into(), ..Reply::default() };
        self.local_reply(id, reply);
    }
}

/// The headers and the body of a local reply, as Envoy makes them.
fn render(request: Option<&HeaderMap>, reply: &Reply) -> (HeaderMap, Vec<u8>) {
    let grpc = request
        .and_then(|headers| headers.get("content-type"))
        .is_some_and(|kind| kind.starts_with(b"application/grpc"));
    let mut headers = HeaderMap::new();
    let status = if grpc { 200 } else { reply.status };
    headers.add(":status", status.to_string());
    for (name, value) in &reply.headers {
        headers.add(name, value);
    }
    if grpc {
        headers.replace("content-type", "application/grpc");
        headers.replace("grpc-status", reply.grpc_status.unwrap_or(2).to_string());
        headers.replace("grpc-message", &reply.body);
        return (headers, Vec::new());
    }
    if reply.body.is_empty() {
        headers.remove("content-length");
        headers.remove("content-type");
        return (headers, Vec::new());
    }
    headers.replace("content-length", reply.body.len().to_string());
    if headers.get("content-type").is_none() {
        headers.add("content-type", "text/plain");
    }
    let head = request.and_then(|headers| headers.get(":method")) == Some(b"HEAD");
    (headers, if head { Vec::new() } else { reply.body.clone() })
}
