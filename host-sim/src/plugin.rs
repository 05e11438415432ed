//! A configured filter on one or more workers.

use crate::builder::{PluginBuilder, Source};
use crate::environment::Environment;
use crate::error::Error;
use crate::http_call::{HttpCall, HttpCallId, HttpResponse};
use crate::logbook::LogLine;
use crate::metrics::Metrics;
use crate::module::Module;
use crate::shared::{Shared, lock};
use crate::stats::Stats;
use crate::stream::Stream;
use crate::stream_info::StreamInfo;
use crate::worker::{Worker, WorkerCell};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// Events that one call may set off: queues that fill queues, answers that make calls.
const MAX_EVENTS: usize = 10_000;

/// A filter that runs. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
}

impl fmt::Debug for Plugin {
    /// What never changes, so that printing waits for no callback.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugin")
            .field("name", &self.inner.env.name)
            .field("module", &self.inner.module)
            .field("workers", &self.inner.workers.len())
            .finish_non_exhaustive()
    }
}

pub(crate) struct Inner {
    module: Module,
    env: Arc<Environment>,
    workers: Vec<Arc<WorkerCell>>,
    /// The VM of Envoy's main thread, which has no streams.
    main: Option<Arc<WorkerCell>>,
    next: AtomicUsize,
}

impl Inner {
    pub(crate) fn worker(&self, index: usize) -> &WorkerCell {
        // Streams know only workers that there are.
        &self.workers[index % self.workers.len()]
    }

    fn cells(&self) -> impl Iterator<Item = &Arc<WorkerCell>> {
        self.workers.iter().chain(self.main.iter())
    }

    /// Delivers what callbacks set off in other contexts: queue events, answers to HTTP calls.
    pub(crate) fn settle(&self) {
        for _ in 0..MAX_EVENTS {
            if let Some((ready, worker)) = self.env.shared.next_event() {
                lock(&worker).queue_ready(ready);
                continue;
            }
            if !self.answer_one() {
                return;
            }
        }
    }

    fn answer_one(&self) -> bool {
        let Some(handler) = &self.env.http else {
            return false;
        };
        let calls = self.cells().flat_map(|cell| untaken(&mut lock(cell), 1)).next();
        let Some(call) = calls else {
            return false;
        };
        if let Some(response) = handler(&call) {
            self.answer(call.id, Some(response));
        }
        true
    }

    fn answer(&self, id: HttpCallId, response: Option<HttpResponse>) -> bool {
        let cell = self.cells().find(|cell| lock(cell).index == id.worker);
        cell.is_some_and(|cell| lock(cell).answer_call(id.token, response))
    }
}

fn untaken(worker: &mut Worker, most: usize) -> Vec<HttpCall> {
    if worker.state().calls.is_empty() {
        return Vec::new();
    }
    let calls = worker.state_mut().calls.values_mut();
    let open = calls.filter(|pending| !pending.taken).take(most);
    open.map(|pending| {
        pending.taken = true;
        pending.call.clone()
    })
    .collect()
}

impl Plugin {
    /// A plugin of the bytes of a `.wasm` file.
    pub fn builder(wasm: impl AsRef<[u8]>) -> PluginBuilder {
        PluginBuilder::new(Source::Bytes(wasm.as_ref().to_vec()))
    }

    /// A plugin of a module that is compiled already.
    pub fn of_module(module: &Module) -> PluginBuilder {
        PluginBuilder::new(Source::Module(module.clone()))
    }

    pub(crate) fn new(
        module: Module,
        env: Arc<Environment>,
        workers: Vec<Arc<WorkerCell>>,
        main: Option<Arc<WorkerCell>>,
    ) -> Self {
        let inner = Inner { module, env, workers, main, next: AtomicUsize::new(0) };
        inner.settle();
        Self { inner: Arc::new(inner) }
    }

    /// A new stream; workers take turns.
    pub fn stream(&self, info: StreamInfo) -> Stream {
        let next = self.inner.next.fetch_add(1, Ordering::Relaxed);
        self.stream_on(next % self.inner.workers.len(), info)
    }

    /// A new stream on a certain worker.
    pub fn stream_on(&self, worker: usize, info: StreamInfo) -> Stream {
        let worker = worker % self.inner.workers.len();
        let id = lock(self.inner.worker(worker)).open_stream(info.into_properties());
        Stream::new(Arc::clone(&self.inner), worker, id)
    }

    /// How many workers there are.
    pub fn workers(&self) -> usize {
        self.inner.workers.len()
    }

    /// Whether the guest looks at requests' bodies. If not, they need not be sent in.
    pub fn sees_request_body(&self) -> bool {
        lock(self.inner.worker(0)).vm.exports.request_body.is_some()
    }

    /// Whether the guest looks at requests' trailers. If not, they need not be sent in.
    pub fn sees_request_trailers(&self) -> bool {
        lock(self.inner.worker(0)).vm.exports.request_trailers.is_some()
    }

    /// Whether the guest looks at responses' bodies. If not, they need not be sent in.
    pub fn sees_response_body(&self) -> bool {
        let worker = lock(self.inner.worker(0));
        let exports = &worker.vm.exports;
        exports.response_body.is_some() || exports.response_trailers.is_some()
    }

