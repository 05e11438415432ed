//! Benchmarks of the native cost of a decision: `cargo bench -p serin-core`. The time of one flag should not
//! grow with flags that a request does not use.

#![expect(clippy::disallowed_macros, reason = "`cargo xtask bench` reads lines of its output")]

#[path = "../tests/counting/mod.rs"]
mod counting;
#[path = "../tests/scale/spec.rs"]
mod scale;

use std::fmt::Write as _;
use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, criterion_group, criterion_main};
use serin_core::{Bucket, Decision, Facts, Plan, Purpose, decide};

/// One flag: country in three values, then a 50/50 split. Five attributes are among the facts.
const ONE_FLAG: &str = r#"{
  "formatVersion": 1,
  "units": { "user": [ { "header": "x-user-id" } ] },
  "cohorts": { "beta": { "all": [
      { "attribute": "header.x-plan", "exists": true }, { "attribute": "header.x-app", "exists": true },
      { "attribute": "header.x-os", "exists": true } ] } },
  "flags": { "checkout": {
      "variants": { "on": true, "off": false }, "defaultVariant": "off",
      "rules": [ { "when": { "attribute": "header.x-country", "in": [ "CH", "AT", "DE" ] },
                   "split": { "on": 50, "off": 50 } } ] } }
}"#;

const REQUEST: [(&[u8], &[u8]); 8] = [
    (b":method", b"GET"),
    (b":authority", b"shop.example.com"),
    (b":path", b"/used/page?ref=mail"),
    (b"x-user-id", b"user-4711"),
    (b"x-country", b"DE"),
    (b"x-plan", b"enterprise"),
    (b"x-app", b"2.3.1"),
    (b"x-os", b"linux"),
];

/// A spec of `count` flags, each delivered on its own path. The request uses one of them.
fn many_flags(count: usize) -> String {
    let mut flags = String::new();
    for number in 0..count {
        let path = if number == 0 { "/used".into() } else { format!("/other/{number}") };
        let comma = if number == 0 { "" } else { "," };
        let _ = write!(
            flags,
            r#"{comma}"flag-{number}":{{"variants":{{"on":true,"off":false}},"defaultVariant":"off",
            "rules":[{{"when":{{"attribute":"header.x-country","in":["CH","AT","DE"]}},
            "split":{{"on":50,"off":50}}}}],"deliver":{{"paths":["{path}"]}}}}"#
        );
    }
    format!(
        r#"{{"formatVersion":1,"units":{{"user":[{{"header":"x-user-id"}}]}},"flags":{{{flags}}}}}"#
    )
}

fn one_flag(c: &mut Criterion) {
    let plan = Plan::from_json(ONE_FLAG.as_bytes()).expect("the spec above is good");
    let facts = Facts::gather(&plan, REQUEST);
    let mut decision = Decision::new(&plan);
    let count = counting::allocations(|| decide(&plan, &facts, &mut decision));
    println!("measure: allocations per decide = {count}");
    c.bench_function("decide/one flag", |b| {
        b.iter(|| decide(black_box(&plan), black_box(&facts), &mut decision));
    });
    c.bench_function("gather and decide/one flag", |b| {
        b.iter(|| {
            let facts = Facts::gather(&plan, black_box(REQUEST));
            decide(&plan, &facts, &mut decision);
        });
    });
    c.bench_function("bucket", |b| {
        b.iter(|| Bucket::of(Purpose::Ramp, black_box("checkout"), black_box("user-4711")));
    });
}

fn many(c: &mut Criterion) {
    let mut group = c.benchmark_group("decide/one of many flags");
    for count in [10, 100, 1000, 10_000] {
        let plan = Plan::from_json(many_flags(count).as_bytes()).expect("the spec above is good");
        let facts = Facts::gather(&plan, REQUEST);
        let mut decision = Decision::new(&plan);
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| decide(black_box(&plan), black_box(&facts), &mut decision));
        });
    }
    group.finish();
    let mut group = c.benchmark_group("compile");
    group.sample_size(10);
    for count in [1000, 10_000] {
        let spec = many_flags(count);
        group.bench_function(BenchmarkId::from_parameter(count), |b| {
            b.iter(|| Plan::from_json(black_box(spec.as_bytes())));
        });
    }
    group.finish();
}

/// Time and memory of compiling a large spec.
fn large(c: &mut Criterion) {
    const WHAT: &str = "10000 flags and 1000 rollouts";
    let spec = scale::large(10_000, 1000);
    let (plan, memory) = counting::measured(|| Plan::from_json(spec.as_bytes()));
    plan.expect("the spec is good");
    let megabytes = |bytes: usize| bytes as f64 / 1e6;
    println!("measure: a spec of {WHAT} = {:.1} MB", megabytes(spec.len()));
    println!("measure: bytes at once while compiling it = {:.1} MB", megabytes(memory.peak));
    println!("measure: bytes its plan keeps = {:.1} MB", megabytes(memory.retained));
    println!("measure: allocations while compiling it = {}", memory.allocations);
    let mut group = c.benchmark_group("compile");
    group.sample_size(10);
    group.bench_function(WHAT, |b| b.iter(|| Plan::from_json(black_box(spec.as_bytes()))));
    group.finish();
}

criterion_group!(benches, one_flag, many, large);
criterion_main!(benches);
