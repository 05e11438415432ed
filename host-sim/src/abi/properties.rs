//! Properties: what Envoy's attributes say about a stream, and the filter state a guest writes.

use super::{Cx, Reply, host_calls, memory};
use crate::context::StreamContext;
use crate::headers::HeaderMap;
use crate::state::HostState;
use crate::status::Status;
use crate::value::Value;
use std::collections::BTreeMap;
use std::time::Duration;
use wasmtime::Linker;

/// Filter state that guests write has this prefix for everybody else.
pub(crate) const PREFIX: &str = "wasm.";

pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_calls! { linker:
        proxy_get_property(cx, path: u32, len: u32, ptr_ptr: u32, size_ptr: u32)
            get(cx, (path, len), ptr_ptr, size_ptr);
        proxy_set_property(cx, path: u32, path_len: u32, value: u32, len: u32)
            set(cx, (path, path_len), (value, len));
    }
    Ok(())
}

fn get(cx: &mut Cx<'_>, path: (u32, u32), ptr_ptr: u32, size_ptr: u32) -> Reply {
    let (guest, state) = memory::split(cx)?;
    let path = memory::slice(guest, path.0, path.1)?;
    let value = resolve(state, path)?;
    memory::give(cx, &value, ptr_ptr, size_ptr)
}

fn set(cx: &mut Cx<'_>, path: (u32, u32), value: (u32, u32)) -> Reply {
    let (guest, state) = memory::split(cx)?;
    let path = memory::slice(guest, path.0, path.1)?;
    let value = memory::slice(guest, value.0, value.1)?;
    let limit = state.env.limits.filter_state_bytes;
    let root = state.root_id();
    let is_declared = state.root_of_mut(root).is_some_and(|root| root.request_state.contains(path));
    let stream = state.stream_mut().ok_or(Status::NotFound)?;
    let old = stream.filter_state.get(path).map_or(0, |old| old.len() + path.len());
    let bytes = stream.filter_state_bytes - old + path.len() + value.len();
    if bytes > limit {
        return Err(Status::InternalFailure.into());
    }
    stream.filter_state_bytes = bytes;
    if is_declared {
        stream.request_state.insert(path.to_vec());
    }
    stream.filter_state.insert(path.to_vec(), value.to_vec());
    Ok(())
}

/// The bytes at a path of parts separated by zeros.
fn resolve(state: &HostState, path: &[u8]) -> Result<Vec<u8>, Status> {
    let path = path.strip_suffix(b"\0").unwrap_or(path);
    let text = std::str::from_utf8(path).map_err(|_| Status::NotFound)?;
    let parts: Vec<&str> = text.split('\0').collect();
    let stream = state.stream();
    if let Some(value) = stream.and_then(|stream| walk(&stream.properties, &parts)) {
        return value.to_bytes();
    }
    if let Some(value) = walk(&state.env.properties, &parts) {
        return value.to_bytes();
    }
    if let Some(value) = built_in(state, &parts) {
        return value.to_bytes();
    }
    let Some(stream) = stream else {
        return Err(Status::NotFound);
    };
    match parts.as_slice() {
        ["filter_state", key] => {
            let key = key.strip_prefix(PREFIX).ok_or(Status::NotFound)?;
            stream.filter_state.get(key.as_bytes()).cloned().ok_or(Status::NotFound)
        }
        [name] => stream.filter_state.get(name.as_bytes()).cloned().ok_or(Status::NotFound),
        _ => Err(Status::NotFound),
    }
}

fn walk<'a>(root: &'a Value, parts: &[&str]) -> Option<&'a Value> {
    parts.iter().try_fold(root, |value, part| value.field(part))
}

/// What the simulator knows by itself.
fn built_in(state: &HostState, parts: &[&str]) -> Option<Value> {
    let env = &state.env;
    match parts {
        ["plugin_name"] => return Some(env.name.as_str().into()),
        ["plugin_root_id"] => return Some(env.root_id.as_str().into()),
        ["plugin_vm_id"] => return Some(env.vm_id.as_str().into()),
        _ => {}
    }
    let stream = state.stream()?;
    match parts {
        ["request", rest @ ..] => request(stream, rest),
        ["response", rest @ ..] => response(stream, rest),
        ["connection", "mtls"] => Some(Value::Bool(false)),
        _ => None,
    }
}

