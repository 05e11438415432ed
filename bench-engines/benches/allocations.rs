//! Allocations per decision, counted. `cargo bench --bench allocations`.

use serin_bench_engines::{
    Answer, Engine, Eppo, Growthbook, LaunchDarkly, Serin, Turns, Unleash, check,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

struct Counting;

static COUNT: AtomicU64 = AtomicU64::new(0);
static BYTES: AtomicU64 = AtomicU64::new(0);

// SAFETY: everything is passed on to the system's allocator; reallocation is allocation here.
unsafe impl GlobalAlloc for Counting {
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
static ALLOCATOR: Counting = Counting;

fn count<E: Engine>() {
    const DECISIONS: u64 = 10_000;
    check::<E>().unwrap_or_else(|why| panic!("{why}"));
    let mut turns = Turns::<E>::new(64);
    // Whatever is made on first use is made now.
    for _ in 0..1000 {
        turns.turn();
    }
    let before = (COUNT.load(Ordering::Relaxed), BYTES.load(Ordering::Relaxed));
    let served = (0..DECISIONS).filter(|_| turns.turn() != Answer::Neither).count();
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
