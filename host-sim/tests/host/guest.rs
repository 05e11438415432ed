//! Guests in the text format, with the boilerplate left out.
//!
//! `@"text"` stands for the two constants of a string's address and length. `$note` logs a number,
//! `$tell` logs the bytes that a call returned through the pointers 16 and 20.

use serin_host_sim::{Plugin, PluginBuilder, StreamInfo};
use std::fmt::Write;

const IMPORTS: &[(&str, &str, usize)] = &[
    ("$log", "proxy_log", 3),
    ("$log_level", "proxy_get_log_level", 1),
    ("$get_property", "proxy_get_property", 4),
    ("$set_property", "proxy_set_property", 4),
    ("$get", "proxy_get_header_map_value", 5),
    ("$pairs", "proxy_get_header_map_pairs", 3),
    ("$size", "proxy_get_header_map_size", 2),
    ("$add", "proxy_add_header_map_value", 5),
    ("$replace", "proxy_replace_header_map_value", 5),
    ("$remove", "proxy_remove_header_map_value", 3),
    ("$set_pairs", "proxy_set_header_map_pairs", 3),
    ("$buffer", "proxy_get_buffer_bytes", 5),
    ("$buffer_status", "proxy_get_buffer_status", 3),
    ("$set_buffer", "proxy_set_buffer_bytes", 5),
    ("$continue", "proxy_continue_stream", 1),
    ("$close", "proxy_close_stream", 1),
    ("$reply", "proxy_send_local_response", 8),
    ("$effective", "proxy_set_effective_context", 1),
    ("$done", "proxy_done", 0),
    ("$status", "proxy_get_status", 3),
    ("$http_call", "proxy_http_call", 10),
    ("$get_shared", "proxy_get_shared_data", 5),
    ("$set_shared", "proxy_set_shared_data", 5),
    ("$register", "proxy_register_shared_queue", 3),
    ("$resolve", "proxy_resolve_shared_queue", 5),
    ("$enqueue", "proxy_enqueue_shared_queue", 3),
    ("$dequeue", "proxy_dequeue_shared_queue", 3),
    ("$define_metric", "proxy_define_metric", 4),
    ("$get_metric", "proxy_get_metric", 2),
    ("$tick_period", "proxy_set_tick_period_milliseconds", 1),
    ("$now", "proxy_get_current_time_nanoseconds", 1),
    ("$foreign", "proxy_call_foreign_function", 6),
    ("$grpc_call", "proxy_grpc_call", 12),
    ("$grpc_stream", "proxy_grpc_stream", 9),
    ("$grpc_send", "proxy_grpc_send", 4),
];

const PRELUDE: &str = r#"
  (import "env" "proxy_increment_metric" (func $increment (param i32 i64) (result i32)))
  (import "env" "proxy_record_metric" (func $record (param i32 i64) (result i32)))
  (memory (export "memory") 2)
  (global $heap (mut i32) (i32.const 65536))
  (func $malloc (export "malloc") (param $size i32) (result i32)
    (global.get $heap)
    (global.set $heap (i32.add (global.get $heap) (local.get $size)))
    (if (i32.gt_u (global.get $heap) (i32.const 130000))
      (then (global.set $heap (i32.const 65536)))))
  ;; Logs a number below a thousand.
  (func $note (param $n i32)
    (i32.store8 (i32.const 32) (i32.add (i32.const 48) (i32.div_u (local.get $n) (i32.const 100))))
    (i32.store8 (i32.const 33) (i32.add (i32.const 48)
      (i32.rem_u (i32.div_u (local.get $n) (i32.const 10)) (i32.const 10))))
    (i32.store8 (i32.const 34) (i32.add (i32.const 48) (i32.rem_u (local.get $n) (i32.const 10))))
    (if (i32.ge_u (local.get $n) (i32.const 100))
      (then (drop (call $log (i32.const 2) (i32.const 32) (i32.const 3))))
      (else (if (i32.ge_u (local.get $n) (i32.const 10))
        (then (drop (call $log (i32.const 2) (i32.const 33) (i32.const 2))))
        (else (drop (call $log (i32.const 2) (i32.const 34) (i32.const 1))))))))
  (func $tell
    (drop (call $log (i32.const 2) (i32.load (i32.const 16)) (i32.load (i32.const 20)))))
"#;

/// A module for ABI 0.2.1.
pub(crate) fn wasm(body: &str) -> Vec<u8> {
    wasm_of("proxy_abi_version_0_2_1", body)
}

/// A module for some ABI.
pub(crate) fn wasm_of(abi: &str, body: &str) -> Vec<u8> {
    let mut text = "(module\n".to_owned();
    for (name, import, params) in IMPORTS {
        if abi == "proxy_abi_version_0_1_0" && *import == "proxy_get_log_level" {
            continue;
        }
        let params = " i32".repeat(*params);
        writeln!(text, "(import \"env\" \"{import}\" (func {name} (param{params}) (result i32)))")
            .unwrap();
    }
    // Imports come before everything else, so a test's own are moved to the front.
    let (imports, rest): (Vec<&str>, Vec<&str>) =
        body.lines().partition(|line| line.trim_start().starts_with("(import"));
    text.push_str(&imports.join("\n"));
    text.push_str(PRELUDE);
    writeln!(text, "(func (export \"{abi}\"))").unwrap();
    let (body, data) = strings(&rest.join("\n"));
    writeln!(text, "{body}\n{data})").unwrap();
    wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"))
}

/// Puts the strings into memory from 1024 on.
fn strings(body: &str) -> (String, String) {
    let (mut text, mut data, mut at) = (String::new(), String::new(), 1024);
    let mut parts = body.split("@\"");
    text.push_str(parts.next().unwrap_or_default());
    for part in parts {
        let (string, rest) = part.split_once('"').expect("the string ends");
        let escapes = string.matches('\\').count();
        let len = string.len() - 2 * escapes;
        write!(text, "(i32.const {at}) (i32.const {len}){rest}").unwrap();
        writeln!(data, "(data (i32.const {at}) \"{string}\")").unwrap();
        at += len;
    }
    (text, data)
}

/// A plugin of a guest.
pub(crate) fn plugin(body: &str) -> Plugin {
    builder(body).build().unwrap()
}

pub(crate) fn builder(body: &str) -> PluginBuilder {
    Plugin::builder(wasm(body)).vm_id("vm").root_id("root").name("test")
}

/// What the guest has logged since the last time.
#[track_caller]
pub(crate) fn said(plugin: &Plugin) -> Vec<String> {
    let lines = plugin.logs();
    plugin.clear_logs();
    lines.into_iter().filter(|line| !line.by_host).map(|line| line.message).collect()
}

/// What the host has logged since the last time.
pub(crate) fn host_said(plugin: &Plugin) -> Vec<String> {
    let lines = plugin.logs();
    plugin.clear_logs();
    lines.into_iter().filter(|line| line.by_host).map(|line| line.message).collect()
}

pub(crate) const GET: [(&str, &str); 4] =
    [(":method", "GET"), (":scheme", "http"), (":authority", "a.example"), (":path", "/p?q=1")];

/// Sends a request without a body through and returns what the guest said.
pub(crate) fn one_request(plugin: &Plugin) -> Vec<String> {
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, true);
    stream.send_response_headers([(":status", "200")], true);
    stream.finish();
    said(plugin)
}

/// A guest that does this with its request headers.
pub(crate) fn on_request(body: &str) -> String {
    format!(
        "(func (export \"proxy_on_request_headers\") (param $id i32) (param i32 i32) (result i32)\n\
         {body}\n(i32.const 0))"
    )
}
