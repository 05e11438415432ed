//! One worker thread's VM: starting, configuring, ticking, failing and starting again.

use crate::context::{Bytes, Context, RootContext, StreamContext};
use crate::environment::Environment;
use crate::error::{Error, ErrorKind};
use crate::module::Module;
use crate::shared::QueueReady;
use crate::state::{Deferred, HostState};
use crate::stats::Stats;
use crate::vm::Vm;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

/// A worker behind its lock. One callback runs at a time, as on one thread of Envoy.
pub(crate) type WorkerCell = Mutex<Worker>;

/// Ticks that one call may catch up on.
const MAX_TICKS: usize = 100_000;
/// Deferred actions after one callback.
const MAX_ACTIONS: usize = 10_000;

pub(crate) struct Worker {
    pub(crate) index: usize,
    pub(crate) id: u64,
    pub(crate) module: Module,
    pub(crate) env: Arc<Environment>,
    pub(crate) vm: Vm,
    /// The root context that new streams belong to.
    pub(crate) root: u32,
    pub(crate) configuration: Bytes,
    /// Streams of VMs that failed.
    pub(crate) orphans: BTreeMap<u32, Box<StreamContext>>,
    pub(crate) failures: u32,
    pub(crate) retry_nanos: Option<u64>,
    pub(crate) restarts: u64,
    pub(crate) past: Stats,
}

