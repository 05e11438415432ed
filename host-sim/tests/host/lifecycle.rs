//! Which callback comes when.

use crate::guest::{GET, builder, host_said, plugin, said, wasm_of};
use serin_host_sim::{Module, Plugin, StreamInfo};
use std::sync::{Arc, OnceLock};

/// Says the name of every callback and the context it is for.
fn tracing(done: &str) -> String {
    let simple = |name: &str, params: usize, result: &str| {
        let rest = " i32".repeat(params - 1);
        let (ty, value) = if result.is_empty() { ("", "") } else { ("(result i32)", result) };
        format!(
            r#"(func (export "proxy_on_{name}") (param $id i32) (param{rest}) {ty}
                 (drop (call $log (i32.const 2) @"{name}")) (call $note (local.get $id)) {value})"#
        )
    };
    [
        simple("context_create", 2, ""),
        simple("vm_start", 2, "(i32.const 1)"),
        simple("configure", 2, "(i32.const 1)"),
        simple("request_headers", 3, "(i32.const 0)"),
        simple("request_body", 3, "(i32.const 0)"),
        simple("request_trailers", 2, "(i32.const 0)"),
        simple("response_headers", 3, "(i32.const 0)"),
        simple("response_body", 3, "(i32.const 0)"),
        simple("response_trailers", 2, "(i32.const 0)"),
        simple("log", 1, ""),
        simple("done", 1, done),
        simple("delete", 1, ""),
    ]
    .concat()
}

fn words(plugin: &Plugin) -> String {
    said(plugin).join(" ")
}

#[test]
fn a_stream_from_its_creation_to_its_end() {
    let plugin = plugin(&tracing("(i32.const 1)"));
    assert_eq!(words(&plugin), "context_create 1 vm_start 1 configure 1");
    let mut stream = plugin.stream(StreamInfo::new());
    assert_eq!(words(&plugin), "", "the guest hears of a stream with its headers");
    stream.send_request_headers(GET, false);
    stream.send_request_body("b", false);
    stream.send_request_trailers([("t", "1")]);
    assert_eq!(
        words(&plugin),
        "context_create 2 request_headers 2 request_body 2 request_trailers 2"
    );
    stream.send_response_headers([(":status", "200")], false);
    stream.send_response_body("b", false);
    stream.send_response_trailers([("t", "1")]);
    assert_eq!(words(&plugin), "response_headers 2 response_body 2 response_trailers 2");
    stream.finish();
    assert_eq!(words(&plugin), "log 2 done 2 delete 2");
    stream.finish();
    drop(stream);
    assert_eq!(words(&plugin), "", "a stream ends once");
}

#[test]
fn a_stream_without_headers_is_logged_too() {
    let plugin = plugin(&tracing("(i32.const 1)"));
    said(&plugin);
    drop(plugin.stream(StreamInfo::new()));
    assert_eq!(words(&plugin), "context_create 2 log 2 done 2 delete 2");
}

#[test]
fn streams_of_one_vm_may_overlap() {
    let plugin = plugin(&tracing("(i32.const 1)"));
    said(&plugin);
    let mut first = plugin.stream(StreamInfo::new());
    let mut second = plugin.stream(StreamInfo::new());
    second.send_request_headers(GET, true);
    first.send_request_headers(GET, true);
    second.finish();
    first.finish();
    assert_eq!(
        words(&plugin),
        "context_create 3 request_headers 3 context_create 2 request_headers 2 \
         log 3 done 3 delete 3 log 2 done 2 delete 2"
    );
}

#[test]
fn reconfiguring_makes_a_new_root_and_keeps_the_old_for_its_streams() {
    let plugin = plugin(&tracing("(i32.const 1)"));
    let mut old = plugin.stream(StreamInfo::new());
    old.send_request_headers(GET, true);
    said(&plugin);
    plugin.reconfigure("new").unwrap();
    let canary = "context_create 1 vm_start 1 configure 1";
    assert_eq!(words(&plugin), format!("{canary} context_create 3 vm_start 3 configure 3"));
    old.finish();
    assert_eq!(words(&plugin), "log 2 done 2 delete 2 done 1 delete 1");
}

#[test]
fn a_bad_configuration_changes_nothing() {
    // Says its configuration and accepts only those that start with "g".
    let plugin = builder(
        r#"(func (export "proxy_on_configure") (param i32) (param $size i32) (result i32)
             (drop (call $buffer (i32.const 7) (i32.const 0) (local.get $size)
               (i32.const 16) (i32.const 20)))
             (call $tell)
             (i32.eq (i32.load8_u (i32.load (i32.const 16))) (i32.const 103)))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (drop (call $log (i32.const 2) @"request")) (i32.const 0))"#,
    )
    .configuration("good")
    .build()
    .unwrap();
    let error = plugin.reconfigure("bad").unwrap_err();
    assert!(error.is_refused());
    assert_eq!(error.log(), ["bad"]);
    assert_eq!(error.to_string(), "the guest returned false from proxy_on_configure: bad");
    assert!(plugin.reconfigure_in_place("bad").unwrap_err().is_refused());
    said(&plugin);
    plugin.stream(StreamInfo::new()).send_request_headers(GET, true);
    assert_eq!(words(&plugin), "request");
    plugin.reconfigure_in_place("great").unwrap();
    let refused = builder("").configuration("x").build();
    assert!(refused.is_ok(), "a guest without proxy_on_configure takes anything");
}

#[test]
fn done_may_come_later() {
    let done_later = tracing("(i32.const 0)");
    let plugin = plugin(&format!(
        r#"{done_later}
        (func (export "proxy_on_tick") (param i32)
          (call $note (call $done)) (call $note (call $done)))
        (func (export "proxy_on_foreign_function") (param i32 i32 i32)
          (drop (call $tick_period (i32.const 1))))
        (func (export "_initialize"))"#
    ));
    said(&plugin);
    plugin.shut_down();
    assert_eq!(words(&plugin), "done 1", "the root waits for proxy_done");
}

