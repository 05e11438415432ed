//! What a plugin is to be, before it is.

use crate::clock::{Clock, VirtualClock};
use crate::entropy::Entropy;
use crate::environment::{Clusters, Environment, FailPolicy, ForeignFunction, HttpHandler};
use crate::error::Error;
use crate::http_call::{HttpCall, HttpResponse};
use crate::limits::Limits;
use crate::logbook::{LogBook, LogLine, Sink};
use crate::module::Module;
use crate::plugin::Plugin;
use crate::shared::Shared;
use crate::status::{LogLevel, Status};
use crate::value::Value;
use crate::worker::{Worker, WorkerCell};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex};

pub(crate) enum Source {
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
    http: Option<HttpHandler>,
    foreign: BTreeMap<String, ForeignFunction>,
    env_vars: Vec<(String, String)>,
    properties: Value,
}

impl fmt::Debug for PluginBuilder {
    /// The settings that have a text. Bytes and environment variables may hold secrets, and closures print nothing.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PluginBuilder")
            .field("name", &self.name)
            .field("root_id", &self.root_id)
            .field("vm_id", &self.vm_id)
            .field("workers", &self.workers)
            .field("like_envoy", &self.like_envoy)
            .field("count_fuel", &self.count_fuel)
            .field("limits", &self.limits)
            .field("entropy", &self.entropy)
            .field("log_level", &self.log_level)
            .field("fail_policy", &self.fail_policy)
            .field("clusters", &self.clusters)
            .finish_non_exhaustive()
    }
}

impl PluginBuilder {
    pub(crate) fn new(source: Source) -> Self {
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
            clusters: self.clusters.map_or(Clusters::Any, Clusters::NameMap),
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
        Ok(Plugin::new(module, env, workers, main))
    }
}
