//! Functions that the embedder offers by name.

use super::{Cx, Reply, host_calls, memory, stream};
use crate::state::HostState;
use crate::status::Status;
use std::sync::Arc;
use wasmtime::Linker;

pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_calls! { linker:
        proxy_call_foreign_function(
            cx, name: u32, name_len: u32, args: u32, args_len: u32, ptr_ptr: u32, size_ptr: u32
        ) call(cx, (name, name_len), (args, args_len), ptr_ptr, size_ptr);
    }
    Ok(())
}

fn call(cx: &mut Cx<'_>, name: (u32, u32), args: (u32, u32), ptr_ptr: u32, size_ptr: u32) -> Reply {
    let (guest, state) = memory::split(cx)?;
    let name = memory::slice(guest, name.0, name.1)?;
    let args = memory::slice(guest, args.0, args.1)?;
    let name = String::from_utf8_lossy(name);
    let env = Arc::clone(&state.env);
    let Some(function) = env.foreign.get(name.as_ref()) else {
        if name == "clear_route_cache" {
            stream::clear_route_cache(state);
            return Ok(());
        }
        let message = format!("unsupported: the foreign function {name}");
        state.say(crate::LogLevel::Warn, message);
        return Err(Status::NotFound.into());
    };
    let result = function(args)?;
    // A guest may say that it does not want the result.
    if ptr_ptr == 0 || size_ptr == 0 {
        return Ok(());
    }
    memory::give(cx, &result, ptr_ptr, size_ptr)
}
