//! Ticks on a clock that only a test moves.

use crate::guest::{builder, plugin, said};
use serin_host_sim::{Clock, VirtualClock};
use std::time::Duration;

const TICKING: &str = r#"
  (func (export "proxy_on_configure") (param i32 i32) (result i32)
    (call $note (call $tick_period (i32.const 100))) (i32.const 1))
  (func (export "proxy_on_tick") (param i32)
    (drop (call $now (i32.const 24)))
    (call $note (i32.wrap_i64 (i64.rem_u (i64.div_u (i64.load (i32.const 24))
      (i64.const 1000000)) (i64.const 1000)))))
"#;

#[test]
fn ticks_come_when_their_time_has_come() {
    let clock = VirtualClock::at_millis(5_000);
    let plugin = builder(TICKING).clock(clock.clone()).build().unwrap();
    assert_eq!(plugin.advance(Duration::from_millis(99)), 0);
    assert_eq!(plugin.advance(Duration::from_millis(1)), 1);
    assert_eq!(plugin.advance(Duration::from_millis(250)), 2);
    assert_eq!(clock.now_nanos(), 5_350_000_000);
    assert_eq!(said(&plugin), ["0", "100", "200", "300"]);
}

#[test]
fn a_jump_runs_a_timer_once() {
    let clock = VirtualClock::at_millis(0);
    let plugin = builder(TICKING).clock(clock.clone()).build().unwrap();
    clock.set_millis(950);
    assert_eq!(plugin.tick(), 1);
    assert_eq!(plugin.tick(), 0);
    assert_eq!(plugin.next_due_nanos(), Some(1_050_000_000));
}

#[test]
fn a_new_period_counts_from_the_next_tick_and_zero_stops() {
    let plugin = plugin(
        r#"(func (export "proxy_on_configure") (param i32 i32) (result i32)
             (drop (call $tick_period (i32.const 100)))
             (drop (call $tick_period (i32.const 30))) (i32.const 1))
           (global $n (mut i32) (i32.const 0))
           (func (export "proxy_on_tick") (param i32)
             (global.set $n (i32.add (global.get $n) (i32.const 1)))
             (if (i32.eq (global.get $n) (i32.const 3))
               (then (drop (call $tick_period (i32.const 0))))))"#,
    );
    assert_eq!(plugin.advance(Duration::from_millis(99)), 0);
    assert_eq!(plugin.advance(Duration::from_millis(1)), 1);
    assert_eq!(plugin.advance(Duration::from_millis(30)), 1);
    assert_eq!(plugin.advance(Duration::from_secs(10)), 1);
    assert_eq!(plugin.next_due_nanos(), None);
}

#[test]
fn every_vm_ticks_the_main_threads_too() {
    let plugin = builder(TICKING).like_envoy(2).build().unwrap();
    // Configured in two workers, on the main thread and in the VM that is thrown away.
    assert_eq!(said(&plugin).len(), 4);
    assert_eq!(plugin.advance(Duration::from_millis(100)), 3);
}
