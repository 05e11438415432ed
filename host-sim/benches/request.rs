//! What a request costs in the simulator: by itself, and through the filter.
//!
//! `SERIN_FILTER_WASM` names the filter, as `cargo xtask bench` does; without it only the host's own
//! cost is measured.

#![allow(missing_docs, clippy::expect_used)]
#![expect(clippy::disallowed_methods, reason = "the bench reads the filter that it is told")]

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serin_host_sim::{Plugin, StreamInfo};
use std::hint::black_box;

/// Does nothing, which is what the host costs.
const IDLE: &str = r#"(module
  (memory (export "memory") 1)
  (func (export "proxy_abi_version_0_2_1"))
  (func (export "malloc") (param i32) (result i32) (i32.const 1024))
  (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 0)))"#;

const SPEC: &str = r#"{
  "formatVersion": 1,
  "units": { "user": [ { "header": "x-user-id" } ] },
  "cohorts": { "enterprise": { "attribute": "header.x-plan", "in": [ "enterprise" ] } },
  "rollouts": { "shop": {
    "arms": { "stable": { "target": "v1" }, "canary": { "target": "v2" } },
    "baseline": "stable", "canary": { "share": 25 } } },
  "flags": { "theme": {
    "kind": "ops", "owner": "web@example.com", "purpose": "the look", "state": "enabled",
    "variants": { "light": "light", "dark": "dark" }, "defaultVariant": "light",
    "rules": [ { "name": "test", "when": { "cohort": "enterprise" }, "unit": "user",
      "split": { "light": 50, "dark": 50 } } ] } }
}"#;

const REQUEST: [(&str, &str); 8] = [
    (":method", "GET"),
    (":scheme", "http"),
    (":authority", "shop.example.com"),
    (":path", "/checkout?step=2"),
    ("x-user-id", "ada"),
    ("x-plan", "enterprise"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64)"),
    ("cookie", "session=0123456789abcdef; theme=dark"),
];

fn exchange(plugin: &Plugin) {
    let mut stream = plugin.stream(StreamInfo::new());
    black_box(stream.send_request_headers(REQUEST, true));
    black_box(stream.send_response_headers([(":status", "200")], true));
}

fn request(c: &mut Criterion) {
    let mut group = c.benchmark_group("host-sim");
    group.throughput(Throughput::Elements(1));
    let idle = wat::parse_str(IDLE).expect("a module");
    let idle = Plugin::builder(idle).build().expect("a plugin");
    group.bench_function("request, idle guest", |b| b.iter(|| exchange(&idle)));
    if let Some(filter) = std::env::var_os("SERIN_FILTER_WASM") {
        let wasm = std::fs::read(filter).expect("SERIN_FILTER_WASM is a file");
        let filter = Plugin::builder(wasm).configuration(SPEC).build().expect("a plugin");
        group.bench_function("request, filter.wasm", |b| b.iter(|| exchange(&filter)));
    }
    group.finish();
}

criterion_group!(benches, request);
criterion_main!(benches);
