//! Functions that the embedder offers by name, and those of Envoy that the simulator has itself.

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
        if name == "declare_property" {
            return declare_property(state, args);
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

/// The number of names that one root context may declare.
const MAX_DECLARED: usize = 1000;

/// Envoy's `declare_property`: says how long filter state of a name lives. Its argument is the Protocol Buffers message
/// `DeclarePropertyArguments`, of which the name and the life span matter here.
fn declare_property(state: &mut HostState, arguments: &[u8]) -> Reply {
    const NAME: u64 = 1;
    const SPAN: u64 = 5;
    /// State of a connection outlives its requests as well.
    const REQUEST_AND_CONNECTION: [u64; 2] = [1, 2];
    let (mut name, mut span) = (&[][..], 0);
    let mut rest = arguments;
    while !rest.is_empty() {
        let (number, field) = take_field(&mut rest).ok_or(Status::BadArgument)?;
        match (number, field) {
            (NAME, Field::Bytes(bytes)) => name = bytes,
            (SPAN, Field::Number(number)) => span = number,
            _ => {}
        }
    }
    let root = state.root_id();
    let root = state.root_of_mut(root).ok_or(Status::BadArgument)?;
    if !REQUEST_AND_CONNECTION.contains(&span) {
        return Ok(());
    }
    if root.request_state.len() >= MAX_DECLARED {
        return Err(Status::InternalFailure.into());
    }
    // Envoy refuses to declare a name twice.
    let is_new = root.request_state.insert(name.to_vec());
    if is_new { Ok(()) } else { Err(Status::BadArgument.into()) }
}

/// A field of a message in Protocol Buffers' wire format.
enum Field<'m> {
    Number(u64),
    Bytes(&'m [u8]),
}

/// Takes a field off the front of a message, with its number. `None` if it is malformed or of a type that the message
/// does not have.
fn take_field<'m>(rest: &mut &'m [u8]) -> Option<(u64, Field<'m>)> {
    let tag = take_varint(rest)?;
    let field = match tag & 7 {
        0 => Field::Number(take_varint(rest)?),
        2 => {
            let length = usize::try_from(take_varint(rest)?).ok()?;
            let (bytes, after) = rest.split_at_checked(length)?;
            *rest = after;
            Field::Bytes(bytes)
        }
        _ => return None,
    };
    Some((tag >> 3, field))
}

fn take_varint(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}
