//! Guests that are broken or mean harm. The host says what happened and lives on.

use crate::guest::{GET, builder, on_request, one_request, plugin, said, wasm};
use serin_host_sim::{
    Action, ErrorKind, FailPolicy, Limits, Module, Plugin, PluginBuilder, StreamInfo, VirtualClock,
};
use std::time::{Duration, Instant};

/// A deadline that only an endless guest reaches, on a busy machine too.
const PATIENCE: Duration = Duration::from_secs(60);

fn small() -> Limits {
    Limits::default().call_deadline(PATIENCE).memory_bytes(4 << 20)
}

fn evil(body: &str) -> PluginBuilder {
    builder(body).limits(small())
}

const TRAP: &str = "unreachable";
const LOOP: &str = "(loop $l (br $l))";
const BOMB: &str = r#"(loop $l
    (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then unreachable)) (br $l))"#;

#[test]
#[expect(clippy::disallowed_methods, reason = "a deadline is real time")]
fn every_way_to_fail_has_its_error() {
    let fail_within = |limits: Limits, body: &str| {
        let plugin = builder(&on_request(body)).limits(limits).build().unwrap();
        let action = plugin.stream(StreamInfo::new()).send_request_headers(GET, true);
        assert_eq!(action.local_reply().unwrap().status, 503, "{body}");
        plugin.failure().unwrap()
    };
    let fail = |body: &str| fail_within(small(), body);
    let trap = fail(TRAP);
    assert!(matches!(trap.kind(), ErrorKind::Trap { .. }), "{trap}");
    assert_eq!(
        trap.to_string(),
        "the guest trapped in proxy_on_request_headers: wasm trap: wasm `unreachable` instruction \
         executed"
    );
    let start = Instant::now();
    let endless = fail_within(small().call_deadline(Duration::from_millis(20)), LOOP);
    assert!(matches!(endless.kind(), ErrorKind::Deadline { millis: 20, .. }), "{endless}");
    assert!(start.elapsed() < PATIENCE / 2);
    assert_eq!(
        endless.to_string(),
        "the guest did not return from proxy_on_request_headers within 20 ms"
    );
    let bomb = fail(BOMB);
    assert!(matches!(bomb.kind(), ErrorKind::Memory { limit: 4_194_304, .. }), "{bomb}");
    assert!(bomb.to_string().contains("its memory limit of 4194304 bytes"), "{bomb}");
}

#[test]
fn a_deadline_ends_a_guest_that_was_compiled_without_optimisation() {
    let module = Module::compile_unoptimised(wasm(&on_request(LOOP))).unwrap();
    let limits = small().call_deadline(Duration::from_millis(20));
    let plugin = Plugin::of_module(&module).limits(limits).build().unwrap();
    plugin.stream(StreamInfo::new()).send_request_headers(GET, true);
    let failure = plugin.failure().unwrap();
    assert!(matches!(failure.kind(), ErrorKind::Deadline { millis: 20, .. }), "{failure}");
}

#[test]
fn endless_recursion_is_a_trap() {
    let plugin = plugin(&format!("(func $f (call $f)) {}", on_request("(call $f)")));
    plugin.stream(StreamInfo::new()).send_request_headers(GET, true);
    assert!(plugin.failure().unwrap().to_string().contains("stack"), "{:?}", plugin.failure());
}

#[test]
fn a_recursive_allocator_is_a_trap() {
    let wasm = wat::parse_str(
        r#"(module
          (import "env" "proxy_get_header_map_pairs" (func $pairs (param i32 i32 i32) (result i32)))
          (memory (export "memory") 1)
          (func (export "proxy_abi_version_0_2_1"))
          (func (export "malloc") (param i32) (result i32)
            (call $pairs (i32.const 0) (i32.const 0) (i32.const 4)))
          (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
            (call $pairs (i32.const 0) (i32.const 0) (i32.const 4))))"#,
    );
    let plugin = Plugin::builder(wasm.unwrap()).build().unwrap();
    plugin.stream(StreamInfo::new()).send_request_headers(GET, true);
    let error = plugin.failure().unwrap().to_string();
    assert!(error.contains("needs the allocator"), "{error}");
}

