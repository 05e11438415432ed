//! How streams begin and end, and how the answers to HTTP calls come in.

use crate::context::{Context, StreamContext};
use crate::exchange::count;
use crate::headers::HeaderMap;
use crate::http_call::HttpResponse;
use crate::status::Status;
use crate::value::Value;
use crate::worker::Worker;
use std::sync::Arc;

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
    pub(crate) fn open_stream(&mut self, properties: Arc<Value>) -> u32 {
        self.reload_if_due();
        let now = self.env.clock.now_nanos();
        let root = self.root;
        let stream = Box::new(StreamContext::new(root, properties, now));
        if let Some(root) = self.state_mut().root_of_mut(root) {
            root.streams += 1;
        }
        self.state_mut().new_context(Context::Stream(stream))
    }

    /// Tells the guest about a stream, once.
    pub(crate) fn create(&mut self, id: u32) {
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
