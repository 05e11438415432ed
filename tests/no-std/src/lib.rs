//! A wasm module that decides without std. It defines a panic handler and an allocator, as std does, so it
//! does not link if serin-core or one of its dependencies uses std.
//!
//! ```text
//! cargo build -p serin-no-std --target wasm32-unknown-unknown --release
//! ```
#![cfg(target_arch = "wasm32")]
#![no_std]
#![allow(unsafe_code)]

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;

use serin_core::{Decision, Facts, Plan, decide};

const ARENA: usize = 1 << 20;

/// An allocator that never frees memory. The module is linked and never run for long.
struct Bump {
    arena: UnsafeCell<[u8; ARENA]>,
    used: UnsafeCell<usize>,
}

// SAFETY: the target has one thread.
unsafe impl Sync for Bump {}

// SAFETY: each allocation is inside the arena, aligned, and made once.
unsafe impl GlobalAlloc for Bump {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let used = unsafe { &mut *self.used.get() };
        let base = self.arena.get().cast::<u8>();
        let start = (base as usize + *used).next_multiple_of(layout.align()) - base as usize;
        if start + layout.size() > ARENA {
            return null_mut();
        }
        *used = start + layout.size();
        unsafe { base.add(start) }
    }

    unsafe fn dealloc(&self, _: *mut u8, _: Layout) {}
}

#[global_allocator]
static ALLOCATOR: Bump = Bump { arena: UnsafeCell::new([0; ARENA]), used: UnsafeCell::new(0) };

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

/// Compiles a spec of `length` bytes at `spec` and decides a request; returns whether it goes to an arm of
/// a rollout.
///
/// # Safety
/// `spec` must point to `length` readable bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn decides(spec: *const u8, length: usize) -> bool {
    let json = unsafe { core::slice::from_raw_parts(spec, length) };
    let Ok(plan) = Plan::from_json(json) else { return false };
    let facts = Facts::gather(&plan, [(&b":path"[..], &b"/"[..])]);
    let mut decision = Decision::new(&plan);
    decide(&plan, &facts, &mut decision);
    decision.arm(&plan).is_some()
}