#[test]
fn bad_pointers_are_answered() {
    let far = "(i32.const -8)";
    let calls = [
        format!("(call $log (i32.const 2) {far} (i32.const 100))"),
        format!("(call $log (i32.const 2) (i32.const 0) {far})"),
        format!("(call $get (i32.const 0) {far} (i32.const 9) (i32.const 16) (i32.const 20))"),
        format!("(call $get (i32.const 0) @\":path\" {far} (i32.const 20))"),
        "(call $get (i32.const 0) @\":path\" (i32.const 16) (i32.const -2))".to_owned(),
        format!("(call $pairs (i32.const 0) {far} (i32.const -2))"),
        format!("(call $set_pairs (i32.const 0) {far} (i32.const 100))"),
        format!("(call $add (i32.const 0) @\"x\" {far} (i32.const 100))"),
        "(call $size (i32.const 0) (i32.const -1))".to_owned(),
        format!("(call $get_property {far} (i32.const 100) (i32.const 16) (i32.const 20))"),
        format!("(call $set_property @\"x\" {far} (i32.const 100))"),
        format!(
            "(call $set_buffer (i32.const 0) (i32.const 0) (i32.const 0) {far} (i32.const 99))"
        ),
        format!(
            "(call $get_shared {far} (i32.const 99) (i32.const 16) (i32.const 20) (i32.const 24))"
        ),
        format!("(call $set_shared @\"x\" {far} (i32.const 99) (i32.const 0))"),
        format!("(call $register {far} (i32.const 99) (i32.const 24))"),
        "(call $register @\"x\" (i32.const -1))".to_owned(),
        format!("(call $define_metric (i32.const 0) {far} (i32.const 99) (i32.const 24))"),
        "(call $define_metric (i32.const 0) @\"x\" (i32.const -1))".to_owned(),
        "(call $now (i32.const -1))".to_owned(),
        format!(
            "(call $reply (i32.const 200) {far} (i32.const 99) (i32.const 0) (i32.const 0)
            (i32.const 0) (i32.const 0) (i32.const -1))"
        ),
        format!(
            "(call $foreign {far} (i32.const 99) (i32.const 0) (i32.const 0) (i32.const 0)
            (i32.const 0))"
        ),
        "(call $status (i32.const -1) (i32.const 16) (i32.const 20))".to_owned(),
    ];
    let body: String = calls.iter().map(|call| format!("(call $note {call})\n")).collect();
    let said = one_request(&plugin(&on_request(&body)));
    assert_eq!(said, vec!["6"; calls.len()]);
}

#[test]
fn an_allocator_that_lies_is_answered() {
    for pointer in ["0", "-16", "99999999"] {
        let wasm = wat::parse_str(format!(
            r#"(module
              (import "env" "proxy_log" (func $log (param i32 i32 i32) (result i32)))
              (import "env" "proxy_get_header_map_pairs"
                (func $pairs (param i32 i32 i32) (result i32)))
              (memory (export "memory") 1)
              (func (export "proxy_abi_version_0_2_1"))
              (func (export "proxy_on_memory_allocate") (param i32) (result i32)
                (i32.const {pointer}))
              (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
                (i32.store8 (i32.const 0) (i32.add (i32.const 48)
                  (call $pairs (i32.const 0) (i32.const 8) (i32.const 12))))
                (drop (call $log (i32.const 2) (i32.const 0) (i32.const 1)))
                (i32.const 0)))"#
        ));
        let plugin = Plugin::builder(wasm.unwrap()).build().unwrap();
        assert_eq!(one_request(&plugin), ["6"], "{pointer}");
    }
}

