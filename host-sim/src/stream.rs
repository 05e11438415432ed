//! A stream as its driver sees it: send in what the client and the upstream send, look at what comes
//! out.

use crate::action::{self, Action};
use crate::context::StreamContext;
use crate::half::Direction;
use crate::headers::HeaderMap;
use crate::plugin::Inner;
use crate::shared::lock;
use crate::stats::Stats;
use crate::stream_info::StreamInfo;
use crate::value::Value;
use std::fmt;
use std::sync::Arc;

/// One request and its response on their way through a guest.
///
/// Dropping it ends it, as [`Stream::finish`] does.
pub struct Stream {
    plugin: Arc<Inner>,
    worker: usize,
    id: u32,
    finished: Option<Box<StreamContext>>,
    over: bool,
}

impl fmt::Debug for Stream {
    /// What the driver knows, so that printing waits for no callback.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stream")
            .field("id", &self.id)
            .field("worker", &self.worker)
            .field("over", &self.over)
            .finish_non_exhaustive()
    }
}

impl Stream {
    pub(crate) fn new(plugin: Arc<Inner>, worker: usize, id: u32) -> Self {
        Self { plugin, worker, id, finished: None, over: false }
    }

    /// The context id the guest knows the stream by.
    pub fn id(&self) -> u32 {
        self.id
    }

    /// The worker it runs on.
    pub fn worker(&self) -> usize {
        self.worker
    }

