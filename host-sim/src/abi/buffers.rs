//! Buffers: bodies, configurations, the body of an HTTP call's answer.

use super::{Cx, Reply, host_calls, memory};
use crate::state::HostState;
use crate::status::Status;
use std::borrow::Cow;
use wasmtime::Linker;

const REQUEST_BODY: u32 = 0;
const RESPONSE_BODY: u32 = 1;
const CALL_BODY: u32 = 4;
const VM_CONFIGURATION: u32 = 6;
const PLUGIN_CONFIGURATION: u32 = 7;
const MAX_BUFFER: u32 = 8;

pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_calls! { linker:
        proxy_get_buffer_bytes(cx, buffer: u32, start: u32, len: u32, ptr_ptr: u32, size_ptr: u32)
            get(cx, buffer, start, len, ptr_ptr, size_ptr);
        proxy_get_buffer_status(cx, buffer: u32, size_ptr: u32, flags_ptr: u32)
            status(cx, buffer, size_ptr, flags_ptr);
        proxy_set_buffer_bytes(cx, buffer: u32, start: u32, len: u32, ptr: u32, size: u32)
            set(cx, buffer, start, len, ptr, size);
        proxy_get_configuration(cx, ptr_ptr: u32, size_ptr: u32) {
            let state = cx.data();
            let bytes = state.configuration.clone();
            let bytes = bytes.unwrap_or_else(|| state.env.vm_configuration.clone());
            memory::give(cx, &bytes, ptr_ptr, size_ptr)
        };
    }
    Ok(())
}

/// A buffer's bytes. Bodies outside of their phase are empty, not missing, as in Envoy.
fn bytes(state: &HostState, buffer: u32) -> Result<Cow<'_, [u8]>, Status> {
    if buffer > MAX_BUFFER {
        return Err(Status::BadArgument);
    }
    let body = |request: bool| {
        let half = state.stream().map(|s| if request { &s.request } else { &s.response });
        half.filter(|half| half.body_open).map_or(&[][..], |half| &half.chunk)
    };
    Ok(match buffer {
        REQUEST_BODY => body(true).into(),
        RESPONSE_BODY => body(false).into(),
        CALL_BODY => Cow::Borrowed(&state.call_response().ok_or(Status::NotFound)?.body[..]),
        VM_CONFIGURATION => Cow::Borrowed(&state.env.vm_configuration[..]),
        PLUGIN_CONFIGURATION => {
            Cow::Borrowed(&state.configuration.as_ref().ok_or(Status::NotFound)?[..])
        }
        // TCP data, gRPC messages and the arguments of foreign calls: never anything here.
        _ => Cow::Borrowed(&[]),
    })
}

fn get(cx: &mut Cx<'_>, buffer: u32, start: u32, len: u32, ptr_ptr: u32, size_ptr: u32) -> Reply {
    let bytes = bytes(cx.data(), buffer)?;
    let start = start as usize;
    let end = start.saturating_add(len as usize).min(bytes.len());
    if start > bytes.len() {
        return Err(Status::BadArgument.into());
    }
    if start == end {
        // Envoy leaves the guest's pointers alone.
        return Ok(());
    }
    let part = bytes.get(start..end).unwrap_or_default().to_vec();
    memory::give(cx, &part, ptr_ptr, size_ptr)
}

fn status(cx: &mut Cx<'_>, buffer: u32, size_ptr: u32, flags_ptr: u32) -> Reply {
    let size = bytes(cx.data(), buffer)?.len();
    memory::write_u32(cx, size_ptr, u32::try_from(size).unwrap_or(u32::MAX))?;
    memory::write_u32(cx, flags_ptr, 0)
}

/// Prepends (0, 0), replaces all (0, at least the size) or appends (at or after the end). Envoy
/// does nothing else.
fn set(cx: &mut Cx<'_>, buffer: u32, start: u32, len: u32, ptr: u32, size: u32) -> Reply {
    bytes(cx.data(), buffer)?;
    let (guest, state) = memory::split(cx)?;
    let data = memory::slice(guest, ptr, size)?;
    let limit = state.env.limits.body_buffer_bytes.saturating_mul(16);
    let stream = state.stream_mut().ok_or(Status::BadArgument)?;
    let half = match buffer {
        REQUEST_BODY => &mut stream.request,
        RESPONSE_BODY => &mut stream.response,
        _ => return Err(Status::BadArgument.into()),
    };
    if !half.body_open {
        return Err(Status::BadArgument.into());
    }
    if half.chunk.len() + data.len() > limit {
        return Err(Status::InternalFailure.into());
    }
    let (start, len) = (start as usize, len as usize);
    match (start, len) {
        (0, 0) => drop(half.chunk.splice(0..0, data.iter().copied())),
        (0, len) if len >= half.chunk.len() => half.chunk = data.to_vec(),
        (start, _) if start > 0 && start >= half.chunk.len() => half.chunk.extend_from_slice(data),
        _ => return Err(Status::BadArgument.into()),
    }
    Ok(())
}