#[test]
fn unknown_imports_trap_only_when_called() {
    let body = |call: &str| {
        format!(
            "(import \"env\" \"proxy_from_tomorrow\" (func $tomorrow (param i64) (result f32)))\n{}",
            on_request(call)
        )
    };
    let quiet = plugin(&body(""));
    let lines = quiet.logs();
    assert!(lines[0].message.contains("env.proxy_from_tomorrow"), "{lines:?}");
    one_request(&quiet);
    assert!(quiet.failure().is_none());
    let plugin = plugin(&body("(drop (call $tomorrow (i64.const 1)))"));
    one_request(&plugin);
    let error = plugin.failure().unwrap();
    assert!(matches!(error.kind(), ErrorKind::UnknownImport { .. }), "{error}");
    assert!(error.to_string().contains("env.proxy_from_tomorrow"), "{error}");
}

#[test]
fn logs_are_bounded() {
    let limits = small().log_lines(5).log_line_bytes(8);
    let plugin = builder(&on_request(
        r#"(local $n i32)
        (loop $l
          (drop (call $log (i32.const 2) @"0123456789"))
          (local.set $n (i32.add (local.get $n) (i32.const 1)))
          (br_if $l (i32.lt_u (local.get $n) (i32.const 100))))"#,
    ))
    .limits(limits)
    .build()
    .unwrap();
    assert_eq!(one_request(&plugin), vec!["01234567"; 5]);
}

/// Traps on requests whose path is two bytes long.
fn trapping(policy: FailPolicy, clock: &VirtualClock) -> Plugin {
    evil(&on_request(
        r#"(drop (call $get (i32.const 0) @":path" (i32.const 16) (i32.const 20)))
           (if (i32.eq (i32.load (i32.const 20)) (i32.const 2)) (then unreachable))
           (drop (call $add (i32.const 0) @"x-filter" @"1"))"#,
    ))
    .fail_policy(policy)
    .clock(clock.clone())
    .build()
    .unwrap()
}

const BAD: [(&str, &str); 2] = [(":method", "GET"), (":path", "/!")];
const GOOD: [(&str, &str); 2] = [(":method", "GET"), (":path", "/")];

fn status(action: &Action) -> Option<u16> {
    action.local_reply().map(|reply| reply.status)
}

#[test]
fn fail_closed_answers_503_for_ever() {
    let plugin = trapping(FailPolicy::FailClosed, &VirtualClock::default());
    let mut other = plugin.stream(StreamInfo::new());
    other.send_request_headers(GOOD, false);
    let mut bad = plugin.stream(StreamInfo::new());
    let action = bad.send_request_headers(BAD, true);
    let reply = action.local_reply().unwrap();
    assert_eq!((reply.status, reply.details.as_str()), (503, "wasm_fail_stream"));
    assert!(bad.failed());
    // Every stream of that VM falls with it, and all that come after.
    assert_eq!(status(&other.send_request_body("b", true)), Some(503));
    let mut next = plugin.stream(StreamInfo::new());
    assert_eq!(status(&next.send_request_headers(GOOD, true)), Some(503));
    next.finish();
}

#[test]
fn fail_open_goes_on_without_the_filter() {
    let plugin = trapping(FailPolicy::FailOpen, &VirtualClock::default());
    let mut bad = plugin.stream(StreamInfo::new());
    assert_eq!(bad.send_request_headers(BAD, false), Action::Continue);
    assert_eq!(bad.send_request_body("body", true), Action::Continue);
    assert_eq!(bad.take_request_body(), b"body");
    assert!(bad.failed());
    let mut next = plugin.stream(StreamInfo::new());
    assert_eq!(next.send_request_headers(GOOD, true), Action::Continue);
    assert_eq!(next.request_headers().get("x-filter"), None);
}