    /// Sends in the request's headers, pseudo-headers included.
    pub fn send_request_headers<K, V>(
        &mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
        end_of_stream: bool,
    ) -> Action
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let map = HeaderMap::for_request(pairs);
        self.run(Direction::Request, |worker, id| {
            worker.headers(id, Direction::Request, map, end_of_stream);
        })
    }

    /// Sends in a part of the request's body.
    pub fn send_request_body(&mut self, data: impl Into<Vec<u8>>, end_of_stream: bool) -> Action {
        let data = data.into();
        self.run(Direction::Request, |worker, id| {
            worker.body(id, Direction::Request, data, end_of_stream);
        })
    }

    /// Sends in the request's trailers, which end it.
    pub fn send_request_trailers<K, V>(&mut self, pairs: impl IntoIterator<Item = (K, V)>) -> Action
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let map = pairs.into_iter().collect();
        self.run(Direction::Request, |worker, id| worker.trailers(id, Direction::Request, map))
    }

    /// Sends in the response's headers, `:status` included.
    pub fn send_response_headers<K, V>(
        &mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
        end_of_stream: bool,
    ) -> Action
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let map = pairs.into_iter().collect();
        self.run(Direction::Response, |worker, id| {
            worker.headers(id, Direction::Response, map, end_of_stream);
        })
    }

    /// Sends in a part of the response's body.
    pub fn send_response_body(&mut self, data: impl Into<Vec<u8>>, end_of_stream: bool) -> Action {
        let data = data.into();
        self.run(Direction::Response, |worker, id| {
            worker.body(id, Direction::Response, data, end_of_stream);
        })
    }

    /// Sends in the response's trailers, which end it.
    pub fn send_response_trailers<K, V>(
        &mut self,
        pairs: impl IntoIterator<Item = (K, V)>,
    ) -> Action
    where
        K: AsRef<[u8]>,
        V: AsRef<[u8]>,
    {
        let map = pairs.into_iter().collect();
        self.run(Direction::Response, |worker, id| worker.trailers(id, Direction::Response, map))
    }

    fn run(
        &mut self,
        direction: Direction,
        step: impl FnOnce(&mut crate::worker::Worker, u32),
    ) -> Action {
        if !self.over {
            let mut worker = lock(self.plugin.worker(self.worker));
            step(&mut worker, self.id);
            drop(worker);
            self.plugin.settle();
        }
        self.read(|stream| action::of(stream, direction)).unwrap_or(Action::Reset)
    }

    /// What has become of the request by now; an HTTP call's answer may have let it go on.
    pub fn request_action(&self) -> Action {
        self.read(|stream| action::of(stream, Direction::Request)).unwrap_or(Action::Reset)
    }

    /// What has become of the response by now.
    pub fn response_action(&self) -> Action {
        self.read(|stream| action::of(stream, Direction::Response)).unwrap_or(Action::Reset)
    }

    /// The request's headers as they are now.
    pub fn request_headers(&self) -> HeaderMap {
        self.read(|stream| stream.request.headers.clone()).flatten().unwrap_or_default()
    }

    /// The response's headers as they are now.
    pub fn response_headers(&self) -> HeaderMap {
        self.read(|stream| stream.response.headers.clone()).flatten().unwrap_or_default()
    }

    /// The request's trailers, if they went on.
    pub fn request_trailers(&self) -> Option<HeaderMap> {
        self.read(|stream| passed_trailers(&stream.request)).flatten()
    }

    /// The response's trailers, if they went on.
    pub fn response_trailers(&self) -> Option<HeaderMap> {
        self.read(|stream| passed_trailers(&stream.response)).flatten()
    }

    /// Takes the bytes of the request's body that have gone on since the last time.
    pub fn take_request_body(&mut self) -> Vec<u8> {
        self.change(|stream| std::mem::take(&mut stream.request.out)).unwrap_or_default()
    }

    /// Takes the bytes of the response's body that have gone on since the last time.
    pub fn take_response_body(&mut self) -> Vec<u8> {
        self.change(|stream| std::mem::take(&mut stream.response.out)).unwrap_or_default()
    }

    /// Whether the whole request went on.
    pub fn request_complete(&self) -> bool {
        self.read(|stream| stream.request.end_sent).unwrap_or(true)
    }

    /// Whether the whole response went on.
    pub fn response_complete(&self) -> bool {
        self.read(|stream| stream.response.end_sent).unwrap_or(true)
    }

    /// Filter state that the guest wrote with `proxy_set_property`; an access log reads it as
    /// `%FILTER_STATE(wasm.NAME:PLAIN)%`.
    pub fn filter_state(&self, name: impl AsRef<[u8]>) -> Option<Vec<u8>> {
        self.read(|stream| stream.filter_state.get(name.as_ref()).cloned()).flatten()
    }

    /// Sets or changes a property from now on, as the host learns more: the chosen cluster, say.
    pub fn set_property(&mut self, path: &[&str], value: impl Into<Value>) {
        let value = value.into();
        self.change(|stream| Arc::make_mut(&mut stream.properties).insert(path, value));
    }

    /// How often the guest made Envoy choose the route anew.
    pub fn route_cache_cleared(&self) -> u64 {
        self.read(|stream| stream.route_cache_cleared).unwrap_or(0)
    }

    /// Whether the VM failed on or under this stream.
    pub fn failed(&self) -> bool {
        self.read(|stream| stream.failed).unwrap_or(true)
    }

    /// What the stream cost until now.
    pub fn stats(&self) -> Stats {
        self.read(|stream| stream.stats.clone()).unwrap_or_default()
    }

    /// Calls this when the stream moves on outside of its own calls. It must not call the stream.
    pub fn on_progress(&mut self, waker: impl Fn() + Send + 'static) {
        self.change(|stream| stream.waker = Some(Box::new(waker)));
    }

    /// Follows an internal redirect, as Envoy's router does: this stream ends without a response to the client, and a
    /// new one begins on the same worker, with the same properties and with the filter state that the guest has
    /// declared for the whole request (the foreign function `declare_property`).
    #[must_use]
    pub fn redirect(&mut self) -> Stream {
        self.finish();
        let properties = self.read(|stream| Arc::clone(&stream.properties));
        let properties = properties.unwrap_or_else(|| StreamInfo::new().into_properties());
        let carried = self.read(|stream| {
            let of_request =
                |(name, _): &(&Vec<u8>, &Vec<u8>)| stream.request_state.contains(*name);
            let states = stream.filter_state.iter().filter(of_request);
            states.map(|(name, value)| (name.clone(), value.clone())).collect::<Vec<_>>()
        });
        let mut worker = lock(self.plugin.worker(self.worker));
        let id = worker.open_stream(properties);
        if let Some(stream) = worker.stream_mut(id) {
            for (name, value) in carried.unwrap_or_default() {
                stream.filter_state_bytes += name.len() + value.len();
                stream.request_state.insert(name.clone());
                stream.filter_state.insert(name, value);
            }
        }
        drop(worker);
        Stream::new(Arc::clone(&self.plugin), self.worker, id)
    }

    /// Ends the stream: `proxy_on_log`, `proxy_on_done`, `proxy_on_delete`. What it left can still
    /// be read.
    pub fn finish(&mut self) {
        if std::mem::replace(&mut self.over, true) {
            return;
        }
        self.finished = lock(self.plugin.worker(self.worker)).finish(self.id);
        self.plugin.settle();
    }

    fn read<T>(&self, read: impl FnOnce(&StreamContext) -> T) -> Option<T> {
        if let Some(stream) = &self.finished {
            return Some(read(stream));
        }
        lock(self.plugin.worker(self.worker)).stream(self.id).map(read)
    }

    fn change<T>(&mut self, change: impl FnOnce(&mut StreamContext) -> T) -> Option<T> {
        if let Some(stream) = &mut self.finished {
            return Some(change(stream));
        }
        lock(self.plugin.worker(self.worker)).stream_mut(self.id).map(change)
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.finish();
    }
}

fn passed_trailers(half: &crate::half::Half) -> Option<HeaderMap> {
    half.trailers.clone().filter(|_| half.end_sent)
}
