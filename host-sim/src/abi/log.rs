//! Logging and the level of it.

use super::{host_calls, memory};
use crate::state::HostState;
use crate::status::{LogLevel, Status};
use wasmtime::Linker;

pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_calls! { linker:
        proxy_log(cx, level: u32, ptr: u32, len: u32) log(cx, level, ptr, len);
        proxy_get_log_level(cx, level_ptr: u32) {
            let level = cx.data().env.log_level as u32;
            memory::write_u32(cx, level_ptr, level)
        };
    }
    Ok(())
}

fn log(cx: &mut super::Cx<'_>, level: u32, ptr: u32, len: u32) -> super::Reply {
    let level = LogLevel::from_number(level).ok_or(Status::BadArgument)?;
    let (guest, state) = memory::split(cx)?;
    let message = memory::slice(guest, ptr, len)?;
    write(state, level, message);
    Ok(())
}

/// Writes a line if the level asks for it.
pub(crate) fn write(state: &HostState, level: LogLevel, message: &[u8]) {
    if level >= state.env.log_level {
        state.env.log.guest(level, message, state.worker);
    }
}
