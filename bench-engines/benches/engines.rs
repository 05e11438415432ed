//! Time per decision. `cargo bench --bench engines`; the count of allocations has a bench of its
//! own, because counting takes time.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use serin_bench_engines::{Engine, Eppo, Growthbook, LaunchDarkly, Serin, Turns, Unleash, check};

/// Enough that no engine is asked for the same person again and again, few enough for the cache.
const PEOPLE: usize = 64;

fn bench<E: Engine>(group: &mut BenchmarkGroup<'_, WallTime>) {
    check::<E>().unwrap_or_else(|why| panic!("{why}"));
    let mut turns = Turns::<E>::new(PEOPLE);
    group.bench_function(E::NAME, |b| b.iter(|| turns.turn()));
}

fn engines(c: &mut Criterion) {
    let group = &mut c.benchmark_group("engines");
    bench::<Serin>(group);
    bench::<Unleash>(group);
    bench::<Eppo>(group);
    bench::<LaunchDarkly>(group);
    bench::<Growthbook>(group);
}

criterion_group!(benches, engines);
criterion_main!(benches);