#[test]
fn fail_reload_starts_again_after_a_back_off_that_grows() {
    let clock = VirtualClock::default();
    let plugin = trapping(FailPolicy::reload(), &clock);
    let request = |headers| {
        let mut stream = plugin.stream(StreamInfo::new());
        let action = stream.send_request_headers(headers, true);
        (status(&action), stream.request_headers().get("x-filter").is_some())
    };
    assert_eq!(request(GOOD), (None, true));
    assert_eq!(request(BAD), (Some(503), false));
    assert_eq!(request(GOOD), (Some(503), false));
    plugin.advance(Duration::from_millis(999));
    assert_eq!(request(GOOD), (Some(503), false));
    plugin.advance(Duration::from_millis(1));
    assert_eq!(request(GOOD), (None, true));
    assert_eq!(plugin.restarts(), 1);
    assert_eq!(request(BAD), (Some(503), false));
    assert_eq!(request(GOOD), (Some(503), false));
    plugin.advance(Duration::from_secs(1));
    assert_eq!(request(GOOD), (Some(503), false), "the second time it takes two seconds");
    plugin.advance(Duration::from_secs(1));
    assert_eq!(request(GOOD), (None, true));
}

#[test]
fn a_stream_of_a_vm_that_was_replaced_has_failed() {
    let plugin = trapping(FailPolicy::FailClosed, &VirtualClock::default());
    let mut old = plugin.stream(StreamInfo::new());
    old.send_request_headers(GOOD, false);
    plugin.stream(StreamInfo::new()).send_request_headers(BAD, true);
    assert_eq!(plugin.restart_failed().unwrap(), 1);
    assert_eq!(status(&old.send_request_body("b", true)), Some(503));
    let mut new = plugin.stream(StreamInfo::new());
    assert_eq!(new.send_request_headers(GOOD, true), Action::Continue);
    old.finish();
}

#[test]
fn a_vm_fails_when_its_embedder_says_so() {
    let plugin = trapping(FailPolicy::FailClosed, &VirtualClock::default());
    assert!(!plugin.fail_vm(1), "there is one VM");
    assert!(plugin.fail_vm(0));
    assert!(plugin.failure().unwrap().is_trap());
    assert_eq!(
        status(&plugin.stream(StreamInfo::new()).send_request_headers(GOOD, true)),
        Some(503)
    );
    assert_eq!(plugin.restart_failed().unwrap(), 1);
    let mut new = plugin.stream(StreamInfo::new());
    assert_eq!(new.send_request_headers(GOOD, true), Action::Continue);
}

#[test]
fn a_trap_while_configuring_is_an_error() {
    let error =
        evil(r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) unreachable)"#)
            .build()
            .err()
            .unwrap();
    assert!(error.to_string().contains("proxy_on_configure"), "{error}");
}

#[test]
fn what_a_guest_can_make_the_host_keep_is_bounded() {
    let limits = small().shared_bytes(100).metrics(2).http_calls(1).filter_state_bytes(10);
    let plugin = builder(&on_request(
        r#"(call $note (call $set_shared @"k" (i32.const 0) (i32.const 200) (i32.const 0)))
           (drop (call $register @"q" (i32.const 24)))
           (call $note (call $enqueue (i32.const 1) (i32.const 0) (i32.const 60)))
           (call $note (call $enqueue (i32.const 1) (i32.const 0) (i32.const 60)))
           (drop (call $define_metric (i32.const 0) @"a" (i32.const 24)))
           (call $note (call $define_metric (i32.const 0) @"b" (i32.const 24)))
           (call $note (call $define_metric (i32.const 0) @"c" (i32.const 24)))
           (call $note (call $set_property @"a" (i32.const 0) (i32.const 9)))
           (call $note (call $set_property @"b" (i32.const 0) (i32.const 9)))"#,
    ))
    .limits(limits)
    .build()
    .unwrap();
    assert_eq!(one_request(&plugin), ["10", "0", "10", "0", "10", "0", "10"]);
    assert!(said(&plugin).is_empty());
}
