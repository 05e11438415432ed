//! The part of WASI that filters import: logs as files, clocks, randomness, an environment, and
//! polite refusals for everything that would reach a file system or the network.

use super::{Cx, Flow, log, memory};
use crate::state::HostState;
use crate::status::LogLevel;
use crate::vm::Exit;
use wasmtime::{Caller, Linker};

const SUCCESS: u32 = 0;
const BADF: u32 = 8;
const FAULT: u32 = 21;
const INVAL: u32 = 28;
const IO: u32 = 29;
const NOSYS: u32 = 52;
const NOTSUP: u32 = 58;
/// The right to write, of the two files there are.
const RIGHT_WRITE: u64 = 64;

/// An errno.
type Reply = Result<(), u32>;

macro_rules! wasi {
    ($linker:ident, $module:ident: $($name:ident($cx:ident $(, $arg:ident: $ty:ty)*) $body:expr;)*)
    => {$(
        $linker.func_wrap(
            $module,
            stringify!($name),
            |mut caller: Caller<'_, HostState> $(, $arg: $ty)*| -> u32 {
                caller.data_mut().stats.count(stringify!($name));
                #[allow(unused_variables)]
                let $cx = &mut caller;
                let reply: Reply = $body;
                reply.err().unwrap_or(SUCCESS)
            },
        )?;
    )*};
}

pub(crate) fn link(linker: &mut Linker<HostState>, module: &str) -> wasmtime::Result<()> {
    wasi! { linker, module:
        fd_write(cx, fd: u32, iovs: u32, count: u32, written: u32)
            fd_write(cx, fd, iovs, count, written);
        clock_time_get(cx, clock: u32, _precision: u64, time: u32) match clock {
            0 => {
                let now = cx.data().env.clock.now_nanos();
                ok(memory::write_u64(cx, time, now))
            }
            1 => {
                let uptime = cx.data().env.clock.uptime_nanos();
                ok(memory::write_u64(cx, time, uptime))
            }
            _ => Err(NOTSUP),
        };
        clock_res_get(cx, clock: u32, resolution: u32) match clock {
            0 | 1 => ok(memory::write_u64(cx, resolution, 1)),
            _ => Err(NOTSUP),
        };
        random_get(cx, ptr: u32, len: u32) random_get(cx, ptr, len);
        environ_sizes_get(cx, count: u32, size: u32) environ_sizes_get(cx, count, size);
        environ_get(cx, list: u32, text: u32) environ_get(cx, list, text);
        args_sizes_get(cx, count: u32, size: u32) {
            ok(memory::write_u32(cx, count, 0)).and_then(|()| ok(memory::write_u32(cx, size, 0)))
        };
        args_get(cx, _list: u32, _text: u32) Ok(());
        sched_yield(cx) Ok(());
        poll_oneoff(cx, subscriptions: u32, events: u32, count: u32, ready: u32)
            poll_oneoff(cx, subscriptions, events, count, ready);
        fd_fdstat_get(cx, fd: u32, stat: u32) fd_fdstat_get(cx, fd, stat);
        fd_fdstat_set_flags(cx, fd: u32, _flags: u32) standard(fd);
        // No directories are opened in advance; this is how a libc learns that there are none.
        fd_prestat_get(cx, _fd: u32, _stat: u32) Err(BADF);
        fd_prestat_dir_name(cx, _fd: u32, _path: u32, _len: u32) Err(BADF);
        fd_read(cx, fd: u32, _iovs: u32, _count: u32, read: u32) match fd {
            // Standard input is at its end.
            0 => ok(memory::write_u32(cx, read, 0)),
            _ => Err(BADF),
        };
        fd_close(cx, fd: u32) standard(fd);
        fd_seek(cx, fd: u32, _offset: i64, _whence: u32, _position: u32)
            standard(fd).and(Err(NOTSUP));
        fd_sync(cx, fd: u32) standard(fd);
        fd_filestat_get(cx, _fd: u32, _stat: u32) Err(NOSYS);
        path_open(
            cx, _fd: u32, _look: u32, _path: u32, _len: u32, _open: u32, _rights: u64,
            _inheriting: u64, _flags: u32, _opened: u32
        ) Err(BADF);
        path_filestat_get(cx, _fd: u32, _flags: u32, _path: u32, _len: u32, _stat: u32) Err(BADF);
        sock_accept(cx, _fd: u32, _flags: u32, _accepted: u32) Err(NOSYS);
        sock_shutdown(cx, _fd: u32, _how: u32) Err(NOSYS);
    }
    linker.func_wrap(
        module,
        "proc_exit",
        |mut caller: Caller<'_, HostState>, code: u32| -> wasmtime::Result<()> {
            caller.data_mut().stats.count("proc_exit");
            Err(wasmtime::Error::new(Exit(code)))
        },
    )?;
    Ok(())
}

