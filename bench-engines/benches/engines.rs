//! Measures the time per decision. Run it with `cargo bench --bench engines`. Allocations are counted in
//! another bench, because counting takes time.

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, criterion_group, criterion_main};
use serin_bench_engines::{
    Engine, Eppo, Growthbook, LaunchDarkly, RoundRobin, Serin, Unleash, check,
};

/// The number of users: more than one, so that no engine decides for the same user each time, and few
/// enough for the cache.
const USERS: usize = 64;

fn bench<E: Engine>(group: &mut BenchmarkGroup<'_, WallTime>) {
    check::<E>().unwrap_or_else(|why| panic!("{why}"));
    let mut decisions = RoundRobin::<E>::new(USERS);
    group.bench_function(E::NAME, |b| b.iter(|| decisions.decide_next()));
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
