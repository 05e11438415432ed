//! A configured filter on one or more workers.

use crate::clock::{Clock, VirtualClock};
use crate::entropy::Entropy;
use crate::environment::{Clusters, Environment, FailPolicy};
use crate::error::Error;
use crate::http_call::{HttpCall, HttpCallId, HttpResponse};
use crate::limits::Limits;
use crate::logbook::{LogBook, LogLine, Sink};
use crate::metrics::Metrics;
use crate::module::Module;
use crate::shared::{Shared, lock};
use crate::stats::Stats;
use crate::status::{LogLevel, Status};
use crate::stream::{Stream, StreamInfo};
use crate::value::Value;
use crate::worker::{Worker, WorkerCell};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// Events that one call may set off: queues that fill queues, answers that make calls.
const MAX_EVENTS: usize = 10_000;

/// A filter that runs. Cloning gives another handle to the same one.
#[derive(Clone)]
pub struct Plugin {
    inner: Arc<Inner>,
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
        let worker = lock(self.inner.worker(0));
        let exports = &worker.vm.exports;
        exports.request_body.is_some() || exports.request_trailers.is_some()
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

    /// When [`Plugin::tick`] has something to do next, in nanoseconds since 1970.
    pub fn next_due_nanos(&self) -> Option<u64> {
        self.inner.cells().filter_map(|cell| lock(cell).next_due()).min()
    }

    /// Lets virtual time pass, stopping at every tick and timeout on the way. Returns how many ticks
    /// ran; with a clock that cannot be moved only what is due now runs.
    pub fn advance(&self, by: Duration) -> usize {
        let clock = &self.inner.env.clock;
        let nanos = u64::try_from(by.as_nanos()).unwrap_or(u64::MAX);
        let end = clock.now_nanos().saturating_add(nanos);
        let mut ran = 0;
        // A guest cannot keep this going for ever: a period is at least a millisecond.
        while let Some(due) = self.next_due_nanos().filter(|due| *due <= end) {
            let wait = due.saturating_sub(clock.now_nanos());
            if !clock.advance(Duration::from_nanos(wait)) {
                break;
            }
            ran += self.tick();
        }
        let rest = end.saturating_sub(clock.now_nanos());
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

enum Source {
    Bytes(Vec<u8>),
    Module(Module),
}

/// What a plugin is to be.
///
/// By default there is one worker, a virtual clock, seeded entropy, and HTTP calls may go to any
/// cluster.
#[must_use]
pub struct PluginBuilder {
    source: Source,
    configuration: Vec<u8>,
    vm_configuration: Vec<u8>,
    name: String,
    root_id: String,
    vm_id: String,
    workers: usize,
    like_envoy: bool,
    count_fuel: bool,
    limits: Limits,
    clock: Arc<dyn Clock>,
    entropy: Entropy,
    shared: Shared,
    log_level: LogLevel,
    log_sink: Option<Sink>,
    fail_policy: FailPolicy,
    clusters: Option<BTreeSet<String>>,
    http: Option<crate::environment::HttpHandler>,
    foreign: BTreeMap<String, crate::environment::ForeignFunction>,
    env_vars: Vec<(String, String)>,
    properties: Value,
}

impl PluginBuilder {
    fn new(source: Source) -> Self {
        Self {
            source,
            configuration: Vec::new(),
            vm_configuration: Vec::new(),
            name: String::new(),
            root_id: String::new(),
            vm_id: String::new(),
            workers: 1,
            like_envoy: false,
            count_fuel: false,
            limits: Limits::default(),
            clock: Arc::new(VirtualClock::default()),
            entropy: Entropy::Seeded(0),
            shared: Shared::new(),
            log_level: LogLevel::Info,
            log_sink: None,
            fail_policy: FailPolicy::default(),
            clusters: None,
            http: None,
            foreign: BTreeMap::new(),
            env_vars: Vec::new(),
            properties: Value::Map(BTreeMap::new()),
        }
    }

    /// The plugin's configuration, which `proxy_on_configure` reads.
    pub fn configuration(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.configuration = bytes.into();
        self
    }

    /// The VM's configuration, which `proxy_on_vm_start` reads.
    pub fn vm_configuration(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.vm_configuration = bytes.into();
        self
    }

    /// The plugin's name.
    pub fn name(mut self, name: &str) -> Self {
        name.clone_into(&mut self.name);
        self
    }

    /// Which of several filters in one module this is.
    pub fn root_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.root_id);
        self
    }

    /// The name under which VMs share data.
    pub fn vm_id(mut self, id: &str) -> Self {
        id.clone_into(&mut self.vm_id);
        self
    }

