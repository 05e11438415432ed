//! A module that decides without std. It has a panic handler and an allocator of its own, so it
//! does not link if serin-core or anything below it pulls in std, which brings both.
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

/// Hands out pieces of one block and never takes any back: enough for a proof.
struct Bump {
    arena: UnsafeCell<[u8; ARENA]>,
    used: UnsafeCell<usize>,
}

// SAFETY: the target has one thread.
unsafe impl Sync for Bump {}

// SAFETY: each piece is inside the arena, aligned, and handed out once.
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

/// Compiles a spec of `length` bytes at `spec`, decides a request for it and says whether it goes to
/// a rollout's arm.
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
