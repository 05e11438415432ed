//! A global allocator that counts the allocations of each thread.
#![allow(unsafe_code, dead_code)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

struct Counting;

/// The allocations of a thread.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Memory {
    /// The number of allocations; a reallocation counts as one.
    pub(crate) allocations: usize,
    /// The bytes of all allocations.
    pub(crate) bytes: usize,
    /// The largest number of bytes at one time.
    pub(crate) peak: usize,
    /// The bytes that are not freed.
    pub(crate) retained: usize,
}

thread_local! {
    static MEMORY: Cell<Memory> = const {
        Cell::new(Memory { allocations: 0, bytes: 0, peak: 0, retained: 0 })
    };
}

// SAFETY: every call is forwarded to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        MEMORY.with(|memory| {
            let Memory { allocations, bytes, peak, retained } = memory.get();
            let retained = retained.wrapping_add(layout.size());
            memory.set(Memory {
                allocations: allocations + 1,
                bytes: bytes + layout.size(),
                peak: peak.max(retained),
                retained,
            });
        });
        // SAFETY: the caller's layout is passed on, so the system's allocator gets what it asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        MEMORY.with(|memory| {
            let now = memory.get();
            // A thread may free the memory of another one.
            let retained = now.retained.saturating_sub(layout.size());
            memory.set(Memory { retained, ..now });
        });
        // SAFETY: `alloc` took the pointer from the system's allocator, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The number of allocations of this thread while `work` runs.
pub(crate) fn allocations(work: impl FnOnce()) -> usize {
    measured(work).1.allocations
}

/// The result of `work`, and the allocations of this thread while it runs.
pub(crate) fn measured<T>(work: impl FnOnce() -> T) -> (T, Memory) {
    let before = MEMORY.with(|memory| {
        let now = memory.get();
        memory.set(Memory { peak: now.retained, ..now });
        now
    });
    let made = work();
    let after = MEMORY.with(Cell::get);
    let memory = Memory {
        allocations: after.allocations - before.allocations,
        bytes: after.bytes - before.bytes,
        peak: after.peak - before.retained,
        retained: after.retained.saturating_sub(before.retained),
    };
    (made, memory)
}
