//! The guest's memory. Every pointer is checked; nothing is trusted.

use super::{Cx, Flow, Reply};
use crate::state::HostState;
use crate::status::Status;

/// The guest's memory and the host's state, at once.
pub(crate) fn split<'a>(cx: &'a mut Cx<'_>) -> Result<(&'a mut [u8], &'a mut HostState), Flow> {
    let memory = cx.data().memory.ok_or(Status::InvalidMemoryAccess)?;
    Ok(memory.data_and_store_mut(cx))
}

/// Bytes at a pointer.
pub(crate) fn slice(memory: &[u8], ptr: u32, len: u32) -> Result<&[u8], Flow> {
    let start = ptr as usize;
    let end = start.checked_add(len as usize).ok_or(Status::InvalidMemoryAccess)?;
    Ok(memory.get(start..end).ok_or(Status::InvalidMemoryAccess)?)
}

/// Bytes at a pointer, to write to.
pub(crate) fn slice_mut(memory: &mut [u8], ptr: u32, len: u32) -> Result<&mut [u8], Flow> {
    let start = ptr as usize;
    let end = start.checked_add(len as usize).ok_or(Status::InvalidMemoryAccess)?;
    Ok(memory.get_mut(start..end).ok_or(Status::InvalidMemoryAccess)?)
}

pub(crate) fn write(cx: &mut Cx<'_>, ptr: u32, bytes: &[u8]) -> Reply {
    let (memory, _) = split(cx)?;
    let len = u32::try_from(bytes.len()).map_err(|_| Status::InvalidMemoryAccess)?;
    slice_mut(memory, ptr, len)?.copy_from_slice(bytes);
    Ok(())
}

pub(crate) fn write_u32(cx: &mut Cx<'_>, ptr: u32, value: u32) -> Reply {
    write(cx, ptr, &value.to_le_bytes())
}

pub(crate) fn write_u64(cx: &mut Cx<'_>, ptr: u32, value: u64) -> Reply {
    write(cx, ptr, &value.to_le_bytes())
}

/// Allocates in the guest, copies the bytes there and writes where they are and how many.
pub(crate) fn give(cx: &mut Cx<'_>, bytes: &[u8], ptr_ptr: u32, size_ptr: u32) -> Reply {
    let len = u32::try_from(bytes.len()).map_err(|_| Status::InvalidMemoryAccess)?;
    let ptr = if len == 0 { 0 } else { allocate(cx, len)? };
    let (memory, _) = split(cx)?;
    slice_mut(memory, ptr, len)?.copy_from_slice(bytes);
    slice_mut(memory, ptr_ptr, 4)?.copy_from_slice(&ptr.to_le_bytes());
    slice_mut(memory, size_ptr, 4)?.copy_from_slice(&len.to_le_bytes());
    Ok(())
}

fn allocate(cx: &mut Cx<'_>, len: u32) -> Result<u32, Flow> {
    if cx.data().allocating {
        let message = "the guest's allocator made a host call that needs the allocator";
        return Err(Flow::Trap(wasmtime::Error::msg(message)));
    }
    let malloc = cx.data().malloc.clone().ok_or(Status::InternalFailure)?;
    cx.data_mut().allocating = true;
    let result = malloc.call(&mut *cx, len);
    cx.data_mut().allocating = false;
    let ptr = result?;
    // A null pointer is the guest's way of saying that it has no room.
    if ptr == 0 { Err(Status::InvalidMemoryAccess.into()) } else { Ok(ptr) }
}