    /// Takes a new configuration over as Envoy does: a VM that is thrown away tries it first, so
    /// that a bad one changes nothing. Then every VM gets a new root context; the old one goes with
    /// its last stream.
    pub fn reconfigure(&self, configuration: impl AsRef<[u8]>) -> Result<(), Error> {
        let bytes: Arc<[u8]> = configuration.as_ref().into();
        let canary = self.inner.workers.len() + 1;
        Worker::start(canary, &self.inner.module, &self.inner.env, Arc::clone(&bytes))?;
        for cell in self.inner.cells() {
            lock(cell).reconfigure(Arc::clone(&bytes))?;
        }
        self.inner.settle();
        Ok(())
    }

    /// Calls `proxy_on_configure` again on the root contexts there are. Envoy never does; other
    /// hosts do, and a filter's own care for its last good configuration shows here.
    pub fn reconfigure_in_place(&self, configuration: impl AsRef<[u8]>) -> Result<(), Error> {
        let bytes: Arc<[u8]> = configuration.as_ref().into();
        let mut result = Ok(());
        for cell in self.inner.cells() {
            let one = lock(cell).reconfigure_in_place(Arc::clone(&bytes));
            result = result.and(one);
        }
        self.inner.settle();
        result
    }

    /// Lets a VM fail as a trap does: its streams fail, and what its guest had in memory is lost. `vm` is a
    /// worker's number, or [`Plugin::workers`] for the VM of the main thread. False if there is no such VM.
    pub fn fail_vm(&self, vm: usize) -> bool {
        let cell = self.inner.cells().find(|cell| lock(cell).index == vm);
        if let Some(cell) = cell {
            lock(cell).fail_vm("the embedder let the VM fail");
        }
        cell.is_some()
    }

    /// Starts new VMs in place of those that failed, whatever the policy. Returns how many.
    pub fn restart_failed(&self) -> Result<usize, Error> {
        let mut restarted = 0;
        for cell in self.inner.cells() {
            let mut worker = lock(cell);
            if worker.vm.failed.is_some() {
                worker.restart()?;
                restarted += 1;
            }
        }
        Ok(restarted)
    }

    /// Why a worker's VM failed, if it did.
    pub fn failure(&self) -> Option<Error> {
        self.inner.cells().find_map(|cell| lock(cell).vm.failed.clone())
    }

    /// Runs what is due at the clock's present time: ticks and timeouts of HTTP calls. Returns how
    /// many ticks ran.
    pub fn tick(&self) -> usize {
        let ran = self.inner.cells().map(|cell| lock(cell).run_due()).sum();
        self.inner.settle();
        ran
    }

    /// When [`Plugin::tick`] has something to do next, in nanoseconds of [`Clock::uptime_nanos`](crate::Clock::uptime_nanos).
    pub fn next_due_nanos(&self) -> Option<u64> {
        self.inner.cells().filter_map(|cell| lock(cell).next_due()).min()
    }

    /// Lets virtual time pass, stopping at every tick and timeout on the way. Returns how many ticks
    /// ran; with a clock that cannot be moved only what is due now runs.
    pub fn advance(&self, by: Duration) -> usize {
        let clock = &self.inner.env.clock;
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let end = clock.uptime_nanos().saturating_add(nanos);
        let mut ran = 0;
        // A guest cannot keep this going for ever: a period is at least a millisecond.
        while let Some(due) = self.next_due_nanos().filter(|due| *due <= end) {
            let wait = due.saturating_sub(clock.uptime_nanos());
            if !clock.advance(Duration::from_nanos(wait)) {
                break;
            }
            ran += self.tick();
        }
        let rest = end.saturating_sub(clock.uptime_nanos());
        clock.advance(Duration::from_nanos(rest));
        ran + self.tick()
    }

    /// The HTTP calls dispatched since the last time, for whoever answers them.
    pub fn take_http_calls(&self) -> Vec<HttpCall> {
        self.inner.cells().flat_map(|cell| untaken(&mut lock(cell), usize::MAX)).collect()
    }

    /// Answers an HTTP call. False if it is answered or timed out already.
    pub fn respond(&self, call: HttpCallId, response: HttpResponse) -> bool {
        let known = self.inner.answer(call, Some(response));
        self.inner.settle();
        known
    }

    /// Breaks an HTTP call off: the guest sees no headers and the status "reset".
    pub fn reset(&self, call: HttpCallId) -> bool {
        let known = self.inner.answer(call, None);
        self.inner.settle();
        known
    }

    /// What the guests and the host logged, oldest first.
    pub fn logs(&self) -> Vec<LogLine> {
        self.inner.env.log.lines()
    }

    /// Forgets the log.
    pub fn clear_logs(&self) {
        self.inner.env.log.clear();
    }

    /// The metrics of the process.
    pub fn metrics(&self) -> Metrics {
        self.inner.env.shared.metric_store().snapshot()
    }

    /// The process's shared state.
    pub fn shared(&self) -> &Shared {
        &self.inner.env.shared
    }

    /// The cost of everything, over all workers.
    pub fn stats(&self) -> Stats {
        let mut total = Stats::default();
        for cell in self.inner.cells() {
            total.add(&lock(cell).total());
        }
        total
    }

    /// Bytes of linear memory of one worker's VM.
    pub fn memory_bytes(&self, worker: usize) -> usize {
        lock(self.inner.worker(worker)).vm.memory_bytes()
    }

    /// How often VMs were started again.
    pub fn restarts(&self) -> u64 {
        self.inner.cells().map(|cell| lock(cell).restarts).sum()
    }

    /// Ends the plugin: `proxy_on_done` and `proxy_on_delete` of every root context.
    pub fn shut_down(&self) {
        for cell in self.inner.cells() {
            lock(cell).shut_down();
        }
        self.inner.settle();
    }
}
