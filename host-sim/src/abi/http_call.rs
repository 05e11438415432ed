//! HTTP calls to other upstreams. They belong to the root context, whoever makes them.

use super::{Cx, Reply, host_calls, memory};
use crate::headers::HeaderMap;
use crate::http_call::{HttpCall, HttpCallId, PendingCall};
use crate::pairs;
use crate::state::HostState;
use crate::status::Status;
use std::time::Duration;
use wasmtime::Linker;

/// Envoy keeps the low bits of the number for the kind of the call.
const TOKEN_STEP: u32 = 4;

pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_calls! { linker:
        proxy_http_call(
            cx, uri: u32, uri_len: u32, headers: u32, headers_len: u32, body: u32, body_len: u32,
            trailers: u32, trailers_len: u32, timeout: u32, token_ptr: u32
        ) {
            let parts = [(uri, uri_len), (headers, headers_len), (body, body_len),
                (trailers, trailers_len)];
            dispatch(cx, parts, timeout, token_ptr)
        };
    }
    Ok(())
}

fn dispatch(cx: &mut Cx<'_>, parts: [(u32, u32); 4], timeout: u32, token_ptr: u32) -> Reply {
    let (guest, state) = memory::split(cx)?;
    let [uri, headers, body, trailers] = parts;
    let uri = memory::slice(guest, uri.0, uri.1)?;
    let body = memory::slice(guest, body.0, body.1)?.to_vec();
    let headers = pairs::decode(memory::slice(guest, headers.0, headers.1)?);
    let trailers = pairs::decode(memory::slice(guest, trailers.0, trailers.1)?);
    memory::slice(guest, token_ptr, 4)?;
    let cluster = String::from_utf8_lossy(uri).into_owned();
    let mut headers = HeaderMap::for_request(headers);
    let named = [":path", ":method", ":authority"].iter().all(|name| headers.get(name).is_some());
    // The timeout is signed.
    if !state.env.clusters.knows(&cluster) || !named || timeout > i32::MAX as u32 {
        return Err(Status::BadArgument.into());
    }
    if state.calls.len() >= state.env.limits.http_calls {
        return Err(Status::InternalFailure.into());
    }
    if !body.is_empty() {
        headers.replace("content-length", body.len().to_string());
    }
    state.next_call = state.next_call.wrapping_add(TOKEN_STEP);
    let token = state.next_call;
    let timeout = (timeout > 0).then(|| Duration::from_millis(timeout.into()));
    let now = state.env.clock.uptime_nanos();
    let due_nanos = timeout
        .map(|timeout| now.saturating_add(u64::try_from(timeout.as_nanos()).unwrap_or(u64::MAX)));
    let id = HttpCallId { worker: state.worker, token };
    let trailers = trailers.into_iter().collect();
    let call = HttpCall { id, cluster, headers, body, trailers, timeout };
    let root = state.root_id();
    state.calls.insert(token, PendingCall { root, call, due_nanos, taken: false });
    memory::write_u32(cx, token_ptr, token)
}
