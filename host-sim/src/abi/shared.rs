//! Shared data and shared queues.

use super::{host_calls, memory};
use crate::state::HostState;
use crate::status::Status;
use wasmtime::Linker;

pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_calls! { linker:
        proxy_get_shared_data(cx, key: u32, len: u32, ptr_ptr: u32, size_ptr: u32, cas_ptr: u32)
            get(cx, (key, len), ptr_ptr, size_ptr, cas_ptr);
        proxy_set_shared_data(cx, key: u32, key_len: u32, value: u32, len: u32, cas: u32)
            set(cx, (key, key_len), (value, len), cas);
        proxy_register_shared_queue(cx, name: u32, len: u32, token_ptr: u32)
            register(cx, (name, len), token_ptr);
        proxy_resolve_shared_queue(
            cx, vm: u32, vm_len: u32, name: u32, len: u32, token_ptr: u32
        ) resolve(cx, (vm, vm_len), (name, len), token_ptr);
        proxy_enqueue_shared_queue(cx, token: u32, ptr: u32, len: u32)
            enqueue(cx, token, (ptr, len));
        proxy_dequeue_shared_queue(cx, token: u32, ptr_ptr: u32, size_ptr: u32)
            dequeue(cx, token, ptr_ptr, size_ptr);
    }
    Ok(())
}

fn get(
    cx: &mut super::Cx<'_>,
    key: (u32, u32),
    ptr_ptr: u32,
    size_ptr: u32,
    cas_ptr: u32,
) -> super::Reply {
    let (guest, state) = memory::split(cx)?;
    let key = memory::slice(guest, key.0, key.1)?;
    let (value, cas) = state.env.shared.data(&state.env.vm_id, key).ok_or(Status::NotFound)?;
    memory::give(cx, &value, ptr_ptr, size_ptr)?;
    memory::write_u32(cx, cas_ptr, cas)
}

fn set(cx: &mut super::Cx<'_>, key: (u32, u32), value: (u32, u32), cas: u32) -> super::Reply {
    let (guest, state) = memory::split(cx)?;
    let key = memory::slice(guest, key.0, key.1)?;
    let value = memory::slice(guest, value.0, value.1)?;
    let env = &state.env;
    Ok(env.shared.set(&env.vm_id, key, value, cas, env.limits.shared_bytes)?)
}

fn register(cx: &mut super::Cx<'_>, name: (u32, u32), token_ptr: u32) -> super::Reply {
    let (guest, state) = memory::split(cx)?;
    let name = memory::slice(guest, name.0, name.1)?;
    let root = state.root_id();
    let token = state.env.shared.register_queue(&state.env.vm_id, name, state.worker_id, root);
    memory::write_u32(cx, token_ptr, token)
}

fn resolve(
    cx: &mut super::Cx<'_>,
    vm: (u32, u32),
    name: (u32, u32),
    token_ptr: u32,
) -> super::Reply {
    let (guest, state) = memory::split(cx)?;
    let vm = String::from_utf8_lossy(memory::slice(guest, vm.0, vm.1)?);
    let name = memory::slice(guest, name.0, name.1)?;
    let vm = if vm.is_empty() { state.env.vm_id.as_str() } else { &vm };
    let token = state.env.shared.resolve_queue(vm, name).ok_or(Status::NotFound)?;
    memory::write_u32(cx, token_ptr, token)
}

fn enqueue(cx: &mut super::Cx<'_>, token: u32, item: (u32, u32)) -> super::Reply {
    let (guest, state) = memory::split(cx)?;
    let item = memory::slice(guest, item.0, item.1)?;
    Ok(state.env.shared.enqueue(token, item, state.env.limits.shared_bytes)?)
}

fn dequeue(cx: &mut super::Cx<'_>, token: u32, ptr_ptr: u32, size_ptr: u32) -> super::Reply {
    let item = cx.data().env.shared.dequeue(token)?;
    memory::give(cx, &item, ptr_ptr, size_ptr)
}
