//! Streams through a VM: which callback comes when, and what its answer does to the stream.

use crate::context::{Context, LocalReplyState, StreamContext};
use crate::environment::FailPolicy;
use crate::half::{DataStatus, Direction, Half, Stopped};
use crate::headers::HeaderMap;
use crate::http_call::HttpResponse;
use crate::state::Reply;
use crate::status::Status;
use crate::value::Value;
use crate::vm::HeadersCallback;
use crate::worker::Worker;

/// What the guest answered, or why it was not asked.
enum Answer {
    /// It has no such callback, or the VM is gone and the policy is to go on without.
    Skip,
    /// The callback's result and whether a local reply overrides it.
    Result(u32, bool),
    /// The VM failed and the stream was answered for that.
    Failed,
}

impl Worker {
    pub(crate) fn stream(&self, id: u32) -> Option<&StreamContext> {
        self.state().stream_of(id).or_else(|| self.orphans.get(&id).map(|stream| &**stream))
    }

    pub(crate) fn stream_mut(&mut self, id: u32) -> Option<&mut StreamContext> {
        if self.orphans.contains_key(&id) {
            return self.orphans.get_mut(&id).map(|stream| &mut **stream);
        }
        self.state_mut().stream_of_mut(id)
    }

    /// A new stream of the current root context. The guest hears of it with its headers.
    pub(crate) fn open_stream(&mut self, properties: Value) -> u32 {
        self.reload_if_due();
        let now = self.env.clock.now_nanos();
        let root = self.root;
        let stream = Box::new(StreamContext::new(root, properties, now));
        if let Some(root) = self.state_mut().root_of_mut(root) {
            root.streams += 1;
        }
        self.state_mut().new_context(Context::Stream(stream))
    }

    pub(crate) fn headers(&mut self, id: u32, direction: Direction, map: HeaderMap, end: bool) {
        let count = count(map.len());
        let Some(stream) = self.stream_mut(id) else {
            return;
        };
        if stream.reset {
            return;
        }
        let half = stream.half_mut(direction);
        half.headers = Some(map);
        half.headers_open = true;
        half.ended = end;
        if direction == Direction::Request {
            self.create(id);
        }
        let (name, callback) = match direction {
            Direction::Request => {
                ("proxy_on_request_headers", self.vm.exports.request_headers.clone())
            }
            Direction::Response => {
                ("proxy_on_response_headers", self.vm.exports.response_headers.clone())
            }
        };
        let answer = self.ask(id, direction, |worker| match &callback {
            HeadersCallback::Missing => None,
            HeadersCallback::WithoutEnd(call) => Some(worker.vm.call(name, id, call, (id, count))),
            HeadersCallback::WithEnd(call) => {
                Some(worker.vm.call(name, id, call, (id, count, u32::from(end))))
            }
        });
        let Some(half) = self.stream_mut(id).map(|stream| stream.half_mut(direction)) else {
            return;
        };
        match answer {
            // 2 is ContinueAndEndStream, which Envoy takes for Continue here.
            Answer::Skip | Answer::Result(0 | 2, false) => {
                half.headers_open = false;
                half.pass_headers();
            }
            Answer::Result(..) => half.stopped = Stopped::Headers,
            Answer::Failed => {}
        }
    }

    pub(crate) fn body(&mut self, id: u32, direction: Direction, data: Vec<u8>, end: bool) {
        let Some(stream) = self.stream_mut(id) else {
            return;
        };
        if stream.reset {
            return;
        }
        let half = stream.half_mut(direction);
        half.ended = end;
        half.body_bytes += data.len() as u64;
        if half.stopped == Stopped::Headers {
            half.held.extend_from_slice(&data);
            return;
        }
        self.show_body(id, direction, data);
    }

