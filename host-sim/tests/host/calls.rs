//! HTTP calls, contexts, and streams that wait for an answer.

use crate::guest::{GET, builder, on_request, plugin, said};
use serin_host_sim::{Action, HttpResponse, StreamInfo};
use std::time::Duration;

/// Calls `auth` for every request, waits, and lets the answer's status decide.
const AUTH: &str = r#"
  (global $stream (mut i32) (i32.const 0))
  (func $call (result i32)
    (call $http_call @"auth"
      @"\03\00\00\00\05\00\00\00\02\00\00\00\07\00\00\00\03\00\00\00\0a\00\00\00\01\00\00\00:path\00/a\00:method\00GET\00:authority\00a\00"
      @"hi" @"" (i32.const 1000) (i32.const 24)))
  (func (export "proxy_on_request_headers") (param $id i32) (param i32 i32) (result i32)
    (global.set $stream (local.get $id))
    (call $note (call $call))
    (i32.const 1))
  (func (export "proxy_on_http_call_response")
    (param i32) (param $token i32) (param $headers i32) (param $body i32) (param $trailers i32)
    (call $note (local.get $headers)) (call $note (local.get $body))
    (call $note (local.get $trailers))
    (drop (call $get (i32.const 6) @":status" (i32.const 16) (i32.const 20)))
    (if (local.get $headers) (then (call $tell)))
    (call $note (call $buffer (i32.const 4) (i32.const 0) (i32.const 99) (i32.const 16) (i32.const 20)))
    (if (local.get $body) (then (call $tell)))
    (call $note (call $status (i32.const 24) (i32.const 16) (i32.const 20)))
    (if (i32.eqz (local.get $headers)) (then (call $note (i32.load (i32.const 24))) (call $tell)))
    (call $note (call $effective (i32.const 999)))
    (call $note (call $effective (global.get $stream)))
    (call $note (call $add (i32.const 0) @"x-auth" @"yes"))
    (call $note (call $continue (i32.const 0))))
"#;

#[test]
fn a_call_is_answered_and_the_stream_goes_on() {
    let plugin = plugin(AUTH);
    let mut stream = plugin.stream(StreamInfo::new());
    assert_eq!(stream.send_request_headers(GET, true), Action::Pause);
    let calls = plugin.take_http_calls();
    assert_eq!(calls.len(), 1);
    assert_eq!((calls[0].cluster.as_str(), &calls[0].body[..]), ("auth", &b"hi"[..]));
    assert_eq!(calls[0].headers.get_str("content-length"), Some("2"));
    assert_eq!(calls[0].timeout, Some(Duration::from_secs(1)));
    assert!(plugin.take_http_calls().is_empty());
    let response = HttpResponse::new(204).header("x", "y").body("fine").trailer("t", "1");
    assert!(plugin.respond(calls[0].id, response.clone()));
    assert!(!plugin.respond(calls[0].id, response), "an answer comes once");
    assert_eq!(said(&plugin), ["0", "2", "4", "1", "204", "0", "fine", "0", "2", "0", "0", "0"]);
    assert_eq!(stream.request_action(), Action::Continue);
    assert_eq!(stream.request_headers().get_str("x-auth"), Some("yes"));
}

#[test]
fn a_reset_has_no_headers_and_a_status() {
    let plugin = plugin(AUTH);
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, true);
    assert!(plugin.reset(plugin.take_http_calls()[0].id));
    assert_eq!(said(&plugin), ["0", "0", "0", "0", "1", "0", "11", "reset", "2", "0", "0", "0"]);
}

#[test]
fn a_timeout_is_a_504() {
    let plugin = plugin(AUTH);
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, true);
    plugin.advance(Duration::from_millis(999));
    assert_eq!(stream.request_action(), Action::Pause);
    plugin.advance(Duration::from_millis(1));
    assert_eq!(said(&plugin)[4], "504");
    assert_eq!(stream.request_action(), Action::Continue);
}

#[test]
fn a_handler_answers_at_once() {
    let plugin = builder(AUTH)
        .cluster("auth")
        .on_http_call(|call| Some(HttpResponse::new(200).body(call.cluster.clone())))
        .build()
        .unwrap();
    let mut stream = plugin.stream(StreamInfo::new());
    assert_eq!(stream.send_request_headers(GET, true), Action::Continue);
    assert_eq!(said(&plugin)[6], "auth");
}

#[test]
fn what_cannot_be_called_is_a_bad_argument() {
    let unknown = builder(AUTH).cluster("other").build().unwrap();
    let mut stream = unknown.stream(StreamInfo::new());
    assert_eq!(stream.send_request_headers(GET, true), Action::Pause);
    assert_eq!(said(&unknown), ["2"]);
    // Without :path, :method and :authority there is no request; and the timeout is signed.
    let plugin = plugin(&on_request(
        r#"(call $note (call $http_call @"auth" @"\00\00\00\00" @"" @"" (i32.const 1)
             (i32.const 24)))
           (call $note (call $http_call @"auth" @"\00\00\00\00" @"" @"" (i32.const -1)
             (i32.const -1)))"#,
    ));
    plugin.stream(StreamInfo::new()).send_request_headers(GET, true);
    assert_eq!(said(&plugin), ["2", "6"]);
}

#[test]
fn progress_is_told_to_whoever_waits() {
    let plugin = plugin(AUTH);
    let mut stream = plugin.stream(StreamInfo::new());
    let (told, progress) = std::sync::mpsc::channel();
    stream.on_progress(move || told.send(()).unwrap());
    stream.send_request_headers(GET, true);
    assert!(progress.try_recv().is_err());
    plugin.respond(plugin.take_http_calls()[0].id, HttpResponse::new(200));
    assert!(progress.try_recv().is_ok());
}
