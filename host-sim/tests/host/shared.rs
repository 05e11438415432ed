//! What VMs share: data, queues, metrics.

use crate::guest::{GET, builder, on_request, plugin, said};
use serin_host_sim::{Plugin, Shared, StreamInfo};

fn request_on(plugin: &Plugin, worker: usize) {
    plugin.stream_on(worker, StreamInfo::new()).send_request_headers(GET, true);
}

#[test]
fn cas_lets_one_writer_win() {
    let plugin = plugin(&on_request(
        r#"(call $note (call $get_shared @"k" (i32.const 16) (i32.const 20) (i32.const 24)))
           (call $note (call $set_shared @"k" @"first" (i32.const 77)))
           (call $note (call $get_shared @"k" (i32.const 16) (i32.const 20) (i32.const 24)))
           (call $tell)
           (call $note (call $set_shared @"k" @"second" (i32.load (i32.const 24))))
           (call $note (call $set_shared @"k" @"third" (i32.load (i32.const 24))))
           (call $note (call $set_shared @"k" @"fourth" (i32.const 0)))"#,
    ));
    request_on(&plugin, 0);
    // Missing; a cas on a missing key writes; read; written; the cas is stale; 0 always writes.
    assert_eq!(said(&plugin), ["1", "0", "0", "first", "0", "8", "0"]);
    assert_eq!(plugin.shared().data("vm", "k").unwrap().0, b"fourth");
}

#[test]
fn data_is_shared_by_vm_id_across_plugins_and_workers() {
    let shared = Shared::new();
    let writer = builder(&on_request(r#"(drop (call $set_shared @"k" @"v" (i32.const 0)))"#))
        .shared(&shared)
        .workers(2)
        .build()
        .unwrap();
    let read = on_request(
        r#"(call $note (call $get_shared @"k" (i32.const 16) (i32.const 20) (i32.const 24)))"#,
    );
    let same = builder(&read).shared(&shared).build().unwrap();
    let other = builder(&read).shared(&shared).vm_id("other").build().unwrap();
    request_on(&writer, 1);
    request_on(&same, 0);
    request_on(&other, 0);
    assert_eq!((said(&same), said(&other)), (vec!["0".to_owned()], vec!["1".to_owned()]));
}

#[test]
fn a_queue_wakes_the_root_that_registered_it_last() {
    let plugin = builder(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (call $note (call $register @"q" (i32.const 24))) (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $note (call $resolve @"" @"none" (i32.const 24)))
             (call $note (call $resolve @"vm" @"q" (i32.const 24)))
             (call $note (call $enqueue (i32.load (i32.const 24)) @"item"))
             (call $note (call $enqueue (i32.const 99) @"item"))
             (i32.const 0))
           (func (export "proxy_on_queue_ready") (param i32) (param $token i32)
             (call $note (call $dequeue (local.get $token) (i32.const 16) (i32.const 20)))
             (call $tell)
             (call $note (call $dequeue (local.get $token) (i32.const 16) (i32.const 20))))"#,
    )
    .workers(2)
    .build()
    .unwrap();
    assert_eq!(said(&plugin), ["0", "0"]);
    request_on(&plugin, 0);
    let lines = plugin.logs();
    let of = |worker| -> Vec<&str> {
        lines.iter().filter(|l| l.worker == worker).map(|l| l.message.as_str()).collect()
    };
    assert_eq!(of(0), ["1", "0", "0", "1"]);
    assert_eq!(of(1), ["0", "item", "7"]);
}

#[test]
fn metrics_are_counted_per_process() {
    let plugin = builder(
        r#"(global $c (mut i32) (i32.const 0)) (global $g (mut i32) (i32.const 0))
           (global $h (mut i32) (i32.const 0))
           (func $define (param $kind i32) (param i32 i32) (result i32)
             (drop (call $define_metric (local.get $kind) (local.get 1) (local.get 2)
               (i32.const 24)))
             (i32.load (i32.const 24)))
           (func (export "proxy_on_configure") (param i32 i32) (result i32)
             (global.set $c (call $define (i32.const 0) @"requests"))
             (global.set $g (call $define (i32.const 1) @"level"))
             (global.set $h (call $define (i32.const 2) @"sizes"))
             (call $note (call $define_metric (i32.const 3) @"x" (i32.const 24)))
             (i32.const 1))
           (func (export "proxy_on_request_headers") (param i32 i32 i32) (result i32)
             (call $note (call $increment (global.get $c) (i64.const 2)))
             (call $note (call $increment (global.get $c) (i64.const -1)))
             (call $note (call $record (global.get $g) (i64.const 9)))
             (call $note (call $increment (global.get $g) (i64.const -4)))
             (call $note (call $record (global.get $h) (i64.const 70)))
             (call $note (call $increment (global.get $h) (i64.const 1)))
             (call $note (call $increment (i32.const 400) (i64.const 1)))
             (call $note (call $get_metric (global.get $h) (i32.const 24)))
             (call $note (call $get_metric (global.get $c) (i32.const 24)))
             (call $note (i32.wrap_i64 (i64.load (i32.const 24))))
             (i32.const 0))"#,
    )
    .workers(2)
    .build()
    .unwrap();
    assert_eq!(said(&plugin), ["2", "2"]);
    request_on(&plugin, 0);
    assert_eq!(said(&plugin), ["0", "2", "0", "0", "0", "2", "1", "2", "0", "2"]);
    // The other worker reads the sum of both.
    request_on(&plugin, 1);
    assert_eq!(said(&plugin)[9], "4");
    let metrics = plugin.metrics();
    assert_eq!(metrics.counter("requests"), 4);
    assert_eq!(metrics.gauge("level"), Some(5));
    assert_eq!(metrics.histogram("sizes"), [70, 70]);
}
