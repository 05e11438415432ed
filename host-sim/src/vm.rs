//! One instance of a guest: its exports, and calls that always come back.

use crate::context::Context;
use crate::error::{Error, ErrorKind};
use crate::module::{Abi, Compiled, TICK, UnknownImport};
use crate::state::HostState;
use crate::stats::Stats;
use crate::status::LogLevel;
use std::sync::Arc;
use wasmtime::{Instance, Store, Trap, TypedFunc, WasmParams, WasmResults};

/// Unlimited, as far as a single callback can tell.
const FUEL: u64 = u64::MAX / 2;

pub(crate) struct Vm {
    pub(crate) store: Store<HostState>,
    pub(crate) exports: Exports,
    /// Everything since the VM was made.
    pub(crate) total: Stats,
    pub(crate) failed: Option<Error>,
    counts_fuel: bool,
}

/// Shared, since a `TypedFunc` is costly to clone and every callback needs one beside the store.
type Callback<P, R> = Option<Arc<TypedFunc<P, R>>>;

/// The callbacks the guest offers. What it does not offer is skipped.
#[derive(Default)]
pub(crate) struct Exports {
    pub(crate) context_create: Callback<(u32, u32), ()>,
    pub(crate) vm_start: Callback<(u32, u32), u32>,
    pub(crate) configure: Callback<(u32, u32), u32>,
    pub(crate) tick: Callback<u32, ()>,
    pub(crate) done: Callback<u32, u32>,
    pub(crate) log: Callback<u32, ()>,
    pub(crate) delete: Callback<u32, ()>,
    pub(crate) request_headers: HeadersCallback,
    pub(crate) request_body: Callback<(u32, u32, u32), u32>,
    pub(crate) request_trailers: Callback<(u32, u32), u32>,
    pub(crate) response_headers: HeadersCallback,
    pub(crate) response_body: Callback<(u32, u32, u32), u32>,
    pub(crate) response_trailers: Callback<(u32, u32), u32>,
    pub(crate) http_call_response: Callback<(u32, u32, u32, u32, u32), ()>,
    pub(crate) queue_ready: Callback<(u32, u32), ()>,
}

/// 0.1.0 is not told whether the headers are all there is.
#[derive(Clone, Default)]
pub(crate) enum HeadersCallback {
    #[default]
    Missing,
    WithoutEnd(Arc<TypedFunc<(u32, u32), u32>>),
    WithEnd(Arc<TypedFunc<(u32, u32, u32), u32>>),
}

impl Vm {
    /// Makes an instance and runs what runs before any proxy-wasm callback.
    pub(crate) fn start(module: &Arc<Compiled>, state: HostState) -> Result<Self, Error> {
        let mut store = Store::new(module.pre.module().engine(), state);
        store.limiter(|state| &mut state.limiter);
        let mut vm = Self {
            store,
            exports: Exports::default(),
            total: Stats::default(),
            failed: None,
            counts_fuel: module.counts_fuel,
        };
        vm.begin();
        vm.store.data_mut().starting = true;
        let instance = match module.pre.instantiate(&mut vm.store) {
            Ok(instance) => instance,
            Err(error) => return Err(vm.describe("instantiation", &error)),
        };
        let state = vm.store.data_mut();
        state.memory = None;
        let memory = instance
            .get_memory(&mut vm.store, "memory")
            .ok_or_else(|| export("it exports no memory called `memory`".to_owned()))?;
        vm.store.data_mut().memory = Some(memory);
        let malloc = vm.optional(&instance, "malloc")?;
        let malloc = match malloc {
            Some(malloc) => Some(malloc),
            None => vm.optional(&instance, "proxy_on_memory_allocate")?,
        };
        if malloc.is_none() {
            let wanted = "it exports neither malloc nor proxy_on_memory_allocate";
            return Err(export(wanted.to_owned()));
        }
        vm.store.data_mut().malloc = malloc;
        vm.run_start(&instance)?;
        vm.store.data_mut().starting = false;
        vm.exports = vm.find_exports(&instance, module.abi)?;
        Ok(vm)
    }

    fn run_start(&mut self, instance: &Instance) -> Result<(), Error> {
        if let Some(initialize) = self.optional::<(), ()>(instance, "_initialize")? {
            self.command("_initialize", &initialize, ())?;
            if instance.get_func(&mut self.store, "main").is_some() {
                let main = self.optional::<(u32, u32), u32>(instance, "main")?;
                return main.map_or(Ok(()), |main| self.command("main", &main, (0, 0)));
            }
            return Ok(());
        }
        let start = self.optional::<(), ()>(instance, "_start")?;
        start.map_or(Ok(()), |start| self.command("_start", &start, ()))
    }

