//! The host's side of proxy-wasm and WASI: one file per family of calls.

mod buffers;
mod foreign;
mod headers;
mod http_call;
mod log;
mod memory;
mod metrics;
mod properties;
mod shared;
mod stream;
mod timers;
mod unsupported;
mod wasi;

use crate::module::Abi;
use crate::state::HostState;
use crate::status::Status;
use wasmtime::{Caller, Linker};

/// What a host call works with.
pub(crate) type Cx<'a> = Caller<'a, HostState>;

/// How a host call ends when it does not end well.
pub(crate) enum Flow {
    /// The guest is told.
    Status(Status),
    /// The guest is stopped.
    Trap(wasmtime::Error),
}

impl From<Status> for Flow {
    fn from(status: Status) -> Self {
        Self::Status(status)
    }
}

impl From<wasmtime::Error> for Flow {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trap(error)
    }
}

pub(crate) type Reply = Result<(), Flow>;

/// Adds every call to the linker.
pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    log::link(linker)?;
    properties::link(linker)?;
    headers::link(linker)?;
    buffers::link(linker)?;
    stream::link(linker)?;
    http_call::link(linker)?;
    shared::link(linker)?;
    metrics::link(linker)?;
    timers::link(linker)?;
    foreign::link(linker)?;
    unsupported::link(linker)?;
    wasi::link(linker, "wasi_snapshot_preview1")?;
    wasi::link(linker, "wasi_unstable")
}

/// Counts the call, and traps it while the guest is only starting, as Envoy does.
pub(crate) fn enter(cx: &mut Cx<'_>, name: &'static str) -> wasmtime::Result<()> {
    let state = cx.data_mut();
    state.stats.count(name);
    if state.starting && name != "proxy_log" {
        return Err(wasmtime::Error::msg(format!(
            "{name} must not be called before the plugin is created"
        )));
    }
    Ok(())
}

/// The number the guest gets.
pub(crate) fn leave(reply: Reply) -> wasmtime::Result<u32> {
    match reply {
        Ok(()) => Ok(Status::Ok as u32),
        Err(Flow::Status(status)) => Ok(status as u32),
        Err(Flow::Trap(error)) => Err(error),
    }
}

/// Links `env` functions. Each is written as `name(cx, arguments) body`.
macro_rules! host_calls {
    ($linker:ident: $($name:ident($cx:ident $(, $arg:ident: $ty:ty)*) $body:expr;)*) => {$(
        $linker.func_wrap(
            "env",
            stringify!($name),
            |mut caller: wasmtime::Caller<'_, crate::state::HostState> $(, $arg: $ty)*|
                -> wasmtime::Result<u32> {
                crate::abi::enter(&mut caller, stringify!($name))?;
                let $cx = &mut caller;
                crate::abi::leave($body)
            },
        )?;
    )*};
}
pub(crate) use host_calls;

/// Calls that Envoy offers to some versions only. Here they work with all of them.
pub(crate) fn missing_in_envoy(module: &str, name: &str, abi: Abi) -> Option<String> {
    if module != "env" {
        return None;
    }
    let offered = match name {
        "proxy_get_configuration"
        | "proxy_continue_request"
        | "proxy_continue_response"
        | "proxy_clear_route_cache" => abi == Abi::V0_1_0,
        "proxy_continue_stream" | "proxy_close_stream" => abi >= Abi::V0_2_0,
        "proxy_get_log_level" => abi >= Abi::V0_2_1,
        _ => true,
    };
    (!offered).then(|| format!("Envoy does not offer {name} to a guest of ABI {abi:?}"))
}
