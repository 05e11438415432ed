//! Header maps: which are there in which phase, and Envoy's status codes when they are not.

use crate::guest::{GET, builder, on_request, one_request, plugin, said, wasm_of};
use serin_host_sim::{Action, Limits, Plugin, StreamInfo};

/// Notes what reading and writing the four maps says.
const PROBE: &str = r#"
  (func $probe (param $map i32)
    (call $note (call $get (local.get $map) @"x-none" (i32.const 16) (i32.const 20)))
    (call $note (call $add (local.get $map) @"x-probe" @"1"))
    (call $note (call $size (local.get $map) (i32.const 24))))
  (func $all
    (call $probe (i32.const 0)) (call $probe (i32.const 1))
    (call $probe (i32.const 2)) (call $probe (i32.const 3)))
"#;

fn all_in(callback: &str, params: usize, result: &str) -> Plugin {
    let params = " i32".repeat(params);
    let result = if result.is_empty() {
        (String::new(), String::new())
    } else {
        ("(result i32)".to_owned(), format!("(i32.const {result})"))
    };
    plugin(&format!(
        "{PROBE}(func (export \"{callback}\") (param{params}) {} (call $all) {})",
        result.0, result.1
    ))
}

fn whole(plugin: &Plugin) -> Vec<String> {
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, false);
    stream.send_request_body("body", false);
    stream.send_request_trailers([("t", "1")]);
    stream.send_response_headers([(":status", "200")], false);
    stream.send_response_body("body", false);
    stream.send_response_trailers([("t", "1")]);
    stream.finish();
    said(plugin)
}

#[test]
fn each_phase_has_its_maps() {
    // Not found, added, sized where the map is there; a bad argument thrice where it is not.
    const HERE: [&str; 3] = ["1", "0", "0"];
    const AWAY: [&str; 3] = ["2", "2", "2"];
    let phases = [
        ("proxy_on_request_headers", 3, [HERE, AWAY, AWAY, AWAY]),
        ("proxy_on_request_body", 3, [AWAY, AWAY, AWAY, AWAY]),
        ("proxy_on_request_trailers", 2, [AWAY, HERE, AWAY, AWAY]),
        ("proxy_on_response_headers", 3, [AWAY, AWAY, HERE, AWAY]),
        ("proxy_on_response_body", 3, [AWAY, AWAY, AWAY, AWAY]),
        ("proxy_on_response_trailers", 2, [AWAY, AWAY, AWAY, HERE]),
    ];
    for (callback, params, expected) in phases {
        assert_eq!(whole(&all_in(callback, params, "0")), expected.concat(), "{callback}");
    }
}

#[test]
fn the_log_reads_but_does_not_write() {
    // Reading a map that is not there says "not found" in the log, not "bad argument".
    let read_only = ["1", "2", "2"];
    assert_eq!(whole(&all_in("proxy_on_log", 1, "")), [read_only; 4].concat());
}

#[test]
fn root_contexts_have_no_maps() {
    let plugin = all_in("proxy_on_configure", 2, "1");
    assert_eq!(said(&plugin), vec!["2"; 12]);
}

#[test]
fn paused_headers_stay_open_until_continued() {
    let plugin = plugin(
        r#"
        (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32) (i32.const 1))
        (func (export "proxy_on_response_headers") (param i32 i32 i32) (result i32)
          (call $note (call $get (i32.const 0) @":path" (i32.const 16) (i32.const 20)))
          (call $note (call $continue (i32.const 0)))
          (call $note (call $get (i32.const 0) @":path" (i32.const 16) (i32.const 20)))
          (i32.const 0))"#,
    );
    let mut stream = plugin.stream(StreamInfo::new());
    assert_eq!(stream.send_request_headers(GET, true), Action::Pause);
    stream.send_response_headers([(":status", "200")], true);
    assert_eq!(said(&plugin), ["0", "0", "2"]);
    assert_eq!(stream.request_action(), Action::Continue);
}

