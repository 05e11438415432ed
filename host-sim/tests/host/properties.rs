//! Properties, filter state, foreign functions, the log's level.

use crate::guest::{GET, builder, host_said, on_request, one_request, plugin, said};
use serin_host_sim::{LogLevel, Status, StreamInfo};

fn read(path: &str) -> String {
    format!(
        r#"(call $note (call $get_property @"{path}" (i32.const 16) (i32.const 20))) (call $tell)"#
    )
}

#[test]
fn attributes_of_the_request() {
    let paths = [
        ("request\\00path", "/p?q=1"),
        ("request\\00url_path", "/p"),
        ("request\\00query", "q=1"),
        ("request\\00host", "a.example"),
        ("request\\00headers\\00x-a", "1,2"),
        ("source\\00address", "192.0.2.1:5"),
        ("plugin_name", "test"),
        ("plugin_root_id", "root"),
        ("plugin_vm_id", "vm"),
        ("xds\\00route_name", "r"),
        ("node\\00id", "n"),
        ("metadata\\00filter_metadata\\00envoy.filters.http.jwt_authn\\00payload\\00sub", "ada"),
    ];
    let body: String = paths.iter().map(|(path, _)| read(path)).collect();
    let plugin = builder(&on_request(&body)).property(&["node", "id"], "n").build().unwrap();
    let info = StreamInfo::new()
        .source("192.0.2.1:5")
        .property(&["xds", "route_name"], "r")
        .metadata("envoy.filters.http.jwt_authn", serde_json::json!({"payload": {"sub": "ada"}}));
    let mut stream = plugin.stream(info);
    stream.send_request_headers(GET.into_iter().chain([("x-a", "1"), ("x-a", "2")]), true);
    let expected: Vec<&str> = paths.iter().flat_map(|(_, value)| ["0", *value]).collect();
    assert_eq!(said(&plugin), expected);
}

#[test]
fn what_is_not_there_yet_is_not_found() {
    // The code is there once the headers have gone on, the duration when the stream is over, and
    // what comes from the request's headers only while they are open.
    let probe = r#"(func $probe
        (call $note (call $get_property @"request\00duration" (i32.const 16) (i32.const 20)))
        (call $note (call $get_property @"response\00code" (i32.const 16) (i32.const 20)))
        (call $note (call $get_property @"request\00path" (i32.const 16) (i32.const 20)))
        (call $note (call $get_property @"no\00such" (i32.const 16) (i32.const 20))))
      (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
        (call $probe) (i32.const 0))
      (func (export "proxy_on_log") (param i32) (call $probe))"#;
    let headers = ["1", "1", "1", "1"];
    let log = ["0", "0", "0", "1"];
    assert_eq!(one_request(&plugin(probe)), [headers, log].concat());
}

#[test]
fn filter_state_is_written_and_read_back() {
    let plugin = plugin(&on_request(&format!(
        r#"(call $note (call $set_property @"serin" @"decision")) {} {}"#,
        read("serin"),
        read("filter_state\\00wasm.serin"),
    )));
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, true);
    assert_eq!(said(&plugin), ["0", "0", "decision", "0", "decision"]);
    stream.finish();
    assert_eq!(stream.filter_state("serin"), Some(b"decision".to_vec()));
}

#[test]
fn a_root_context_has_no_filter_state() {
    let plugin = plugin(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (call $note (call $set_property @"a" @"b")) (i32.const 1))"#,
    );
    assert_eq!(said(&plugin), ["1"]);
}

#[test]
fn foreign_functions_are_called_by_name() {
    let plugin = builder(&on_request(
        r#"(call $note (call $foreign @"shout" @"hey" (i32.const 16) (i32.const 20))) (call $tell)
           (call $note (call $foreign @"fail" @"" (i32.const 16) (i32.const 20)))
           (call $note (call $foreign @"nobody" @"" (i32.const 16) (i32.const 20)))
           (call $note (call $foreign @"clear_route_cache" @"" (i32.const 0) (i32.const 0)))"#,
    ))
    .foreign_function("shout", |args| Ok(args.to_ascii_uppercase()))
    .foreign_function("fail", |_| Err(Status::ParseFailure))
    .build()
    .unwrap();
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, true);
    assert_eq!(stream.route_cache_cleared(), 1);
    let lines: Vec<_> = plugin.logs().into_iter().map(|line| line.message).collect();
    let unsupported = "unsupported: the foreign function nobody";
    assert_eq!(lines, ["0", "HEY", "4", unsupported, "1", "0"]);
}

