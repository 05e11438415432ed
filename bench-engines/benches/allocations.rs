//! Counts the allocations per decision. Run it with `cargo bench --bench allocations`.

use serin_bench_engines::{
    Engine, Eppo, Growthbook, LaunchDarkly, RoundRobin, Serin, Unleash, Variant, check,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

/// The system's allocator with counters.
struct CountingAllocator;

static COUNT: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is forwarded to the system's allocator.
unsafe impl GlobalAlloc for CountingAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        BYTES.fetch_add(layout.size() as u64, Ordering::Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

fn count<E: Engine>() {
    const DECISIONS: u64 = 10_000;
    check::<E>().unwrap_or_else(|why| panic!("{why}"));
    let mut decisions = RoundRobin::<E>::new(64);
    // Warm up: some engines allocate on first use.
    for _ in 0..1000 {
        decisions.decide_next();
    }
    let before = (COUNT.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed));
    let served = (0..DECISIONS).filter(|_| decisions.decide_next() != Variant::None).count();
    let count = (COUNT.load(Ordering::Relaxed) - before.0) as f64 / DECISIONS as f64;
    let bytes = (BYTES.load(Ordering::Relaxed) - before.1) as f64 / DECISIONS as f64;
    assert_eq!(served as u64, DECISIONS);
    println!("measure: allocations per decision, {} = {count:.1}, {bytes:.0} bytes", E::NAME);
}

fn main() {
    count::<Serin>();
    count::<Unleash>();
    count::<Eppo>();
    count::<LaunchDarkly>();
    count::<Growthbook>();
}