    fn show_body(&mut self, id: u32, direction: Direction, data: Vec<u8>) {
        let limit = self.env.limits.body_buffer_bytes;
        let Some(stream) = self.stream_mut(id) else {
            return;
        };
        let half = stream.half_mut(direction);
        if half.buffering && half.chunk.len() + half.held.len() + data.len() > limit {
            return self.too_large(id, direction);
        }
        if half.buffering {
            half.chunk.extend_from_slice(&data);
        } else {
            half.chunk = data;
        }
        half.body_open = true;
        let (size, end) = (count(half.chunk.len()), u32::from(half.ended));
        let (name, callback) = match direction {
            Direction::Request => ("proxy_on_request_body", self.vm.exports.request_body.clone()),
            Direction::Response => {
                ("proxy_on_response_body", self.vm.exports.response_body.clone())
            }
        };
        let answer = self.ask(id, direction, |worker| {
            callback.as_ref().map(|call| worker.vm.call(name, id, call, (id, size, end)))
        });
        let Some(half) = self.stream_mut(id).map(|stream| stream.half_mut(direction)) else {
            return;
        };
        let status = match answer {
            Answer::Skip => DataStatus::Continue,
            Answer::Result(result, stop) => DataStatus::from_result(result, stop),
            Answer::Failed => return,
        };
        half.buffering = status == DataStatus::Buffer;
        match status {
            DataStatus::Continue => return half.pass_body(),
            DataStatus::Buffer => {}
            DataStatus::Watermark => half.held.append(&mut half.chunk),
            DataStatus::NoBuffer => half.chunk.clear(),
        }
        half.stopped = Stopped::Body;
        if half.chunk.len() + half.held.len() > limit {
            self.too_large(id, direction);
        }
    }

    pub(crate) fn trailers(&mut self, id: u32, direction: Direction, map: HeaderMap) {
        let count = count(map.len());
        let Some(stream) = self.stream_mut(id) else {
            return;
        };
        if stream.reset {
            return;
        }
        let half = stream.half_mut(direction);
        if half.stopped == Stopped::Headers {
            half.queued_trailers = Some(map);
            return;
        }
        half.trailers = Some(map);
        half.trailers_open = true;
        let (name, callback) = match direction {
            Direction::Request => {
                ("proxy_on_request_trailers", self.vm.exports.request_trailers.clone())
            }
            Direction::Response => {
                ("proxy_on_response_trailers", self.vm.exports.response_trailers.clone())
            }
        };
        let answer = self.ask(id, direction, |worker| {
            callback.as_ref().map(|call| worker.vm.call(name, id, call, (id, count)))
        });
        let Some(half) = self.stream_mut(id).map(|stream| stream.half_mut(direction)) else {
            return;
        };
        match answer {
            Answer::Skip | Answer::Result(0, false) => half.pass_trailers(),
            Answer::Result(..) => half.stopped = Stopped::Trailers,
            Answer::Failed => {}
        }
    }

    /// Calls the guest unless the VM has failed, and looks after the stream if it fails now.
    fn ask(
        &mut self,
        id: u32,
        direction: Direction,
        call: impl FnOnce(&mut Self) -> Option<Result<u32, crate::Error>>,
    ) -> Answer {
        if !self.alive(id) {
            return self.fail(id);
        }
        // A stream that was answered because the VM failed is not shown to it again, nor is a
        // response without a request.
        let told = self.stream(id).is_some_and(|stream| stream.created && !stream.failed);
        if !told && direction == Direction::Response {
            return Answer::Skip;
        }
        let Some(result) = call(self) else {
            return Answer::Skip;
        };
        let stop = self.state().stop_iteration;
        match result {
            Ok(result) => {
                self.settle();
                Answer::Result(result, stop)
            }
            Err(_) => {
                self.state_mut().actions.clear();
                self.state_mut().stop_iteration = false;
                self.fail(id)
            }
        }
    }

    fn alive(&self, id: u32) -> bool {
        self.vm.failed.is_none() && !self.orphans.contains_key(&id)
    }

    /// The failure policy, for a stream whose VM is gone.
    fn fail(&mut self, id: u32) -> Answer {
        let policy = self.env.fail_policy;
        let Some(stream) = self.stream_mut(id) else {
            return Answer::Failed;
        };
        let first = !stream.failed || stream.local_reply.is_none();
        stream.failed = true;
        if policy == FailPolicy::FailOpen {
            return Answer::Skip;
        }
        if first {
            let details = "wasm_fail_stream".to_owned();
            self.local_reply(id, Reply { status: 503, details, ..Reply::default() });
        }
        Answer::Failed
    }