impl Worker {
    /// Starts a VM, and the plugin in it.
    pub(crate) fn start(
        index: usize,
        module: &Module,
        env: &Arc<Environment>,
        configuration: Bytes,
    ) -> Result<Self, Error> {
        let id = env.shared.new_worker_id();
        let state = HostState::new(Arc::clone(env), module.abi(), index, id);
        let vm = Vm::start(&module.0, state)?;
        let mut worker = Self {
            index,
            id,
            module: module.clone(),
            env: Arc::clone(env),
            vm,
            root: 0,
            configuration: Arc::clone(&configuration),
            orphans: BTreeMap::new(),
            failures: 0,
            retry_nanos: None,
            restarts: 0,
            past: Stats::default(),
        };
        worker.root = worker.new_root(configuration)?;
        Ok(worker)
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    pub(crate) fn state(&self) -> &HostState {
        self.vm.store.data()
    }

    pub(crate) fn state_mut(&mut self) -> &mut HostState {
        self.vm.store.data_mut()
    }

    /// Creates, starts and configures a root context.
    pub(crate) fn new_root(&mut self, configuration: Bytes) -> Result<u32, Error> {
        let id = self.state_mut().new_context(Context::Root(RootContext::default()));
        let result = self.start_root(id, configuration);
        self.state_mut().configuration = None;
        if result.is_err() {
            self.state_mut().contexts.remove(&id);
        }
        result.map(|()| id)
    }

    fn start_root(&mut self, id: u32, configuration: Bytes) -> Result<(), Error> {
        let before = self.env.log.mark();
        self.state_mut().configuration = Some(Arc::clone(&configuration));
        if let Some(create) = self.vm.exports.context_create.clone() {
            self.vm.call("proxy_on_context_create", id, &create, (id, 0))?;
            self.settle();
        }
        self.state_mut().configuration = None;
        if let Some(start) = self.vm.exports.vm_start.clone() {
            let size = length(&self.env.vm_configuration);
            let accepted = self.vm.call("proxy_on_vm_start", id, &start, (id, size))?;
            self.settle();
            if accepted == 0 {
                return Err(Error::new(ErrorKind::StartRefused { log: self.said_since(before) }));
            }
        }
        self.configure_root(id, configuration)
    }

    /// Calls `proxy_on_configure` of a root context.
    pub(crate) fn configure_root(&mut self, id: u32, configuration: Bytes) -> Result<(), Error> {
        let Some(configure) = self.vm.exports.configure.clone() else {
            return Ok(());
        };
        let before = self.env.log.mark();
        let size = length(&configuration);
        self.state_mut().configuration = Some(configuration);
        let result = self.vm.call("proxy_on_configure", id, &configure, (id, size));
        self.settle();
        self.state_mut().configuration = None;
        if result? == 0 {
            return Err(Error::new(ErrorKind::ConfigurationRefused {
                log: self.said_since(before),
            }));
        }
        Ok(())
    }

    /// What the guest logged since a mark.
    fn said_since(&self, mark: usize) -> Vec<String> {
        let lines = self.env.log.since(mark).into_iter();
        let said = lines.filter(|line| !line.by_host && line.worker == self.index);
        said.map(|line| line.message).collect()
    }

    /// Takes a new configuration over, as Envoy does: a new root context in the same VM. The old one
    /// goes when its last stream has gone.
    pub(crate) fn reconfigure(&mut self, configuration: Bytes) -> Result<(), Error> {
        if self.vm.failed.is_some() {
            self.configuration = configuration;
            return self.restart();
        }
        let old = self.root;
        self.root = self.new_root(Arc::clone(&configuration))?;
        self.configuration = configuration;
        if let Some(root) = self.state_mut().root_of_mut(old) {
            root.draining = true;
        }
        self.retire_if_idle(old);
        Ok(())
    }

    /// Calls `proxy_on_configure` again on the same root context.
    pub(crate) fn reconfigure_in_place(&mut self, configuration: Bytes) -> Result<(), Error> {
        let root = self.root;
        self.configure_root(root, Arc::clone(&configuration))?;
        self.configuration = configuration;
        Ok(())
    }

    /// Ends a draining root without streams: `proxy_on_done`, then `proxy_on_delete`.
    pub(crate) fn retire_if_idle(&mut self, id: u32) {
        let root = self.state_mut().root_of_mut(id);
        if !root.is_some_and(|root| root.draining && root.streams == 0 && !root.pending_done) {
            return;
        }
        let mut done = true;
        if let Some(on_done) = self.vm.exports.done.clone() {
            done = self.vm.call("proxy_on_done", id, &on_done, id).unwrap_or(1) != 0;
            if !done && let Some(root) = self.state_mut().root_of_mut(id) {
                root.pending_done = true;
            }
            self.settle();
        }
        if done {
            self.delete_context(id);
        }
    }

    pub(crate) fn delete_context(&mut self, id: u32) {
        if let Some(delete) = self.vm.exports.delete.clone() {
            // A trap is kept in the VM and reported there.
            let _ = self.vm.call("proxy_on_delete", id, &delete, id);
            self.settle();
        }
        self.state_mut().contexts.remove(&id);
        self.state_mut().calls.retain(|_, pending| pending.root != id);
    }

    /// Ends the plugin: every root is asked to finish.
    pub(crate) fn shut_down(&mut self) {
        let roots: Vec<u32> = self.state().contexts.keys().copied().collect();
        for id in roots {
            if let Some(root) = self.state_mut().root_of_mut(id) {
                root.draining = true;
            }
            self.retire_if_idle(id);
        }
    }

    /// Does what the guest asked for during the callback that has just returned.
    pub(crate) fn settle(&mut self) {
        self.state_mut().stop_iteration = false;
        for _ in 0..MAX_ACTIONS {
            let Some(action) = self.state_mut().actions.pop_front() else {
                return;
            };
            match action {
                Deferred::Continue(id, direction) => self.resume(id, direction),
                Deferred::Close(id, direction) => self.close(id, direction),
                Deferred::LocalReply(id, reply) => self.local_reply(id, reply),
                Deferred::Done(id) => self.delete_context(id),
            }
        }
        self.state_mut().actions.clear();
    }

    /// The time of the next tick of any root.
    pub(crate) fn next_due(&self) -> Option<u64> {
        let state = self.state();
        let ticks = state.contexts.values().filter_map(|context| match context {
            Context::Root(root) => root.tick.map(|tick| tick.due_nanos),
            Context::Stream(_) => None,
        });
        let calls = state.calls.values().filter_map(|call| call.due_nanos);
        if self.vm.failed.is_some() {
            return None;
        }
        ticks.chain(calls).min()
    }

    /// Runs the ticks that are due and times out HTTP calls. Returns how many ticks ran.
    pub(crate) fn run_due(&mut self) -> usize {
        let now = self.env.clock.uptime_nanos();
        let mut ran = 0;
        for call in self.timed_out_calls(now) {
            self.answer_call(call, Some(crate::http_call::HttpResponse::timed_out()));
        }
        let due: Vec<u32> = self
            .state()
            .contexts
            .iter()
            .filter_map(|(id, context)| match context {
                Context::Root(root) => root.tick.filter(|tick| tick.due_nanos <= now).map(|_| *id),
                Context::Stream(_) => None,
            })
            .collect();
        for id in due.into_iter().take(MAX_TICKS) {
            ran += usize::from(self.tick(id, now));
        }
        ran
    }

    fn timed_out_calls(&self, now: u64) -> Vec<u32> {
        let calls = self.state().calls.iter();
        let late = calls.filter(|(_, call)| call.due_nanos.is_some_and(|due| due <= now));
        late.map(|(token, _)| *token).collect()
    }

    fn tick(&mut self, id: u32, now: u64) -> bool {
        if self.vm.failed.is_some() {
            return false;
        }
        if let Some(on_tick) = self.vm.exports.tick.clone() {
            let _ = self.vm.call("proxy_on_tick", id, &on_tick, id);
            self.settle();
        }
        // The timer is armed again after the callback, with the period it may have set.
        if let Some(tick) = self.state_mut().root_of_mut(id).and_then(|root| root.tick.as_mut()) {
            tick.due_nanos = now.saturating_add(tick.period_nanos);
        }
        true
    }

    pub(crate) fn queue_ready(&mut self, ready: QueueReady) {
        let known = self.state().contexts.contains_key(&ready.root);
        if let Some(on_ready) = self.vm.exports.queue_ready.clone().filter(|_| known) {
            let params = (ready.root, ready.token);
            let _ = self.vm.call("proxy_on_queue_ready", ready.root, &on_ready, params);
            self.settle();
        }
    }

    /// Everything the worker did, over all its VMs.
    pub(crate) fn total(&self) -> Stats {
        let mut total = self.past.clone();
        total.add(&self.vm.total);
        total
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        self.env.shared.remove_worker(self.id);
    }
}

fn length(bytes: &[u8]) -> u32 {
    u32::try_from(bytes.len()).unwrap_or(u32::MAX)
}
