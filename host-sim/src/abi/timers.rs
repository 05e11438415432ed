//! Ticks and the time.

use super::{host_calls, memory};
use crate::context::Tick;
use crate::state::HostState;
use wasmtime::Linker;

pub(crate) fn link(linker: &mut Linker<HostState>) -> wasmtime::Result<()> {
    host_calls! { linker:
        proxy_set_tick_period_milliseconds(cx, millis: u32) {
            set_period(cx.data_mut(), millis);
            Ok(())
        };
        proxy_get_current_time_nanoseconds(cx, time_ptr: u32) {
            let now = cx.data().env.clock.now_nanos();
            memory::write_u64(cx, time_ptr, now)
        };
    }
    Ok(())
}

/// A timer that runs keeps its next time; only the ones after it come at the new period.
fn set_period(state: &mut HostState, millis: u32) {
    let now = state.env.clock.uptime_nanos();
    let id = state.root_id();
    let Some(root) = state.root_of_mut(id) else {
        return;
    };
    let period_nanos = u64::from(millis) * 1_000_000;
    root.tick = match (root.tick, millis) {
        (_, 0) => None,
        (Some(tick), _) => Some(Tick { period_nanos, ..tick }),
        (None, _) => Some(Tick { period_nanos, due_nanos: now.saturating_add(period_nanos) }),
    };
}
