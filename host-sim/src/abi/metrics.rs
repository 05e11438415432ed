//! Metrics: defined per VM, counted per process.

use super::{Cx, Flow, Reply, host_calls, memory};
use crate::metrics::MetricKind;
use crate::state::HostState;
use crate::status::Status;
use wasmtime::Linker;

/// The low bits of a metric's number are its kind.
const KIND_BITS: u32 = 3;
const STEP: u32 = 4;

pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_calls! { linker:
        proxy_define_metric(cx, kind: u32, name: u32, len: u32, id_ptr: u32)
            define(cx, kind, (name, len), id_ptr);
        proxy_increment_metric(cx, id: u32, offset: i64) {
            if id & KIND_BITS > 1 {
                Err(Status::BadArgument.into())
            } else {
                index(cx, id).and_then(|index| {
                    Ok(cx.data().env.shared.metric_store().increment(index, offset)?)
                })
            }
        };
        proxy_record_metric(cx, id: u32, value: u64) index(cx, id).and_then(|index| {
            Ok(cx.data().env.shared.metric_store().record(index, value)?)
        });
        proxy_get_metric(cx, id: u32, value_ptr: u32) get(cx, id, value_ptr);
    }
    Ok(())
}

fn define(cx: &mut Cx<'_>, kind: u32, name: (u32, u32), id_ptr: u32) -> Reply {
    let metric = match kind {
        0 => MetricKind::Counter,
        1 => MetricKind::Gauge,
        2 => MetricKind::Histogram,
        _ => return Err(Status::BadArgument.into()),
    };
    let (guest, state) = memory::split(cx)?;
    let name = memory::slice(guest, name.0, name.1)?;
    memory::slice(guest, id_ptr, 4)?;
    let limit = state.env.limits.metrics;
    // The same name may be defined again and again, each time with a number of its own.
    if state.metrics.ids.len() >= limit {
        return Err(Status::InternalFailure.into());
    }
    let index = state.env.shared.metric_store().define(metric, name, limit);
    let index = index.ok_or(Status::InternalFailure)?;
    let defined = &mut state.metrics.defined[kind as usize];
    *defined += 1;
    let id = *defined * STEP + kind;
    state.metrics.ids.insert(id, index);
    memory::write_u32(cx, id_ptr, id)
}

fn index(cx: &Cx<'_>, id: u32) -> Result<usize, Flow> {
    Ok(cx.data().metrics.ids.get(&id).copied().ok_or(Status::NotFound)?)
}

fn get(cx: &mut Cx<'_>, id: u32, value_ptr: u32) -> Reply {
    if id & KIND_BITS > 1 {
        return Err(Status::BadArgument.into());
    }
    let index = index(cx, id)?;
    let value = cx.data().env.shared.metric_store().value(index)?;
    memory::write_u64(cx, value_ptr, value)
}
