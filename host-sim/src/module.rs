//! A compiled guest: made once, run in as many VMs as wanted.

use crate::abi;
use crate::error::{Error, ErrorKind};
use crate::shared::lock;
use crate::state::HostState;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, Weak};
use std::time::Duration;
use wasmtime::{Config, Engine, ExternType, InstancePre, Linker, OptLevel, RegallocAlgorithm};

/// How often running guests are looked at. Deadlines are as exact as this.
pub(crate) const TICK: Duration = Duration::from_millis(5);

/// The version of proxy-wasm that a guest was built for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Abi {
    /// 0.1.0
    V0_1_0,
    /// 0.2.0
    V0_2_0,
    /// 0.2.1
    V0_2_1,
}

/// A compiled guest. Cloning is cheap; compile once when many plugins run the same filter.
#[derive(Clone)]
pub struct Module(pub(crate) Arc<Compiled>);

pub(crate) struct Compiled {
    pub(crate) pre: InstancePre<HostState>,
    pub(crate) abi: Abi,
    pub(crate) counts_fuel: bool,
    /// Said in the log of every plugin that runs the module.
    pub(crate) warnings: Vec<String>,
    _ticker: Arc<Ticker>,
}

impl Module {
    /// Compiles the bytes of a `.wasm` file.
    pub fn compile(wasm: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::build(wasm.as_ref(), Mode::Optimised)
    }

    /// Compiles without optimisation: in about a third of the time, and what the guest does takes longer. For
    /// runs of few requests.
    pub fn compile_unoptimised(wasm: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::build(wasm.as_ref(), Mode::Unoptimised)
    }

    /// Compiles with fuel counting: slower, but [`Stats::fuel`](crate::Stats::fuel) says exactly
    /// how much work each callback was.
    pub fn compile_counting_fuel(wasm: impl AsRef<[u8]>) -> Result<Self, Error> {
        Self::build(wasm.as_ref(), Mode::CountingFuel)
    }

    /// The proxy-wasm version the guest was built for.
    pub fn abi(&self) -> Abi {
        self.0.abi
    }

    fn build(wasm: &[u8], mode: Mode) -> Result<Self, Error> {
        let engine = mode.engine()?;
        let module = wasmtime::Module::new(engine, wasm).map_err(describe)?;
        let abi = abi_of(&module)?;
        let mut linker = Linker::new(engine);
        abi::link(&mut linker).map_err(describe)?;
        let warnings = link_rest(&mut linker, &module, abi)?;
        let pre = linker.instantiate_pre(&module).map_err(describe)?;
        let counts_fuel = matches!(mode, Mode::CountingFuel);
        let compiled = Compiled { pre, abi, counts_fuel, warnings, _ticker: ticker()? };
        Ok(Self(Arc::new(compiled)))
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module")
            .field("abi", &self.0.abi)
            .field("counts_fuel", &self.0.counts_fuel)
            .field("warnings", &self.0.warnings)
            .finish_non_exhaustive()
    }
}

fn describe(error: wasmtime::Error) -> Error {
    let causes: Vec<String> = error.chain().map(ToString::to_string).collect();
    Error::load(causes.join(": "))
}

fn abi_of(module: &wasmtime::Module) -> Result<Abi, Error> {
    let has = |name: &str| module.get_export(name).is_some();
    if has("proxy_abi_version_0_2_1") {
        return Ok(Abi::V0_2_1);
    }
    if has("proxy_abi_version_0_2_0") {
        return Ok(Abi::V0_2_0);
    }
    if has("proxy_abi_version_0_1_0") {
        return Ok(Abi::V0_1_0);
    }
    Err(Error::new(ErrorKind::Export {
        message: "it exports none of proxy_abi_version_0_1_0, proxy_abi_version_0_2_0 and \
                  proxy_abi_version_0_2_1"
            .to_owned(),
    }))
}

/// Gives every import that no host offers a function that traps with its name.
fn link_rest(
    linker: &mut Linker<HostState>,
    module: &wasmtime::Module,
    abi: Abi,
) -> Result<Vec<String>, Error> {
    let mut warnings = Vec::new();
    for import in module.imports() {
        let (from, name) = (import.module(), import.name());
        if let Some(warning) = abi::missing_in_envoy(from, name, abi) {
            warnings.push(warning);
        }
        let ExternType::Func(ty) = import.ty() else {
            return Err(Error::load(format!("it imports {from}.{name}, which is not a function")));
        };
        let called = UnknownImport { module: from.to_owned(), name: name.to_owned() };
        // Refused for the names that are linked already; those need no stub.
        let stub = linker
            .func_new(from, name, ty, move |_, _, _| Err(wasmtime::Error::new(called.clone())));
        if stub.is_ok() {
            warnings.push(format!("the guest imports {from}.{name}, which no host offers"));
        }
    }
    Ok(warnings)
}

/// The trap of a call that no host offers.
#[derive(Clone, Debug)]
pub(crate) struct UnknownImport {
    pub(crate) module: String,
    pub(crate) name: String,
}

impl fmt::Display for UnknownImport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "no host offers {}.{}", self.module, self.name)
    }
}

impl std::error::Error for UnknownImport {}

/// How a guest is compiled. There is one engine for each mode.
#[derive(Clone, Copy)]
enum Mode {
    Optimised,
    Unoptimised,
    CountingFuel,
}

static ENGINES: [OnceLock<Engine>; 3] = [const { OnceLock::new() }; 3];

impl Mode {
    fn engine(self) -> Result<&'static Engine, Error> {
        let cell = &ENGINES[self as usize];
        if let Some(engine) = cell.get() {
            return Ok(engine);
        }
        let engine = Engine::new(&self.config()).map_err(describe)?;
        Ok(cell.get_or_init(|| engine))
    }

    fn config(self) -> Config {
        let mut config = Config::new();
        config.epoch_interruption(true);
        match self {
            Self::Optimised => {}
            Self::Unoptimised => {
                config.cranelift_opt_level(OptLevel::None);
                config.cranelift_regalloc_algorithm(RegallocAlgorithm::SinglePass);
            }
            Self::CountingFuel => {
                config.consume_fuel(true);
            }
        }
        config
    }
}

/// Keeps the thread alive that lets time pass for running guests.
pub(crate) struct Ticker;

static TICKER: Mutex<Weak<Ticker>> = Mutex::new(Weak::new());

fn ticker() -> Result<Arc<Ticker>, Error> {
    let mut current = lock(&TICKER);
    if let Some(ticker) = current.upgrade() {
        return Ok(ticker);
    }
    let ticker = Arc::new(Ticker);
    let alive = Arc::downgrade(&ticker);
    #[expect(
        clippy::disallowed_methods,
        reason = "a guest's deadline is real time: it bounds loops"
    )]
    let tick = move || {
        while alive.strong_count() > 0 {
            std::thread::sleep(TICK);
            for engine in ENGINES.iter().filter_map(OnceLock::get) {
                engine.increment_epoch();
            }
        }
    };
    std::thread::Builder::new()
        .name("serin-epoch".to_owned())
        .spawn(tick)
        .map_err(|error| Error::load(format!("no thread for deadlines: {error}")))?;
    *current = Arc::downgrade(&ticker);
    Ok(ticker)
}