#[test]
fn a_root_that_said_later_is_deleted_after_proxy_done() {
    let plugin = plugin(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $tick_period (i32.const 5))) (i32.const 1))
           (func (export "proxy_on_done") (param i32) (result i32) (i32.const 0))
           (func (export "proxy_on_tick") (param i32)
             (call $note (call $done)) (call $note (call $done)))
           (func (export "proxy_on_delete") (param i32)
             (drop (call $log (i32.const 2) @"delete")))"#,
    );
    plugin.advance(std::time::Duration::from_millis(5));
    assert_eq!(words(&plugin), "1 1", "nothing is pending");
    plugin.shut_down();
    plugin.advance(std::time::Duration::from_millis(5));
    assert_eq!(words(&plugin), "0 1 delete");
    assert_eq!(plugin.next_due_nanos(), None);
}

#[test]
fn all_three_abis_are_taken_and_no_other() {
    for abi in ["proxy_abi_version_0_2_0", "proxy_abi_version_0_2_1"] {
        let wasm = wasm_of(abi, &tracing("(i32.const 1)"));
        let plugin = Plugin::builder(wasm).build().unwrap();
        plugin.stream(StreamInfo::new()).send_request_headers(GET, true);
        assert!(words(&plugin).contains("request_headers 2"), "{abi}");
    }
    let old = r#"(func (export "proxy_on_request_headers") (param i32 i32) (result i32)
        (call $note (local.get 1)) (i32.const 0))"#;
    let plugin = Plugin::builder(wasm_of("proxy_abi_version_0_1_0", old)).build().unwrap();
    // What Envoy would refuse to link is said, not hidden.
    let warnings = host_said(&plugin);
    assert!(warnings[0].contains("Envoy does not offer proxy_continue_stream"), "{warnings:?}");
    plugin.stream(StreamInfo::new()).send_request_headers(GET, true);
    assert_eq!(words(&plugin), "4");
    let error = Module::compile(wasm_of("proxy_abi_version_9", "")).err().unwrap();
    assert!(error.to_string().contains("proxy_abi_version_0_2_1"), "{error}");
}

#[test]
fn optimisation_changes_no_callback() {
    let wasm = wasm_of("proxy_abi_version_0_2_1", &tracing("(i32.const 1)"));
    let run = |module: Result<Module, _>| {
        let plugin = Plugin::of_module(&module.unwrap()).build().unwrap();
        let mut stream = plugin.stream(StreamInfo::new());
        stream.send_request_headers(GET, true);
        stream.send_response_headers([(":status", "200")], true);
        stream.finish();
        words(&plugin)
    };
    let optimised = run(Module::compile(&wasm));
    assert!(optimised.ends_with("log 2 done 2 delete 2"), "{optimised}");
    assert_eq!(run(Module::compile_unoptimised(&wasm)), optimised);
}

#[test]
fn debug_output_has_no_secret_and_waits_for_no_callback() {
    let printed = Arc::new(OnceLock::<Plugin>::new());
    let inside = Arc::clone(&printed);
    let builder = builder(&tracing("(i32.const 1)"))
        .configuration("a key")
        .env_var("KEY", "a secret")
        .on_log(move |_| {
            // The worker that logs is locked here.
            if let Some(plugin) = inside.get() {
                assert_ne!(format!("{plugin:?}"), format!("{:?}", plugin.shared()));
            }
        });
    let text = format!("{builder:?}");
    assert!(
        text.contains("\"test\"") && !text.contains("secret") && !text.contains("key"),
        "{text}"
    );
    let plugin = builder.build().unwrap();
    assert!(printed.set(plugin.clone()).is_ok());
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers(GET, true);
    assert!(format!("{stream:?}").starts_with("Stream { id: 2, worker: 0"), "{stream:?}");
    assert!(format!("{plugin:?}").contains("abi: V0_2_1"), "{plugin:?}");
}

#[test]
fn a_reactor_is_initialised_and_a_command_is_started() {
    let reactor = plugin(
        r#"(func (export "_initialize") (drop (call $log (i32.const 2) @"init")))
           (func (export "main") (param i32 i32) (result i32)
             (drop (call $log (i32.const 2) @"main")) (i32.const 0))
           (func (export "_start") unreachable)"#,
    );
    assert_eq!(words(&reactor), "init main");
    let command = plugin(r#"(func (export "_start") (drop (call $log (i32.const 2) @"start")))"#);
    assert_eq!(words(&command), "start");
    let exits = plugin(
        r#"(import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
           (func (export "_start") (call $exit (i32.const 0)))"#,
    );
    exits.stream(StreamInfo::new()).send_request_headers(GET, true);
}

#[test]
fn before_the_plugin_is_created_most_calls_are_forbidden() {
    let error = builder(
        r#"(func (export "_initialize")
             (drop (call $set_shared @"k" @"v" (i32.const 0))))"#,
    )
    .build()
    .err()
    .unwrap();
    assert_eq!(
        error.to_string(),
        "the guest trapped in _initialize: proxy_set_shared_data must not be called before the \
         plugin is created"
    );
}

#[test]
fn a_filter_without_an_allocator_is_none() {
    let wasm = wat::parse_str(
        r#"(module (memory (export "memory") 1) (func (export "proxy_abi_version_0_2_1")))"#,
    );
    let error = Plugin::builder(wasm.unwrap()).build().err().unwrap();
    assert!(error.to_string().contains("malloc"), "{error}");
    assert!(Plugin::builder(b"not wasm").build().is_err());
}