/// A bad pointer is a fault. Nothing here allocates in the guest, so nothing traps.
fn ok(reply: Result<(), Flow>) -> Reply {
    reply.map_err(|_| FAULT)
}

fn standard(fd: u32) -> Reply {
    if fd <= 2 { Ok(()) } else { Err(BADF) }
}

fn fd_write(cx: &mut Cx<'_>, fd: u32, iovs: u32, count: u32, written: u32) -> Reply {
    let level = match fd {
        1 => LogLevel::Info,
        2 => LogLevel::Error,
        _ => return Err(BADF),
    };
    let (guest, state) = memory::split(cx).map_err(|_| FAULT)?;
    let list = memory::slice(guest, iovs, count.checked_mul(8).ok_or(FAULT)?);
    let (list, _) = list.map_err(|_| FAULT)?.as_chunks::<8>();
    let keep = state.env.limits.log_line_bytes;
    let mut text = Vec::new();
    let mut size = 0u32;
    for [a, b, c, d, e, f, g, h] in list {
        let (ptr, len) =
            (u32::from_le_bytes([*a, *b, *c, *d]), u32::from_le_bytes([*e, *f, *g, *h]));
        let part = memory::slice(guest, ptr, len).map_err(|_| FAULT)?;
        // Many buffers may name the same bytes: what is kept is bounded, what is counted is not.
        let room = keep.saturating_sub(text.len()).min(part.len());
        text.extend_from_slice(&part[..room]);
        size = size.checked_add(len).ok_or(INVAL)?;
    }
    if !text.is_empty() {
        log::write(state, level, text.strip_suffix(b"\n").unwrap_or(&text));
    }
    ok(memory::write_u32(cx, written, size))
}

fn random_get(cx: &mut Cx<'_>, ptr: u32, len: u32) -> Reply {
    let (guest, state) = memory::split(cx).map_err(|_| FAULT)?;
    let bytes = memory::slice_mut(guest, ptr, len).map_err(|_| FAULT)?;
    if state.entropy.fill(bytes) { Ok(()) } else { Err(IO) }
}

fn environ_sizes_get(cx: &mut Cx<'_>, count: u32, size: u32) -> Reply {
    let vars = &cx.data().env.env_vars;
    let bytes: usize = vars.iter().map(|(name, value)| name.len() + value.len() + 2).sum();
    let number = u32::try_from(vars.len()).map_err(|_| INVAL)?;
    ok(memory::write_u32(cx, count, number))?;
    ok(memory::write_u32(cx, size, u32::try_from(bytes).map_err(|_| INVAL)?))
}

fn environ_get(cx: &mut Cx<'_>, mut list: u32, mut text: u32) -> Reply {
    let vars = cx.data().env.env_vars.clone();
    for (name, value) in vars {
        let entry = format!("{name}={value}\0");
        ok(memory::write_u32(cx, list, text))?;
        ok(memory::write(cx, text, entry.as_bytes()))?;
        list = list.checked_add(4).ok_or(FAULT)?;
        text = text.checked_add(u32::try_from(entry.len()).map_err(|_| FAULT)?).ok_or(FAULT)?;
    }
    Ok(())
}

/// Every wait is over at once: time only passes between callbacks.
fn poll_oneoff(cx: &mut Cx<'_>, subscriptions: u32, events: u32, count: u32, ready: u32) -> Reply {
    const SUBSCRIPTION: u32 = 48;
    const EVENT: u32 = 32;
    if count == 0 {
        return Err(INVAL);
    }
    let (guest, _) = memory::split(cx).map_err(|_| FAULT)?;
    let size = count.checked_mul(SUBSCRIPTION).ok_or(FAULT)?;
    memory::slice(guest, subscriptions, size).map_err(|_| FAULT)?;
    memory::slice(guest, events, count * EVENT).map_err(|_| FAULT)?;
    for index in 0..count {
        let from = subscriptions + index * SUBSCRIPTION;
        let head = memory::slice(guest, from, 16).map_err(|_| FAULT)?;
        let mut event = [0; EVENT as usize];
        // The user's data, then no error, then the kind of what happened.
        event[..8].copy_from_slice(&head[..8]);
        event[10] = head[8];
        let to = memory::slice_mut(guest, events + index * EVENT, EVENT);
        to.map_err(|_| FAULT)?.copy_from_slice(&event);
    }
    ok(memory::write_u32(cx, ready, count))
}

fn fd_fdstat_get(cx: &mut Cx<'_>, fd: u32, stat: u32) -> Reply {
    standard(fd)?;
    let mut bytes = [0; 24];
    // A character device.
    bytes[0] = 2;
    let rights = if fd == 0 { 0 } else { RIGHT_WRITE };
    bytes[8..16].copy_from_slice(&rights.to_le_bytes());
    ok(memory::write(cx, stat, &bytes))
}
