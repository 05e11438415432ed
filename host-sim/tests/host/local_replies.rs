//! Replies that the guest sends itself.

use crate::guest::{GET, on_request, plugin, said};
use serin_host_sim::{Action, HeaderMap, StreamInfo};

const REPLY: &str = r#"(call $note (call $reply (i32.const 429) @"too many" @"slow down"
    @"\01\00\00\00\03\00\00\00\01\00\00\00x-a\001\00" (i32.const -1)))"#;

fn request(body: &str) -> (Action, Vec<String>) {
    let plugin = plugin(body);
    let action = plugin.stream(StreamInfo::new()).send_request_headers(GET, true);
    (action, said(&plugin))
}

fn text(headers: &HeaderMap) -> Vec<String> {
    let line = |(k, v)| format!("{}: {}", String::from_utf8_lossy(k), String::from_utf8_lossy(v));
    headers.iter().map(line).collect()
}

#[test]
fn a_reply_overrides_the_action() {
    let (action, _) = request(&on_request(REPLY));
    let reply = action.local_reply().unwrap();
    assert_eq!((reply.status, &reply.body[..]), (429, &b"slow down"[..]));
    assert_eq!((reply.details.as_str(), reply.grpc_status), ("too_many", None));
    let expected = [":status: 429", "x-a: 1", "content-length: 9", "content-type: text/plain"];
    assert_eq!(text(&reply.headers), expected);
}

#[test]
fn a_reply_passes_through_the_response_callbacks() {
    let (action, said) = request(&format!(
        r#"{}
        (func (export "proxy_on_response_headers") (param i32) (param $n i32) (param $end i32)
          (result i32)
          (call $note (local.get $n)) (call $note (local.get $end))
          (drop (call $replace (i32.const 2) @":status" @"418"))
          ;; The request's headers were never passed on, so they can still be read.
          (call $note (call $get (i32.const 0) @":path" (i32.const 16) (i32.const 20)))
          (i32.const 0))
        (func (export "proxy_on_response_body") (param i32) (param $size i32) (param $end i32)
          (result i32)
          (call $note (local.get $size)) (call $note (local.get $end))
          (drop (call $set_buffer (i32.const 1) (i32.const 0) (i32.const 99) @"tea"))
          (i32.const 0))"#,
        on_request(REPLY)
    ));
    let reply = action.local_reply().unwrap();
    assert_eq!((reply.status, &reply.body[..]), (418, &b"tea"[..]));
    assert_eq!(said, ["0", "4", "0", "0", "9", "1"]);
}

#[test]
fn a_reply_in_place_of_a_response_is_direct() {
    let plugin = plugin(&format!(
        r#"(func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
             {REPLY} (i32.const 0))"#
    ));
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, true);
    let action = stream.send_response_headers([(":status", "200")], false);
    assert_eq!(action.local_reply().unwrap().status, 429);
    assert_eq!(said(&plugin), ["0"], "the callback came once");
}

#[test]
fn a_reply_that_comes_too_late_resets() {
    let plugin = plugin(&format!(
        r#"(func (export "proxy_on_response_body") (param i32 i32 i32) (result i32)
             {REPLY} (i32.const 0))"#
    ));
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, true);
    stream.send_response_headers([(":status", "200")], false);
    assert_eq!(stream.send_response_body("x", false), Action::Reset);
}

#[test]
fn close_resets() {
    let (action, said) = request(&on_request(
        "(call $note (call $close (i32.const 0))) (call $note (call $close (i32.const 4)))",
    ));
    assert_eq!((action, said), (Action::Reset, vec!["0".to_owned(), "2".to_owned()]));
}

#[test]
fn a_grpc_request_gets_a_grpc_answer() {
    let plugin =
        plugin(&on_request(r#"(drop (call $reply (i32.const 403) @"" @"no" @"" (i32.const 7)))"#));
    let mut stream = plugin.stream(StreamInfo::new());
    let headers = GET.into_iter().chain([("content-type", "application/grpc+proto")]);
    let action = stream.send_request_headers(headers, false);
    let reply = action.local_reply().unwrap();
    assert_eq!((reply.status, reply.body.len()), (200, 0));
    assert_eq!(reply.headers.get_str("grpc-status"), Some("7"));
    assert_eq!(reply.headers.get_str("grpc-message"), Some("no"));
}

#[test]
fn continue_has_status_codes() {
    let (_, said) = request(&on_request(
        "(call $note (call $continue (i32.const 2))) (call $note (call $continue (i32.const 3)))
         (call $note (call $continue (i32.const 4)))",
    ));
    assert_eq!(said, ["0", "12", "2"]);
}