    /// How many worker VMs there are; at least one.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers.max(1);
        self
    }

    /// As many VMs as Envoy has: one per worker, one for the main thread, which ticks but has no
    /// streams, and one that tries the configuration and is thrown away.
    pub fn like_envoy(mut self, workers: usize) -> Self {
        self.like_envoy = true;
        self.workers(workers)
    }

    /// Counts fuel; has no effect on a module that is compiled already.
    pub fn count_fuel(mut self) -> Self {
        self.count_fuel = true;
        self
    }

    /// How far the guest may go.
    pub fn limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    /// Where the guest reads the time.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Where the guest's randomness comes from.
    pub fn entropy(mut self, entropy: Entropy) -> Self {
        self.entropy = entropy;
        self
    }

    /// The process the plugin runs in.
    pub fn shared(mut self, shared: &Shared) -> Self {
        self.shared = shared.clone();
        self
    }

    /// The level below which nothing is logged, and which `proxy_get_log_level` says.
    pub fn log_level(mut self, level: LogLevel) -> Self {
        self.log_level = level;
        self
    }

    /// Called with every line that is logged.
    pub fn on_log(mut self, sink: impl Fn(&LogLine) + Send + Sync + 'static) -> Self {
        self.log_sink = Some(Box::new(sink));
        self
    }

    /// What happens to streams when the guest traps.
    pub fn fail_policy(mut self, policy: FailPolicy) -> Self {
        self.fail_policy = policy;
        self
    }

    /// Names an upstream that HTTP calls may go to. Calls to others are refused from then on.
    pub fn cluster(mut self, name: &str) -> Self {
        self.clusters.get_or_insert_default().insert(name.to_owned());
        self
    }

    /// Refuses HTTP calls to clusters that are not named.
    pub fn no_other_clusters(mut self) -> Self {
        self.clusters.get_or_insert_default();
        self
    }

    /// Answers HTTP calls at once, after the callback that makes them. `None` leaves a call open
    /// until its timeout; without a handler calls wait for [`Plugin::respond`].
    pub fn on_http_call(
        mut self,
        handler: impl Fn(&HttpCall) -> Option<HttpResponse> + Send + Sync + 'static,
    ) -> Self {
        self.http = Some(Box::new(handler));
        self
    }

    /// Offers a function that the guest can call by name.
    pub fn foreign_function(
        mut self,
        name: &str,
        function: impl Fn(&[u8]) -> Result<Vec<u8>, Status> + Send + Sync + 'static,
    ) -> Self {
        self.foreign.insert(name.to_owned(), Box::new(function));
        self
    }

    /// Sets an environment variable of the guest.
    pub fn env_var(mut self, name: &str, value: &str) -> Self {
        self.env_vars.push((name.to_owned(), value.to_owned()));
        self
    }

    /// A property that every context sees, such as `["node", "id"]`.
    pub fn property(mut self, path: &[&str], value: impl Into<Value>) -> Self {
        self.properties.insert(path, value.into());
        self
    }

    /// Compiles, starts and configures.
    pub fn build(self) -> Result<Plugin, Error> {
        let module = match self.source {
            Source::Module(module) => module,
            Source::Bytes(bytes) if self.count_fuel => Module::compile_counting_fuel(bytes)?,
            Source::Bytes(bytes) => Module::compile(bytes)?,
        };
        let log = LogBook::new(self.limits.log_lines, self.limits.log_line_bytes, self.log_sink);
        for warning in &module.0.warnings {
            log.host(LogLevel::Warn, warning.clone(), 0);
        }
        let env = Arc::new(Environment {
            name: self.name,
            root_id: self.root_id,
            vm_id: self.vm_id,
            vm_configuration: self.vm_configuration.into(),
            limits: self.limits,
            clock: self.clock,
            entropy: self.entropy,
            shared: self.shared,
            log,
            log_level: self.log_level,
            fail_policy: self.fail_policy,
            clusters: self.clusters.map_or(Clusters::Any, Clusters::Named),
            http: self.http,
            foreign: self.foreign,
            env_vars: self.env_vars,
            properties: self.properties,
        });
        let configuration: Arc<[u8]> = self.configuration.into();
        let start = |index| -> Result<Arc<WorkerCell>, Error> {
            let worker = Worker::start(index, &module, &env, Arc::clone(&configuration))?;
            let id = worker.id();
            let cell = Arc::new(Mutex::new(worker));
            env.shared.add_worker(id, &cell);
            Ok(cell)
        };
        if self.like_envoy {
            start(self.workers + 1)?;
        }
        let workers = (0..self.workers).map(start).collect::<Result<Vec<_>, _>>()?;
        let main = if self.like_envoy { Some(start(self.workers)?) } else { None };
        let inner = Inner { module, env, workers, main, next: AtomicUsize::new(0) };
        let plugin = Plugin { inner: Arc::new(inner) };
        plugin.inner.settle();
        Ok(plugin)
    }
}
