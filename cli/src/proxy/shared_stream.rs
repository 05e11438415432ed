//! The filter's stream of one request, shared by the bodies of both directions.

use super::calls::Calls;
use super::fields::Pairs;
use serin_host_sim::{Action, HeaderMap, Stream, Value};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::Notify;

/// Bits of Envoy's `response.flags`: the upstream timed out, could not be reached, ended its response early.
pub(super) const TIMED_OUT: i64 = 1 << 2;
pub(super) const UNREACHABLE: i64 = 1 << 5;
pub(super) const BROKEN: i64 = 1 << 6;

/// A direction: to the upstream, or down to the client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    Up,
    Down,
}

/// The filter's stream, shared by the bodies of both directions. It ends when the last clone is dropped.
#[derive(Clone)]
pub(super) struct SharedStream {
    stream: Arc<Mutex<Stream>>,
    progress: Arc<Notify>,
    calls: Calls,
}

impl SharedStream {
    pub(super) fn new(mut stream: Stream, calls: Calls) -> Self {
        let progress = Arc::new(Notify::new());
        let wake = Arc::clone(&progress);
        // Wake both directions if they wait, and store a permit for one that is about to wait.
        stream.on_progress(move || {
            wake.notify_waiters();
            wake.notify_one();
        });
        Self { stream: Arc::new(Mutex::new(stream)), progress, calls }
    }

    /// Runs `work` on the locked stream.
    pub(super) fn with<T>(&self, work: impl FnOnce(&mut Stream) -> T) -> T {
        work(&mut self.stream.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Runs a callback of the filter, and sends the calls that it dispatches.
    fn step(&self, work: impl FnOnce(&mut Stream) -> Action) -> Action {
        let action = self.with(work);
        self.calls.dispatch();
        action
    }

    pub(super) fn headers(&self, way: Way, pairs: Pairs, end: bool) -> Action {
        self.step(|stream| match way {
            Way::Up => stream.send_request_headers(pairs, end),
            Way::Down => stream.send_response_headers(pairs, end),
        })
    }

    pub(super) fn body(&self, way: Way, data: Vec<u8>, end: bool) -> Action {
        self.step(|stream| match way {
            Way::Up => stream.send_request_body(data, end),
            Way::Down => stream.send_response_body(data, end),
        })
    }

    pub(super) fn trailers(&self, way: Way, pairs: Pairs) -> Action {
        self.step(|stream| match way {
            Way::Up => stream.send_request_trailers(pairs),
            Way::Down => stream.send_response_trailers(pairs),
        })
    }

    pub(super) fn take_body(&self, way: Way) -> Vec<u8> {
        self.with(|stream| match way {
            Way::Up => stream.take_request_body(),
            Way::Down => stream.take_response_body(),
        })
    }

    pub(super) fn trailers_sent(&self, way: Way) -> Option<HeaderMap> {
        self.with(|stream| match way {
            Way::Up => stream.request_trailers(),
            Way::Down => stream.response_trailers(),
        })
    }

    /// Sets the reason of an incomplete response, for the filter's log callback.
    pub(super) fn failed_by(&self, flags: i64) {
        self.with(|stream| stream.set_property(&["response", "flags"], Value::Int(flags)));
    }

    /// Waits while the filter pauses the stream, and returns its next action.
    pub(super) async fn settled(&self, way: Way, mut action: Action) -> Action {
        while action == Action::Pause {
            self.progress.notified().await;
            action = self.with(|stream| match way {
                Way::Up => stream.request_action(),
                Way::Down => stream.response_action(),
            });
        }
        action
    }
}
