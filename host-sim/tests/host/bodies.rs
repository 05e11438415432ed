//! Bodies: chunk by chunk, held back, changed, too large.

use crate::guest::{GET, builder, plugin, said};
use serin_host_sim::{Action, Limits, StreamInfo};

/// Notes the size and says what it sees of the request's body, then returns `result`.
fn watching(result: &str) -> String {
    format!(
        r#"(func (export "proxy_on_request_body") (param i32) (param $size i32) (param $end i32)
             (result i32)
             (call $note (local.get $size))
             (drop (call $buffer (i32.const 0) (i32.const 0) (local.get $size)
               (i32.const 16) (i32.const 20)))
             (call $tell)
             {result})"#
    )
}

#[test]
fn chunks_go_on_as_they_come() {
    let plugin = plugin(&watching("(i32.const 0)"));
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, false);
    stream.send_request_body("one", false);
    assert_eq!(stream.take_request_body(), b"one");
    stream.send_request_body("three", true);
    assert_eq!(stream.take_request_body(), b"three");
    assert!(stream.request_complete());
    assert_eq!(said(&plugin), ["3", "one", "5", "three"]);
}

#[test]
fn a_paused_body_grows_and_goes_on_whole() {
    let result = "(if (result i32) (local.get $end) (then (i32.const 0)) (else (i32.const 1)))";
    let plugin = plugin(&watching(result));
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, false);
    assert_eq!(stream.send_request_body("one ", false), Action::Pause);
    assert_eq!(stream.send_request_body("two ", false), Action::Pause);
    assert_eq!(stream.take_request_body(), b"");
    assert_eq!(stream.send_request_body("three", true), Action::Continue);
    assert_eq!(stream.take_request_body(), b"one two three");
    assert_eq!(said(&plugin), ["4", "one ", "8", "one two ", "13", "one two three"]);
}

#[test]
fn what_follows_paused_headers_waits_for_them() {
    let plugin = plugin(&format!(
        r#"{}
        (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
          (global.set $stream (local.get $id)) (i32.const 1))
        (global $stream (mut i32) (i32.const 0))
        (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
          (drop (call $tick_period (i32.const 1))) (i32.const 1))
        (func (export "proxy_on_tick") (param i32)
          (drop (call $effective (global.get $stream)))
          (drop (call $continue (i32.const 0))))"#,
        watching("(i32.const 0)")
    ));
    let mut stream = plugin.stream(StreamInfo::new());
    assert_eq!(stream.send_request_headers(GET, false), Action::Pause);
    assert_eq!(stream.send_request_body("early ", false), Action::Pause);
    assert_eq!(stream.send_request_body("bird", true), Action::Pause);
    assert_eq!(said(&plugin), Vec::<String>::new());
    plugin.advance(std::time::Duration::from_millis(1));
    assert_eq!(stream.request_action(), Action::Continue);
    assert_eq!(stream.take_request_body(), b"early bird");
    assert!(stream.request_complete());
    assert_eq!(said(&plugin), ["10", "early bird"]);
}

#[test]
fn bodies_are_replaced_prepended_and_appended() {
    let body = |start: &str, len: &str| {
        format!(
            r#"(func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
                 (call $note (call $set_buffer (i32.const 1) (i32.const {start}) (i32.const {len})
                   @"new"))
                 (i32.const 0))"#
        )
    };
    let cases = [
        ("0", "0", "0", "newbody"),
        ("0", "4", "0", "new"),
        ("0", "100", "0", "new"),
        ("4", "0", "0", "bodynew"),
        ("-1", "0", "0", "bodynew"),
        ("0", "2", "2", "body"),
        ("2", "2", "2", "body"),
    ];
    for (start, len, status, after) in cases {
        let plugin = plugin(&body(start, len));
        let mut stream = plugin.stream(StreamInfo::new());
        stream.send_request_headers(GET, true);
        stream.send_response_headers([(":status", "200")], false);
        stream.send_response_body("body", true);
        assert_eq!(said(&plugin), [status], "{start} {len}");
        assert_eq!(stream.take_response_body(), after.as_bytes(), "{start} {len}");
    }
}

#[test]
fn buffers_have_status_codes() {
    let plugin = builder(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (call $note (call $buffer (i32.const 7) (i32.const 1) (i32.const 99)
               (i32.const 16) (i32.const 20))) (call $tell)
             (call $note (call $buffer (i32.const 7) (i32.const 7) (i32.const 1)
               (i32.const 16) (i32.const 20)))
             (call $note (call $buffer (i32.const 9) (i32.const 0) (i32.const 1)
               (i32.const 16) (i32.const 20)))
             (call $note (call $buffer (i32.const 4) (i32.const 0) (i32.const 1)
               (i32.const 16) (i32.const 20)))
             (call $note (call $set_buffer (i32.const 7) (i32.const 0) (i32.const 0) @"x"))
             (call $note (call $buffer_status (i32.const 7) (i32.const 24) (i32.const 28)))
             (call $note (i32.load (i32.const 24)))
             (i32.const 1))
           (func (export "proxy_on_vm_start") (param i32 i32) (result i32)
             (call $note (call $buffer (i32.const 6) (i32.const 0) (i32.const 99)
               (i32.const 16) (i32.const 20))) (call $tell)
             (call $note (call $buffer (i32.const 7) (i32.const 0) (i32.const 99)
               (i32.const 16) (i32.const 20)))
             (i32.const 1))
           (func (export "proxy_on_log") (param i32)
             (call $note (call $buffer (i32.const 7) (i32.const 0) (i32.const 99)
               (i32.const 16) (i32.const 20)))
             (call $note (call $buffer_status (i32.const 0) (i32.const 24) (i32.const 28)))
             (call $note (i32.load (i32.const 24))))"#,
    )
    .configuration("config")
    .vm_configuration("vm config")
    .build()
    .unwrap();
    let started = ["0", "vm config", "1"];
    let configured = ["0", "onfig", "2", "2", "1", "2", "0", "6"];
    assert_eq!(said(&plugin), [&started[..], &configured[..]].concat());
    drop(plugin.stream(StreamInfo::new()));
    assert_eq!(said(&plugin), ["1", "0", "0"]);
}

#[test]
fn a_held_body_that_grows_too_large_is_answered() {
    let limits = Limits::default().body_buffer_bytes(10);
    let hold = |which: &str| {
        format!(
            r#"(func (export "proxy_on_{which}_body") (param i32 i32 i32) (result i32) (i32.const 1))"#
        )
    };
    let plugin = builder(&hold("request")).limits(limits.clone()).build().unwrap();
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, false);
    assert_eq!(stream.send_request_body("123456789", false), Action::Pause);
    let action = stream.send_request_body("01", false);
    assert_eq!(action.local_reply().unwrap().status, 413);
    let plugin = builder(&hold("response")).limits(limits).build().unwrap();
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, true);
    // The headers have gone on already, so all that is left is a reset.
    stream.send_response_headers([(":status", "200")], false);
    assert_eq!(stream.send_response_body("12345678901", true), Action::Reset);
}

#[test]
fn trailers_end_a_held_body() {
    let plugin = plugin(
        r#"(func (export "proxy_on_request_body") (param i32 i32 i32) (result i32) (i32.const 1))
           (func (export "proxy_on_request_trailers") (param i32 i32) (result i32) (i32.const 0))"#,
    );
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, false);
    assert_eq!(stream.send_request_body("held", false), Action::Pause);
    assert_eq!(stream.send_request_trailers([("t", "1")]), Action::Continue);
    assert_eq!(stream.take_request_body(), b"held");
    assert!(stream.request_complete());
}
