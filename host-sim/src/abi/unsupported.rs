//! Calls that are answered and named, and do nothing: gRPC, and what C++ guests import.

use super::{Cx, Reply, host_calls};
use crate::state::HostState;
use crate::status::Status;
use wasmtime::Linker;

pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_calls! { linker:
        proxy_grpc_call(
            cx, _service: u32, _service_len: u32, _name: u32, _name_len: u32, _method: u32,
            _method_len: u32, _metadata: u32, _metadata_len: u32, _request: u32, _request_len: u32,
            _timeout: u32, _token_ptr: u32
        ) refuse(cx, "proxy_grpc_call", Status::Unimplemented);
        proxy_grpc_stream(
            cx, _service: u32, _service_len: u32, _name: u32, _name_len: u32, _method: u32,
            _method_len: u32, _metadata: u32, _metadata_len: u32, _token_ptr: u32
        ) refuse(cx, "proxy_grpc_stream", Status::Unimplemented);
        proxy_grpc_send(cx, _token: u32, _message: u32, _len: u32, _end: u32)
            refuse(cx, "proxy_grpc_send", Status::NotFound);
        proxy_grpc_close(cx, _token: u32) refuse(cx, "proxy_grpc_close", Status::NotFound);
        proxy_grpc_cancel(cx, _token: u32) refuse(cx, "proxy_grpc_cancel", Status::NotFound);
    }
    linker.func_wrap("env", "pthread_equal", |left: u32, right: u32| u32::from(left == right))?;
    linker.func_wrap("env", "emscripten_notify_memory_growth", |_memory: u32| {})?;
    Ok(())
}

/// No call or stream can be opened, so no token can be known.
fn refuse(cx: &mut Cx<'_>, name: &'static str, status: Status) -> Reply {
    cx.data_mut().unsupported(name);
    Err(status.into())
}