    /// Runs a start function; leaving with code 0 is a good end for a command.
    fn command<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &'static str,
        function: &TypedFunc<P, R>,
        params: P,
    ) -> Result<(), Error> {
        self.begin();
        match function.call(&mut self.store, params) {
            Ok(_) => Ok(()),
            Err(error) if error.downcast_ref::<Exit>().is_some_and(|exit| exit.0 == 0) => Ok(()),
            Err(error) => Err(self.describe(name, &error)),
        }
    }

    fn find_exports(&mut self, instance: &Instance, abi: Abi) -> Result<Exports, Error> {
        Ok(Exports {
            context_create: self.optional(instance, "proxy_on_context_create")?,
            vm_start: self.optional(instance, "proxy_on_vm_start")?,
            configure: self.optional(instance, "proxy_on_configure")?,
            tick: self.optional(instance, "proxy_on_tick")?,
            done: self.optional(instance, "proxy_on_done")?,
            log: self.optional(instance, "proxy_on_log")?,
            delete: self.optional(instance, "proxy_on_delete")?,
            request_headers: self.headers(instance, "proxy_on_request_headers", abi)?,
            request_body: self.optional(instance, "proxy_on_request_body")?,
            request_trailers: self.optional(instance, "proxy_on_request_trailers")?,
            response_headers: self.headers(instance, "proxy_on_response_headers", abi)?,
            response_body: self.optional(instance, "proxy_on_response_body")?,
            response_trailers: self.optional(instance, "proxy_on_response_trailers")?,
            http_call_response: self.optional(instance, "proxy_on_http_call_response")?,
            queue_ready: self.optional(instance, "proxy_on_queue_ready")?,
        })
    }

    fn headers(
        &mut self,
        instance: &Instance,
        name: &str,
        abi: Abi,
    ) -> Result<HeadersCallback, Error> {
        if abi == Abi::V0_1_0 {
            let found = self.optional(instance, name)?;
            return Ok(found.map_or(HeadersCallback::Missing, HeadersCallback::WithoutEnd));
        }
        let found = self.optional(instance, name)?;
        Ok(found.map_or(HeadersCallback::Missing, HeadersCallback::WithEnd))
    }

    fn optional<P: WasmParams, R: WasmResults>(
        &mut self,
        instance: &Instance,
        name: &str,
    ) -> Result<Callback<P, R>, Error> {
        let Some(function) = instance.get_func(&mut self.store, name) else {
            return Ok(None);
        };
        let typed = function.typed::<P, R>(&self.store);
        typed
            .map(|typed| Some(Arc::new(typed)))
            .map_err(|error| export(format!("its export {name} is wrong: {error}")))
    }

    /// Calls into the guest for a context. After an error the VM is not called again.
    pub(crate) fn call<P: WasmParams, R: WasmResults>(
        &mut self,
        name: &'static str,
        context: u32,
        function: &TypedFunc<P, R>,
        params: P,
    ) -> Result<R, Error> {
        if self.failed.is_some() {
            return Err(Error::new(ErrorKind::Failed));
        }
        self.begin();
        let state = self.store.data_mut();
        (state.current, state.effective) = (context, 0);
        state.stats.clear();
        let result = function.call(&mut self.store, params);
        self.account(context);
        result.map_err(|error| {
            let error = self.describe(name, &error);
            self.store.data().say(LogLevel::Critical, error.to_string());
            self.failed = Some(error.clone());
            error
        })
    }

    /// Sets the deadline and the fuel for what comes next.
    fn begin(&mut self) {
        let deadline = self.store.data().env.limits.call_deadline;
        let ticks = deadline.as_nanos().div_ceil(TICK.as_nanos()) + 1;
        self.store.set_epoch_deadline(u64::try_from(ticks).unwrap_or(u64::MAX / 2));
        if self.counts_fuel {
            // Fails only when fuel is not counted.
            let _ = self.store.set_fuel(FUEL);
        }
        self.store.data_mut().limiter.reached = false;
    }

    fn account(&mut self, context: u32) {
        let left = if self.counts_fuel { self.store.get_fuel().unwrap_or(FUEL) } else { FUEL };
        let state = self.store.data_mut();
        state.stats.spent(FUEL - left.min(FUEL));
        let stats = std::mem::take(&mut state.stats);
        if let Some(Context::Stream(stream)) = state.contexts.get_mut(&context) {
            stream.stats.add(&stats);
        }
        state.stats = stats;
        self.total.add(&state.stats);
    }

    fn describe(&self, callback: &'static str, error: &wasmtime::Error) -> Error {
        let state = self.store.data();
        let limits = &state.env.limits;
        if let Some(unknown) = error.downcast_ref::<UnknownImport>() {
            let UnknownImport { module, name } = unknown.clone();
            return Error::new(ErrorKind::UnknownImport { module, name });
        }
        if matches!(error.downcast_ref::<Trap>(), Some(Trap::Interrupt)) {
            let millis = u64::try_from(limits.call_deadline.as_millis()).unwrap_or(u64::MAX);
            return Error::new(ErrorKind::Deadline { callback, millis });
        }
        let message = error.root_cause().to_string();
        if state.limiter.reached {
            return Error::new(ErrorKind::Memory { callback, limit: limits.memory_bytes, message });
        }
        Error::new(ErrorKind::Trap { callback, message })
    }

    /// Bytes of linear memory.
    pub(crate) fn memory_bytes(&self) -> usize {
        self.store.data().memory.map_or(0, |memory| memory.data_size(&self.store))
    }
}

fn export(message: String) -> Error {
    Error::new(ErrorKind::Export { message })
}

/// The guest called `proc_exit`.
#[derive(Debug)]
pub(crate) struct Exit(pub(crate) u32);

impl std::fmt::Display for Exit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the guest left with exit code {}", self.0)
    }
}

impl std::error::Error for Exit {}
