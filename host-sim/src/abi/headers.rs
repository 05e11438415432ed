//! Header maps: which exist in which phase, and what may be done with them.

use super::{Cx, Flow, Reply, host_calls, memory};
use crate::headers::HeaderMap;
use crate::module::Abi;
use crate::pairs;
use crate::state::HostState;
use crate::status::Status;
use wasmtime::Linker;

const REQUEST_HEADERS: u32 = 0;
const REQUEST_TRAILERS: u32 = 1;
const RESPONSE_HEADERS: u32 = 2;
const RESPONSE_TRAILERS: u32 = 3;
const CALL_HEADERS: u32 = 6;
const CALL_TRAILERS: u32 = 7;
const MAX_MAP: u32 = 7;

pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_calls! { linker:
        proxy_get_header_map_value(cx, map: u32, key: u32, key_len: u32, ptr_ptr: u32, size_ptr: u32)
            get(cx, map, (key, key_len), ptr_ptr, size_ptr);
        proxy_get_header_map_pairs(cx, map: u32, ptr_ptr: u32, size_ptr: u32)
            get_pairs(cx, map, ptr_ptr, size_ptr);
        proxy_get_header_map_size(cx, map: u32, size_ptr: u32) size(cx, map, size_ptr);
        proxy_add_header_map_value(cx, map: u32, key: u32, key_len: u32, value: u32, len: u32)
            change(cx, map, (key, key_len), Some((value, len)), Change::Add);
        proxy_replace_header_map_value(cx, map: u32, key: u32, key_len: u32, value: u32, len: u32)
            change(cx, map, (key, key_len), Some((value, len)), Change::Replace);
        proxy_remove_header_map_value(cx, map: u32, key: u32, key_len: u32)
            change(cx, map, (key, key_len), None, Change::Remove);
        proxy_set_header_map_pairs(cx, map: u32, ptr: u32, len: u32) set_pairs(cx, map, ptr, len);
    }
    Ok(())
}

/// A map the guest may read now.
fn readable(state: &HostState, map: u32) -> Option<&HeaderMap> {
    match map {
        CALL_HEADERS => return Some(&state.call_response()?.headers),
        CALL_TRAILERS => return state.call_response()?.trailers.as_ref(),
        _ => {}
    }
    let stream = state.stream()?;
    let (request, response) = (&stream.request, &stream.response);
    if stream.logging {
        return match map {
            REQUEST_HEADERS => request.headers.as_ref(),
            RESPONSE_HEADERS => response.headers.as_ref(),
            RESPONSE_TRAILERS => response.trailers.as_ref(),
            _ => None,
        };
    }
    match map {
        REQUEST_HEADERS => request.headers.as_ref().filter(|_| request.headers_open),
        REQUEST_TRAILERS => request.trailers.as_ref().filter(|_| request.trailers_open),
        RESPONSE_HEADERS => response.headers.as_ref().filter(|_| response.headers_open),
        RESPONSE_TRAILERS => response.trailers.as_ref().filter(|_| response.trailers_open),
        _ => None,
    }
}

/// A map the guest may change now.
fn writable(state: &mut HostState, map: u32) -> Option<&mut HeaderMap> {
    let stream = state.stream_mut()?;
    let (request, response) = (&mut stream.request, &mut stream.response);
    match map {
        REQUEST_HEADERS if request.headers_open => request.headers.as_mut(),
        REQUEST_TRAILERS => request.trailers_mut(),
        RESPONSE_HEADERS if response.headers_open => response.headers.as_mut(),
        RESPONSE_TRAILERS => response.trailers_mut(),
        _ => None,
    }
}

fn known(map: u32) -> Result<(), Flow> {
    if map > MAX_MAP { Err(Status::BadArgument.into()) } else { Ok(()) }
}

fn get(cx: &mut Cx<'_>, map: u32, key: (u32, u32), ptr_ptr: u32, size_ptr: u32) -> Reply {
    known(map)?;
    let (guest, state) = memory::split(cx)?;
    let key = memory::slice(guest, key.0, key.1)?;
    // ABI 0.1.0 gets an empty value where later ones are told that there is none.
    let missing = match state.abi {
        Abi::V0_1_0 => Ok(Vec::new()),
        Abi::V0_2_0 | Abi::V0_2_1 => Err(Status::NotFound),
    };
    let value = match readable(state, map) {
        Some(map) => map.get(key).map_or(missing, |value| Ok(value.to_vec()))?,
        None if state.stream().is_some_and(|stream| stream.logging) => missing?,
        None => return Err(Status::BadArgument.into()),
    };
    memory::give(cx, &value, ptr_ptr, size_ptr)
}

/// A map that is not there now has no pairs, and that is no error in Envoy.
fn get_pairs(cx: &mut Cx<'_>, map: u32, ptr_ptr: u32, size_ptr: u32) -> Reply {
    known(map)?;
    let bytes = match readable(cx.data(), map) {
        Some(map) if !map.is_empty() => pairs::encode(map.iter()),
        _ => Vec::new(),
    };
    memory::give(cx, &bytes, ptr_ptr, size_ptr)
}

fn size(cx: &mut Cx<'_>, map: u32, size_ptr: u32) -> Reply {
    known(map)?;
    let size = writable(cx.data_mut(), map).ok_or(Status::BadArgument)?.byte_size();
    memory::write_u32(cx, size_ptr, u32::try_from(size).unwrap_or(u32::MAX))
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Add,
    Replace,
    Remove,
}

fn change(
    cx: &mut Cx<'_>,
    map: u32,
    key: (u32, u32),
    value: Option<(u32, u32)>,
    change: Change,
) -> Reply {
    known(map)?;
    let (guest, state) = memory::split(cx)?;
    let key = memory::slice(guest, key.0, key.1)?;
    let value = match value {
        Some((ptr, len)) => memory::slice(guest, ptr, len)?,
        None => &[],
    };
    let limits = &state.env.limits;
    let (count, bytes) = (limits.header_count, limits.header_bytes);
    let headers = writable(state, map).ok_or(Status::BadArgument)?;
    let more = key.len() + value.len();
    if change != Change::Remove && (headers.len() >= count || headers.byte_size() + more > bytes) {
        return Err(Status::InternalFailure.into());
    }
    match change {
        Change::Add => headers.add(key, value),
        Change::Replace => headers.replace(key, value),
        Change::Remove => headers.remove(key),
    }
    modified(state, map);
    Ok(())
}

fn set_pairs(cx: &mut Cx<'_>, map: u32, ptr: u32, len: u32) -> Reply {
    known(map)?;
    let (guest, state) = memory::split(cx)?;
    let pairs = pairs::decode(memory::slice(guest, ptr, len)?);
    let headers = writable(state, map).ok_or(Status::BadArgument)?;
    headers.clear();
    for (name, value) in pairs {
        headers.add(name, value);
    }
    modified(state, map);
    Ok(())
}

/// Envoy chooses the route anew after any change of the request's headers.
fn modified(state: &mut HostState, map: u32) {
    if map == REQUEST_HEADERS
        && let Some(stream) = state.stream_mut()
    {
        stream.route_cache_cleared += 1;
    }
}
