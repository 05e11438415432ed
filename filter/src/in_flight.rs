//! The requests of trials whose outcome is to come. An arm that never responds has no outcomes, so a request
//! without a response header counts as failed after a time.

use serin_core::gate::Exposure;

/// The largest number of requests that are watched. Further ones count only when they end.
const MAX_WATCHED: usize = 65_536;
/// The time without progress after which an upload counts as complete, in ms.
const STALL_MS: u64 = 5000;

/// A watched request.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct WatchId(u32);

/// The body of a request, which its client sends at its own pace.
#[derive(Clone, Copy)]
pub(crate) struct Upload {
    /// The host's id of the request's context.
    pub(crate) context: u32,
    /// The length that the client has announced, in bytes.
    pub(crate) content_length: Option<u64>,
}

/// The watched requests of one plan.
#[derive(Default)]
pub(crate) struct InFlight {
    entries: Vec<Entry>,
    /// The indices of unused entries.
    unused: Vec<u32>,
}

struct Entry {
    exposure: Exposure,
    upload: Option<Upload>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Unused,
    /// No tick has passed since the request began.
    New,
    /// The uptime at the first tick after the request began, in ms.
    WaitingSince(u64),
    /// The time is over, but the client may still be sending: the bytes that had arrived at an uptime, in ms.
    Uploading {
        bytes: u64,
        since: u64,
    },
    /// The response header has arrived, or the client is the one that waits.
    Unwatched,
    /// The request has counted as failed.
    TimedOut,
}

impl InFlight {
    /// Watches a request; `None` if too many are watched.
    pub(crate) fn begin(&mut self, exposure: Exposure, upload: Option<Upload>) -> Option<WatchId> {
        let entry = Entry { exposure, upload, state: State::New };
        if let Some(index) = self.unused.pop() {
            *self.entry(WatchId(index))? = entry;
            return Some(WatchId(index));
        }
        let index = u32::try_from(self.entries.len()).ok()?;
        if self.entries.len() >= MAX_WATCHED {
            return None;
        }
        self.entries.push(entry);
        Some(WatchId(index))
    }

    /// Records that a request has a response header.
    pub(crate) fn respond(&mut self, id: WatchId) {
        if let Some(entry) = self.entry(id).filter(|entry| entry.state != State::TimedOut) {
            entry.state = State::Unwatched;
        }
    }

    /// Ends a request. Returns whether it has counted as failed already.
    pub(crate) fn end(&mut self, id: WatchId) -> bool {
        let Some(entry) = self.entry(id) else { return false };
        let has_timed_out = entry.state == State::TimedOut;
        entry.state = State::Unused;
        self.unused.push(id.0);
        has_timed_out
    }

    /// Calls `timed_out` for each request that has been without a response header for the time that `limit`
    /// returns for its exposure, in ms. The time begins at the first tick that finds the request, and ends no
    /// earlier than its upload. `received` returns the bytes that have arrived of a request, with its header.
    pub(crate) fn tick(
        &mut self,
        uptime: u64,
        limit: impl Fn(&Exposure) -> u64,
        received: impl Fn(u32) -> Option<u64>,
        mut timed_out: impl FnMut(&Exposure),
    ) {
        for entry in &mut self.entries {
            let next = entry.next(uptime, &limit, &received);
            if next == State::TimedOut && entry.state != State::TimedOut {
                timed_out(&entry.exposure);
            }
            entry.state = next;
        }
    }

    fn entry(&mut self, id: WatchId) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(id.0).ok()?)
    }
}

impl Entry {
    fn next(
        &self,
        uptime: u64,
        limit: impl Fn(&Exposure) -> u64,
        received: impl Fn(u32) -> Option<u64>,
    ) -> State {
        let is_over = |since: u64, ms: u64| uptime.saturating_sub(since) >= ms;
        let previous = match self.state {
            State::New => return State::WaitingSince(uptime),
            State::WaitingSince(since) if is_over(since, limit(&self.exposure)) => None,
            State::Uploading { bytes, since } if is_over(since, STALL_MS) => Some(bytes),
            state => return state,
        };
        let Some(upload) = self.upload else { return State::TimedOut };
        let Some(bytes) = received(upload.context) else { return State::Unwatched };
        let is_incomplete = upload.content_length.is_some_and(|length| bytes < length);
        if !is_incomplete && previous == Some(bytes) {
            return State::TimedOut;
        }
        State::Uploading { bytes, since: uptime }
    }
}
