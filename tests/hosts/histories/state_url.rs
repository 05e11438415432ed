//! The service behind the state URL and the webhook: it keeps the latches that proxies send, and answers well, badly,
//! late or never.

use serin_core::gate::Latches;
use serin_host_sim::{Clock, HttpCall, HttpCallId, HttpResponse, VirtualClock};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How long the lease of the VM that judges lasts at a tick of a second, in ms.
const LEASE_MS: u64 = 4_000;

/// How the service answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    Good,
    Fails,
    Garbage,
    Late(u64),
    Never,
}

/// The service.
#[derive(Clone, Debug)]
pub(crate) struct StateUrl(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    latches: Latches,
    answer: Answer,
}

/// What one process has got from the service.
#[derive(Debug, Default)]
pub(crate) struct Received {
    /// Whether the process has read the latches.
    pub(crate) is_known: bool,
    /// The highest aborted epoch that the process has read.
    pub(crate) abort: Option<u64>,
    /// The uptime of the latest read, answered or not, in ms.
    pub(crate) read_at: Option<u64>,
    /// The VM of the latest read.
    reader: Option<usize>,
    /// Two VMs that have read within less time than a lease, and that time, in ms.
    pub(crate) overlap: Option<(usize, usize, u64)>,
    /// Answers on their way, each with the uptime at which it arrives, in ms.
    pub(crate) late: Vec<LateAnswer>,
}

/// An answer on its way.
#[derive(Debug)]
pub(crate) struct LateAnswer {
    pub(crate) call: HttpCallId,
    pub(crate) at: u64,
    /// The latches in it; `None` for the answer to a record.
    pub(crate) latches: Option<Latches>,
}

impl Received {
    fn note_read(&mut self, vm: usize, now: u64) {
        let elapsed = self.read_at.replace(now).map_or(u64::MAX, |at| now.saturating_sub(at));
        if let Some(other) =
            self.reader.replace(vm).filter(|other| *other != vm && elapsed < LEASE_MS)
        {
            self.overlap.get_or_insert((other, vm, elapsed));
        }
    }

    /// Takes latches over that the process has read.
    pub(crate) fn learn(&mut self, latches: &Latches) {
        self.is_known = true;
        let abort = latches.get("web").and_then(|latch| latch.abort.as_ref());
        self.abort = self.abort.max(abort.map(|abort| abort.epoch));
    }
}

impl StateUrl {
    pub(crate) fn new() -> StateUrl {
        let state = State { latches: Latches::default(), answer: Answer::Good };
        StateUrl(Arc::new(Mutex::new(state)))
    }

    pub(crate) fn set_answer(&self, answer: Answer) {
        lock(&self.0).answer = answer;
    }

    pub(crate) fn answer(&self) -> Answer {
        lock(&self.0).answer
    }

    /// The highest aborted epoch that the service knows.
    pub(crate) fn abort(&self) -> Option<u64> {
        let state = lock(&self.0);
        state.latches.get("web")?.abort.as_ref().map(|abort| abort.epoch)
    }

    /// Ends the first step of an epoch, as another host does.
    pub(crate) fn end_first_step(&self, epoch: u64, at: u64) {
        lock(&self.0).latches.update("web", |latch| {
            latch.raise_epoch(epoch);
            if latch.epoch == epoch {
                latch.end_step(0, at);
            }
        });
    }

    /// Answers a call of a process; `None` if the answer comes later or never.
    pub(crate) fn handle(
        &self,
        call: &HttpCall,
        received: &Mutex<Received>,
        clock: &VirtualClock,
    ) -> Option<HttpResponse> {
        let mut state = lock(&self.0);
        let mut received = lock(received);
        let now = clock.uptime_nanos() / 1_000_000;
        let is_read = call.body.is_empty();
        if is_read {
            received.note_read(call.id.worker(), now);
        }
        if !is_read
            && matches!(state.answer, Answer::Good | Answer::Late(_))
            && let Some(sent) = Latches::from_json(&call.body)
        {
            state.latches.merge(&sent);
        }
        match state.answer {
            Answer::Good if is_read => {
                received.learn(&state.latches);
                Some(document(&state.latches))
            }
            Answer::Good => Some(HttpResponse::new(204)),
            Answer::Garbage if is_read => Some(HttpResponse::new(200).body("<html>")),
            Answer::Garbage | Answer::Fails => Some(HttpResponse::new(503)),
            Answer::Late(ms) => {
                let latches = is_read.then(|| state.latches.clone());
                received.late.push(LateAnswer { call: call.id, at: now + ms, latches });
                None
            }
            Answer::Never => None,
        }
    }
}

/// A response with latches.
pub(crate) fn document(latches: &Latches) -> HttpResponse {
    HttpResponse::new(200).body(latches.to_json())
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
