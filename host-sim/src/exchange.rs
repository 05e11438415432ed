//! Streams through a VM: which callback comes when, and what its answer does to the stream.

use crate::environment::FailPolicy;
use crate::half::{DataStatus, Direction, Stopped};
use crate::headers::HeaderMap;
use crate::state::Reply;
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

    pub(crate) fn alive(&self, id: u32) -> bool {
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
}

pub(crate) fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