    /// Tells the guest about a stream, once.
    fn create(&mut self, id: u32) {
        if !self.alive(id) {
            return;
        }
        let Some(stream) = self.stream_mut(id) else {
            return;
        };
        if std::mem::replace(&mut stream.created, true) {
            return;
        }
        let root = stream.root;
        if let Some(create) = self.vm.exports.context_create.clone() {
            let _ = self.vm.call("proxy_on_context_create", id, &create, (id, root));
            self.settle();
        }
    }

    fn too_large(&mut self, id: u32, direction: Direction) {
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

    /// `proxy_continue_stream`: what was stopped goes on.
    pub(crate) fn resume(&mut self, id: u32, direction: Direction) {
        let Some(stream) = self.stream_mut(id) else {
            return;
        };
        stream.request.close_views();
        if stream.local_reply.is_some() && direction == Direction::Request {
            return;
        }
        let half = stream.half_mut(direction);
        match half.stopped {
            Stopped::No => return,
            Stopped::Body => half.pass_body(),
            Stopped::Trailers => half.pass_trailers(),
            Stopped::Headers => {
                half.pass_headers();
                let held = std::mem::take(&mut half.held);
                let trailers = half.queued_trailers.take();
                let more = !held.is_empty();
                if more {
                    self.show_body(id, direction, held);
                }
                if let Some(trailers) = trailers {
                    self.trailers(id, direction, trailers);
                }
            }
        }
        if let Some(stream) = self.stream(id) {
            stream.wake();
        }
    }

    /// `proxy_close_stream`: the stream is reset.
    pub(crate) fn close(&mut self, id: u32, _direction: Direction) {
        if let Some(stream) = self.stream_mut(id) {
            stream.reset = true;
            stream.wake();
        }
    }

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

    /// `proxy_on_http_call_response`. No response is a reset.
    pub(crate) fn answer_call(&mut self, token: u32, response: Option<HttpResponse>) -> bool {
        let Some(pending) = self.state_mut().calls.remove(&token) else {
            return false;
        };
        let root = pending.root;
        if let Some(callback) = self.vm.exports.http_call_response.clone() {
            let mut params = (root, token, 0, 0, 0);
            let state = self.state_mut();
            match response {
                Some(response) => {
                    params.2 = count(response.headers.len());
                    params.3 = count(response.body.len());
                    params.4 = count(response.trailers.as_ref().map_or(0, HeaderMap::len));
                    state.call_response = Some((root, response));
                }
                None => state.call_status = (Status::BrokenConnection as u32, "reset"),
            }
            let _ = self.vm.call("proxy_on_http_call_response", root, &callback, params);
            // Actions come last: what was asked for must still find the streams as they were.
            self.settle();
            self.state_mut().call_response = None;
            self.state_mut().call_status.1 = "";
        }
        true
    }

    /// The end of a stream: `proxy_on_log`, `proxy_on_done`, `proxy_on_delete`, in this order.
    pub(crate) fn finish(&mut self, id: u32) -> Option<Box<StreamContext>> {
        let now = self.env.clock.now_nanos();
        if let Some(orphan) = self.orphans.remove(&id) {
            return Some(orphan);
        }
        // Envoy logs streams whose headers the filter never saw.
        self.create(id);
        let stream = self.stream_mut(id)?;
        stream.end_nanos = Some(now);
        stream.logging = true;
        let root = stream.root;
        if let Some(log) = self.vm.exports.log.clone() {
            let _ = self.vm.call("proxy_on_log", id, &log, id);
            self.settle();
        }
        if let Some(stream) = self.stream_mut(id) {
            stream.logging = false;
        }
        if let Some(done) = self.vm.exports.done.clone() {
            let _ = self.vm.call("proxy_on_done", id, &done, id);
            self.settle();
        }
        if let Some(delete) = self.vm.exports.delete.clone() {
            let _ = self.vm.call("proxy_on_delete", id, &delete, id);
            self.settle();
        }
        let context = self.state_mut().contexts.remove(&id);
        if let Some(root) = self.state_mut().root_of_mut(root) {
            root.streams = root.streams.saturating_sub(1);
        }
        self.retire_if_idle(root);
        match context? {
            Context::Stream(stream) => Some(stream),
            Context::Root(_) => None,
        }
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

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