#[test]
fn declared_filter_state_outlives_an_internal_redirect() {
    // The message: field 1 is the name, field 3 the type, field 5 the life span.
    let declare = |message: &str| {
        format!(
            r#"(call $note (call $foreign @"declare_property" @"{message}" (i32.const 0) (i32.const 0)))"#
        )
    };
    let read = |name| {
        let call = format!(r#"(call $get_property @"{name}" (i32.const 16) (i32.const 20))"#);
        format!("(call $note {call}) (call $tell)")
    };
    let plugin = plugin(&format!(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32) {} {} {} {} {} (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) {} {} {}
             (drop (call $set_property @"ids" @"1")) (drop (call $set_property @"own" @"2"))
             (drop (call $set_property @"link" @"3")) (i32.const 0))"#,
        declare(r"\0a\03ids\18\01\28\01"),
        declare(r"\0a\04link\28\02"),
        declare(r"\0a\03own\28\00"),
        declare(r"\0a\03ids\28\01"),
        declare(r"\0a\09ids"),
        read("ids"),
        read("own"),
        read("link"),
    ));
    assert_eq!(said(&plugin), ["0", "0", "0", "2", "2"]);
    let mut first = plugin.stream(StreamInfo::new());
    first.send_request_headers(GET, true);
    let mut second = first.redirect();
    second.send_request_headers(GET, true);
    second.redirect().send_request_headers(GET, true);
    plugin.stream(StreamInfo::new()).send_request_headers(GET, true);
    // A status, and the bytes of the last successful read.
    let first = ["1", "", "1", "", "1", ""];
    let carried = ["0", "1", "1", "1", "0", "3"];
    let other = ["1", "3", "1", "3", "1", "3"];
    assert_eq!(said(&plugin), [first, carried, carried, other].concat());
}

#[test]
fn grpc_is_refused_by_name_and_once() {
    let zeros = "(i32.const 0)".repeat(12);
    let nine = "(i32.const 0)".repeat(9);
    let four = "(i32.const 0)".repeat(4);
    let plugin = plugin(&on_request(&format!(
        "(call $note (call $grpc_call {zeros})) (call $note (call $grpc_call {zeros}))
         (call $note (call $grpc_stream {nine})) (call $note (call $grpc_send {four}))"
    )));
    one_request(&plugin);
    let plugin_again = plugin.clone();
    let mut stream = plugin_again.stream(StreamInfo::new());
    stream.send_request_headers(GET, true);
    assert_eq!(said(&plugin), ["12", "12", "12", "1"]);
    let fresh = crate::guest::plugin(&on_request(&format!(
        "(drop (call $grpc_call {zeros})) (drop (call $grpc_call {zeros}))"
    )));
    let mut stream = fresh.stream(StreamInfo::new());
    stream.send_request_headers(GET, true);
    assert_eq!(host_said(&fresh), ["unsupported: proxy_grpc_call"]);
}

#[test]
fn the_level_is_told_and_kept() {
    let body = on_request(
        r#"(call $note (call $log_level (i32.const 24))) (call $note (i32.load (i32.const 24)))
           (drop (call $log (i32.const 1) @"debug")) (drop (call $log (i32.const 4) @"error"))
           (call $note (call $log (i32.const 6) @"?"))"#,
    );
    let info = builder(&body).build().unwrap();
    assert_eq!(one_request(&info), ["0", "2", "error", "2"]);
    let debug = builder(&body).log_level(LogLevel::Debug).build().unwrap();
    assert_eq!(one_request(&debug), ["0", "1", "debug", "error", "2"]);
    let errors = builder(&body).log_level(LogLevel::Error).build().unwrap();
    assert_eq!(one_request(&errors), ["error"]);
}