fn request(stream: &StreamContext, parts: &[&str]) -> Option<Value> {
    let half = &stream.request;
    match parts {
        ["time"] => return Some(Value::Timestamp(stream.start_nanos)),
        ["protocol"] => return Some("HTTP/1.1".into()),
        ["size"] => {
            return Some(Value::Int(i64::try_from(half.body_bytes).unwrap_or(i64::MAX)));
        }
        ["total_size"] => {
            let headers = half.headers.as_ref().map_or(0, HeaderMap::byte_size) as u64;
            return Some(Value::Int(i64::try_from(half.body_bytes + headers).unwrap_or(i64::MAX)));
        }
        // Known when the request is over, which a filter sees in its log callback.
        ["duration"] => {
            let nanos = stream.end_nanos?.saturating_sub(stream.start_nanos);
            return Some(Value::Duration(Duration::from_nanos(nanos)));
        }
        _ => {}
    }
    let headers = half.headers.as_ref().filter(|_| half.headers_open || stream.logging)?;
    let text = |name: &str| headers.get(name).map(Value::from);
    let path = || headers.get(":path").unwrap_or_default();
    match parts {
        ["path"] => text(":path"),
        ["url_path"] => {
            let path = path();
            let end = path.iter().position(|byte| matches!(byte, b'?' | b'#'));
            Some(path[..end.unwrap_or(path.len())].into())
        }
        ["query"] => {
            let path = path();
            let start = path.iter().position(|byte| *byte == b'?').map_or(path.len(), |at| at + 1);
            let query = path[start..].split(|byte| *byte == b'#').next().unwrap_or_default();
            Some(query.into())
        }
        ["host"] => text(":authority"),
        ["method"] => text(":method"),
        ["scheme"] => text(":scheme"),
        ["referer"] => text("referer"),
        ["useragent"] => text("user-agent"),
        ["id"] => text("x-request-id"),
        ["headers"] => Some(whole(headers)),
        ["headers", name] => joined(headers, name),
        _ => None,
    }
}

fn response(stream: &StreamContext, parts: &[&str]) -> Option<Value> {
    let half = &stream.response;
    let over = half.headers_sent || stream.logging;
    match parts {
        ["code"] => {
            let code = half.headers.as_ref().filter(|_| over)?.get_str(":status")?.parse().ok()?;
            return Some(Value::Int(code));
        }
        ["code_details"] => {
            let details = stream.local_reply.as_ref().map(|reply| reply.details.as_str());
            return Some(details.unwrap_or("via_upstream").into()).filter(|_| over);
        }
        ["flags"] => return Some(Value::Int(0)),
        ["size"] => {
            return Some(Value::Int(i64::try_from(half.body_bytes).unwrap_or(i64::MAX)));
        }
        ["grpc_status"] => {
            let maps = half.trailers.iter().chain(half.headers.iter());
            let status = maps.filter_map(|map| map.get_str("grpc-status")).next()?;
            return Some(Value::Int(status.parse().ok()?)).filter(|_| over);
        }
        _ => {}
    }
    match parts {
        ["headers", rest @ ..] => {
            let open = half.headers_open || stream.logging;
            member(half.headers.as_ref().filter(|_| open)?, rest)
        }
        ["trailers", rest @ ..] => {
            let open = half.trailers_open || stream.logging;
            member(half.trailers.as_ref().filter(|_| open)?, rest)
        }
        _ => None,
    }
}

fn member(headers: &HeaderMap, parts: &[&str]) -> Option<Value> {
    match parts {
        [] => Some(whole(headers)),
        [name] => joined(headers, name),
        _ => None,
    }
}

fn joined(headers: &HeaderMap, name: &str) -> Option<Value> {
    let values: Vec<&[u8]> = headers.get_all(name).collect();
    (!values.is_empty()).then(|| Value::Bytes(values.join(&b","[..])))
}

fn whole(headers: &HeaderMap) -> Value {
    let names = headers.iter().map(|(name, _)| String::from_utf8_lossy(name).into_owned());
    let fields: BTreeMap<String, Value> =
        names.filter_map(|name| Some((name.clone(), joined(headers, &name)?))).collect();
    Value::Map(fields)
}