#[test]
fn changes_arrive_and_the_route_is_chosen_anew() {
    let plugin = plugin(&on_request(
        r#"
        (drop (call $add (i32.const 0) @"X-Two" @"a"))
        (drop (call $add (i32.const 0) @"x-two" @"b"))
        (drop (call $replace (i32.const 0) @":path" @"/new"))
        (drop (call $remove (i32.const 0) @"x-gone"))"#,
    ));
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET.into_iter().chain([("x-gone", "1"), ("x-stays", "2")]), true);
    let headers = stream.request_headers();
    assert_eq!(headers.get_all("x-two").collect::<Vec<_>>(), [b"a", b"b"]);
    assert_eq!(headers.get_str(":path"), Some("/new"));
    assert_eq!((headers.get("x-gone"), headers.get_str("x-stays")), (None, Some("2")));
    assert_eq!(stream.route_cache_cleared(), 4);
}

#[test]
fn get_returns_the_first_of_several() {
    let plugin = plugin(&on_request(
        r#"(call $note (call $get (i32.const 0) @"X-A" (i32.const 16) (i32.const 20))) (call $tell)
           (call $note (call $get (i32.const 0) @"host" (i32.const 16) (i32.const 20))) (call $tell)"#,
    ));
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET.into_iter().chain([("x-a", "1"), ("x-a", "2")]), true);
    assert_eq!(said(&plugin), ["0", "1", "0", "a.example"]);
}

#[test]
fn abi_0_1_0_gets_an_empty_value_for_a_missing_header() {
    let body = r#"(func (export "proxy_on_request_headers") (param i32 i32) (result i32)
        (call $note (call $get (i32.const 0) @"x" (i32.const 16) (i32.const 20)))
        (i32.const 0))"#;
    let wasm = wasm_of("proxy_abi_version_0_1_0", body);
    let plugin = Plugin::builder(wasm).build().unwrap();
    assert_eq!(one_request(&plugin), ["0"]);
}

#[test]
fn a_map_round_trips_as_pairs() {
    let plugin = plugin(&on_request(
        r#"(call $note (call $pairs (i32.const 0) (i32.const 16) (i32.const 20)))
           (call $note (call $set_pairs (i32.const 0) (i32.load (i32.const 16))
             (i32.load (i32.const 20))))"#,
    ));
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, true);
    assert_eq!(said(&plugin), ["0", "0"]);
    let names: Vec<_> = stream.request_headers().iter().map(|(name, _)| name.to_vec()).collect();
    assert_eq!(names, GET.map(|(name, _)| name.as_bytes()));
}

#[test]
fn malformed_pairs_empty_the_map() {
    // One pair is promised and not there. Envoy decodes that to nothing, and sets nothing.
    let plugin = plugin(&on_request(
        r#"(call $note (call $set_pairs (i32.const 0) @"\01\00\00\00\05\00\00\00"))"#,
    ));
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, true);
    assert_eq!(said(&plugin), ["0"]);
    assert!(stream.request_headers().is_empty());
}

#[test]
fn pairs_of_an_absent_map_are_none_and_no_error() {
    let plugin = plugin(&on_request(
        r#"(i32.store (i32.const 16) (i32.const 7)) (i32.store (i32.const 20) (i32.const 7))
           (call $note (call $pairs (i32.const 2) (i32.const 16) (i32.const 20)))
           (call $note (i32.load (i32.const 16))) (call $note (i32.load (i32.const 20)))
           (call $note (call $pairs (i32.const 8) (i32.const 16) (i32.const 20)))"#,
    ));
    assert_eq!(one_request(&plugin), ["0", "0", "0", "2"]);
}

#[test]
fn trailers_can_be_added_with_the_last_chunk() {
    let plugin = plugin(
        r#"(func (export "proxy_on_request_body") (param i32 i32) (param $end i32) (result i32)
             (call $note (call $add (i32.const 1) @"t" @"1")) (i32.const 0))"#,
    );
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, false);
    stream.send_request_body("a", false);
    stream.send_request_body("b", true);
    assert_eq!(said(&plugin), ["2", "0"]);
    assert_eq!(stream.request_trailers().unwrap().get_str("t"), Some("1"));
}

#[test]
fn header_maps_are_bounded() {
    let limits = Limits::default().header_count(5).header_bytes(200);
    let plugin = builder(&on_request(
        r#"(call $note (call $add (i32.const 0) @"a" @"1"))
           (call $note (call $add (i32.const 0) @"b" @"2"))"#,
    ))
    .limits(limits)
    .build()
    .unwrap();
    assert_eq!(one_request(&plugin), ["0", "10"]);
}
