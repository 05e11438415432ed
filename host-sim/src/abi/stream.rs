//! Streams: continue, close, answer locally; contexts; the status of a call.

use super::{Cx, Reply, host_calls, memory};
use crate::half::Direction;
use crate::pairs;
use crate::state::{self, Deferred, HostState};
use crate::status::Status;
use wasmtime::Linker;

const REQUEST: u32 = 0;
const RESPONSE: u32 = 1;
const DOWNSTREAM: u32 = 2;
const UPSTREAM: u32 = 3;
/// gRPC's codes go to 16; the SDKs send -1 for none.
const MAX_GRPC_STATUS: u32 = 16;

pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_calls! { linker:
        proxy_continue_stream(cx, kind: u32) continue_stream(cx, kind);
        proxy_continue_request(cx) continue_stream(cx, REQUEST);
        proxy_continue_response(cx) continue_stream(cx, RESPONSE);
        proxy_close_stream(cx, kind: u32) close_stream(cx, kind);
        proxy_send_local_response(
            cx, status: u32, details: u32, details_len: u32, body: u32, body_len: u32,
            headers: u32, headers_len: u32, grpc_status: u32
        ) send_local_response(
            cx, status, (details, details_len), (body, body_len), (headers, headers_len), grpc_status
        );
        proxy_clear_route_cache(cx) { clear_route_cache(cx.data_mut()); Ok(()) };
        proxy_set_effective_context(cx, id: u32) {
            let state = cx.data_mut();
            if state.contexts.contains_key(&id) {
                state.effective = id;
                Ok(())
            } else {
                Err(Status::BadArgument.into())
            }
        };
        proxy_done(cx) done(cx);
        proxy_get_status(cx, code_ptr: u32, ptr_ptr: u32, size_ptr: u32) {
            let (code, message) = cx.data().call_status;
            memory::write_u32(cx, code_ptr, code)
                .and_then(|()| memory::give(cx, message.as_bytes(), ptr_ptr, size_ptr))
        };
    }
    Ok(())
}

pub(crate) fn clear_route_cache(state: &mut HostState) {
    if let Some(stream) = state.stream_mut() {
        stream.route_cache_cleared += 1;
    }
}

fn continue_stream(cx: &mut Cx<'_>, kind: u32) -> Reply {
    let state = cx.data_mut();
    let id = state.context_id();
    let direction = match kind {
        REQUEST => Direction::Request,
        RESPONSE => Direction::Response,
        DOWNSTREAM => {
            state.unsupported("proxy_continue_stream for TCP");
            return Ok(());
        }
        UPSTREAM => return Err(Status::Unimplemented.into()),
        _ => return Err(Status::BadArgument.into()),
    };
    // Envoy closes the request's headers to the guest at once and goes on after the callback.
    if let Some(stream) = state.stream_mut() {
        stream.request.close_views();
        state.actions.push_back(Deferred::Continue(id, direction));
    }
    Ok(())
}

fn close_stream(cx: &mut Cx<'_>, kind: u32) -> Reply {
    let state = cx.data_mut();
    let id = state.context_id();
    let direction = match kind {
        REQUEST => Direction::Request,
        RESPONSE => Direction::Response,
        DOWNSTREAM | UPSTREAM => {
            state.unsupported("proxy_close_stream for TCP");
            return Ok(());
        }
        _ => return Err(Status::BadArgument.into()),
    };
    if state.stream().is_some() {
        state.actions.push_back(Deferred::Close(id, direction));
    }
    Ok(())
}

fn send_local_response(
    cx: &mut Cx<'_>,
    status: u32,
    details: (u32, u32),
    body: (u32, u32),
    headers: (u32, u32),
    grpc_status: u32,
) -> Reply {
    let (guest, state) = memory::split(cx)?;
    let details = memory::slice(guest, details.0, details.1)?;
    let body = memory::slice(guest, body.0, body.1)?.to_vec();
    let headers = pairs::decode(memory::slice(guest, headers.0, headers.1)?);
    let details = String::from_utf8_lossy(details).split_whitespace().collect::<Vec<_>>().join("_");
    let grpc_status = (grpc_status <= MAX_GRPC_STATUS).then_some(grpc_status);
    let reply = state::Reply { status, details, body, headers, grpc_status };
    let id = state.context_id();
    if state.stream().is_some() {
        state.actions.push_back(Deferred::LocalReply(id, reply));
    }
    state.stop_iteration = true;
    Ok(())
}

fn done(cx: &mut Cx<'_>) -> Reply {
    let state = cx.data_mut();
    let id = state.context_id();
    let root = state.root_of_mut(id).filter(|root| root.pending_done);
    let root = root.ok_or(Status::NotFound)?;
    root.pending_done = false;
    state.actions.push_back(Deferred::Done(id));
    Ok(())
}
