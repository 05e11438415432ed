//! What guests of several languages import of WASI.

use crate::guest::{GET, builder, on_request, plugin, said};
use serin_host_sim::{Entropy, LogLevel, StreamInfo, VirtualClock};

const IMPORTS: &str = r#"
(import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
(import "wasi_unstable" "fd_write" (func $old_write (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "clock_time_get" (func $clock (param i32 i64 i32) (result i32)))
(import "wasi_snapshot_preview1" "random_get" (func $random (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "environ_sizes_get" (func $env_sizes (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "environ_get" (func $env (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "args_sizes_get" (func $arg_sizes (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_prestat_get" (func $prestat (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_fdstat_get" (func $fdstat (param i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_seek" (func $seek (param i32 i64 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
(import "wasi_snapshot_preview1" "sched_yield" (func $yield (result i32)))
(import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
"#;

fn with(body: &str) -> String {
    format!("{IMPORTS}{}", on_request(body))
}

fn run(plugin: &serin_host_sim::Plugin) -> Vec<String> {
    plugin.stream(StreamInfo::new()).send_request_headers(GET, true);
    said(plugin)
}

#[test]
fn what_is_written_is_logged() {
    let write = r#"
      (func $iov (param i32 i32) (i32.store (i32.const 200) (local.get 0))
        (i32.store (i32.const 204) (local.get 1)))"#;
    let plugin = plugin(&format!(
        "{}{write}",
        with(
            r#"(call $iov @"out\0a") (call $note (call $fd_write (i32.const 1) (i32.const 200)
                 (i32.const 1) (i32.const 24)))
               (call $iov @"err") (call $note (call $old_write (i32.const 2) (i32.const 200)
                 (i32.const 1) (i32.const 24)))
               (call $note (i32.load (i32.const 24)))
               (call $note (call $fd_write (i32.const 3) (i32.const 200) (i32.const 1)
                 (i32.const 24)))
               (call $note (call $fd_write (i32.const 1) (i32.const -4) (i32.const 1)
                 (i32.const 24)))"#
        )
    ));
    plugin.stream(StreamInfo::new()).send_request_headers(GET, true);
    let lines = plugin.logs();
    let text: Vec<_> = lines.iter().map(|line| line.message.as_str()).collect();
    assert_eq!(text, ["out", "0", "err", "0", "3", "8", "21"]);
    assert_eq!((lines[0].level, lines[2].level), (LogLevel::Info, LogLevel::Error));
}

#[test]
fn clocks_show_the_plugins_time() {
    let body = with(
        r#"(call $note (call $clock (i32.const 0) (i64.const 1) (i32.const 24)))
           (call $note (i32.wrap_i64 (i64.div_u (i64.load (i32.const 24)) (i64.const 1000000))))
           (call $note (call $clock (i32.const 1) (i64.const 1) (i32.const 24)))
           (call $note (call $clock (i32.const 2) (i64.const 1) (i32.const 24)))"#,
    );
    let plugin = builder(&body).clock(VirtualClock::at_millis(321)).build().unwrap();
    assert_eq!(run(&plugin), ["0", "321", "0", "58"]);
}

#[test]
fn randomness_follows_the_seed() {
    let body = with(
        r#"(call $note (call $random (i32.const 24) (i32.const 4)))
           (call $note (i32.load8_u (i32.const 24))) (call $note (i32.load8_u (i32.const 25)))
           (call $note (i32.load8_u (i32.const 26))) (call $note (i32.load8_u (i32.const 27)))
           (call $note (call $random (i32.const 24) (i32.const -1)))"#,
    );
    let with_seed = |seed| run(&builder(&body).entropy(Entropy::Seeded(seed)).build().unwrap());
    assert_eq!(with_seed(1), with_seed(1));
    assert_ne!(with_seed(1), with_seed(2));
    assert_eq!(with_seed(1)[5], "21");
    let system = builder(&body).entropy(Entropy::System).build().unwrap();
    assert_eq!(run(&system)[0], "0");
}

#[test]
fn the_environment_is_what_the_embedder_says() {
    let plugin = builder(&with(
        r#"(call $note (call $env_sizes (i32.const 24) (i32.const 28)))
           (call $note (i32.load (i32.const 24))) (call $note (i32.load (i32.const 28)))
           (call $note (call $env (i32.const 300) (i32.const 400)))
           (drop (call $log (i32.const 2) (i32.load (i32.const 304)) (i32.const 3)))
           (call $note (call $arg_sizes (i32.const 24) (i32.const 28)))
           (call $note (i32.load (i32.const 24)))"#,
    ))
    .env_var("A", "1")
    .env_var("B", "2")
    .build()
    .unwrap();
    assert_eq!(run(&plugin), ["0", "2", "8", "0", "B=2", "0", "0"]);
}

#[test]
fn there_are_no_files() {
    let plugin = plugin(&with(
        r#"(call $note (call $prestat (i32.const 3) (i32.const 24)))
           (call $note (call $fdstat (i32.const 1) (i32.const 300)))
           (call $note (i32.load8_u (i32.const 300))) (call $note (i32.load8_u (i32.const 308)))
           (call $note (call $fdstat (i32.const 5) (i32.const 300)))
           (call $note (call $fd_close (i32.const 1))) (call $note (call $fd_close (i32.const 4)))
           (call $note (call $seek (i32.const 1) (i64.const 0) (i32.const 0) (i32.const 24)))
           (call $note (call $fd_read (i32.const 0) (i32.const 200) (i32.const 0) (i32.const 24)))
           (call $note (call $yield))"#,
    ));
    assert_eq!(run(&plugin), ["8", "0", "2", "64", "8", "0", "8", "58", "0", "0"]);
}

#[test]
fn waiting_takes_no_time() {
    let plugin = plugin(&with(
        r#"(i64.store (i32.const 300) (i64.const 42))
           (call $note (call $poll (i32.const 300) (i32.const 400) (i32.const 1) (i32.const 24)))
           (call $note (i32.load (i32.const 24))) (call $note (i32.load (i32.const 400)))
           (call $note (call $poll (i32.const 300) (i32.const 400) (i32.const 0) (i32.const 24)))
           (call $note (call $poll (i32.const 300) (i32.const 400) (i32.const 99999999)
             (i32.const 24)))"#,
    ));
    assert_eq!(run(&plugin), ["0", "1", "42", "28", "21"]);
}
