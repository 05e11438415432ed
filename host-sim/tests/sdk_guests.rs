//! Filters of the Rust SDK, unchanged, for both targets they are built for. Building them takes its
//! time and a wasm target, so the test runs only when it is asked for: `cargo test -- --ignored`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the test has cargo build guests"
)]

use serin_host_sim::{Action, HttpResponse, Plugin, StreamInfo, VirtualClock};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

const TARGETS: [&str; 2] = ["wasm32-wasip1", "wasm32-unknown-unknown"];
const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "a.example"), (":path", "/x")];

/// Builds the guests now, so that no stale file can pass.
fn build(target: &str) -> PathBuf {
    let guests = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("guests");
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guests");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--release", "--target", target, "--target-dir"])
        .arg(&folder)
        .current_dir(guests)
        .status();
    assert!(status.unwrap().success(), "the guests do not build for {target}");
    folder.join(target).join("release")
}

fn said(plugin: &Plugin) -> Vec<String> {
    let lines = plugin.logs().into_iter().map(|line| line.message).collect();
    plugin.clear_logs();
    lines
}

#[test]
#[ignore = "builds wasm"]
fn filters_of_the_rust_sdk_run_unchanged() {
    for target in TARGETS {
        let folder = build(target);
        let wasm = |name: &str| std::fs::read(folder.join(format!("guest_{name}.wasm"))).unwrap();
        auth(&wasm("auth"));
        auth_without_an_answer(&wasm("auth"));
        tally(&wasm("tally"));
        tally_that_panics(&wasm("tally"));
    }
}

fn auth(wasm: &[u8]) {
    let refused = Plugin::builder(wasm).build().err().unwrap();
    assert_eq!(refused.log(), ["asking "]);
    let plugin = Plugin::builder(wasm).configuration("auth").cluster("auth").build().unwrap();
    let mut stream = plugin.stream(StreamInfo::new());
    let headers = GET.into_iter().chain([("authorization", "secret")]);
    assert_eq!(stream.send_request_headers(headers, true), Action::Pause);
    let calls = plugin.take_http_calls();
    assert_eq!(calls[0].headers.get_str("authorization"), Some("secret"));
    plugin.respond(calls[0].id, HttpResponse::new(200).body("ada"));
    assert_eq!(stream.request_action(), Action::Continue);
    assert_eq!(stream.request_headers().get_str("x-user"), Some("ada"));
    stream.send_response_headers([(":status", "200"), ("content-length", "11")], false);
    assert_eq!(stream.send_response_body("hello ", false), Action::Pause);
    assert_eq!(stream.send_response_body("world", true), Action::Continue);
    assert_eq!(stream.take_response_body(), b"HELLO WORLD");
    assert_eq!(stream.response_headers().get_str("x-seen"), Some("yes"));
    assert_eq!(stream.response_headers().get("content-length"), None);
    stream.finish();
    let said = said(&plugin);
    assert_eq!((said[0].as_str(), said.last().unwrap().as_str()), ("asking auth", "#2 done"));
}

fn auth_without_an_answer(wasm: &[u8]) {
    let plugin = Plugin::builder(wasm).configuration("auth").build().unwrap();
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, true);
    plugin.advance(Duration::from_millis(200));
    let action = stream.request_action();
    let reply = action.local_reply().unwrap();
    // The reply has passed through the filter's own response callbacks.
    assert_eq!((reply.status, &reply.body[..]), (403, &b"GO AWAY\n"[..]));
    assert_eq!(reply.headers.get_str("x-seen"), Some("yes"));
}

fn tally(wasm: &[u8]) {
    let clock = VirtualClock::at_millis(1000);
    let plugin = Plugin::builder(wasm).workers(2).clock(clock).build().unwrap();
    for count in 1..=4 {
        let mut stream = plugin.stream(StreamInfo::new().source("192.0.2.1:7"));
        assert_eq!(stream.send_request_headers(GET, true), Action::Continue);
        let headers = stream.request_headers();
        assert_eq!(headers.get_str("x-count"), Some(count.to_string().as_str()));
        assert_eq!(headers.get_str("x-from"), Some("192.0.2.1:7"));
        assert_eq!(headers.get_str("x-now"), Some("1000"));
        assert_eq!(stream.filter_state("tally"), Some(b"seen".to_vec()));
    }
    assert_eq!(plugin.metrics().counter("tally.requests"), 4);
    assert_eq!(said(&plugin), vec!["queued /x"; 4]);
    assert_eq!(plugin.advance(Duration::from_millis(50)), 2);
    assert_eq!(said(&plugin), vec!["tick 1 with Ok(4)"; 2]);
}

fn tally_that_panics(wasm: &[u8]) {
    let plugin = Plugin::builder(wasm).build().unwrap();
    let mut stream = plugin.stream(StreamInfo::new());
    let action = stream.send_request_headers(GET.into_iter().chain([("x-panic", "1")]), true);
    assert_eq!(action.local_reply().unwrap().status, 503);
    let said = said(&plugin).join("\n");
    assert!(said.contains("as asked"), "the SDK's panic hook logs the message: {said}");
    assert!(plugin.failure().unwrap().is_trap());
}
