//! The growth of cost with the size of a spec. Allocations and evaluation steps are counted, so
//! that the result is the same on every machine.

#[path = "../counting/mod.rs"]
mod counting;
mod spec;

use counting::{Memory, measured};
use serin_core::explain::{Event, Observer};
use serin_core::{Decision, Facts, Plan, decide_with};
use spec::large;

fn compiled(flags: usize, rollouts: usize) -> (Plan, Memory) {
    let spec = large(flags, rollouts);
    measured(|| Plan::from_json(spec.as_bytes()).expect("the spec is good"))
}

#[track_caller]
fn assert_grows(quantity: &str, times: usize, small: usize, large: usize) {
    let (low, high) = (small * times * 95 / 100, small * times * 105 / 100);
    assert!(
        (low..=high).contains(&large),
        "{quantity}: {small} grew to {large}, not {times} times"
    );
}

/// Compiling a spec of ten times the size allocates and retains ten times as much.
#[test]
fn compiling_is_linear() {
    let ((_, small), (_, large)) = (compiled(1000, 100), compiled(10_000, 1000));
    assert_grows("allocations", 10, small.allocations, large.allocations);
    assert_grows("bytes retained", 10, small.retained, large.retained);
}

/// A flag costs few allocations: a host that compiles 10,000 of them answers no request meanwhile.
#[test]
fn compiling_a_flag_takes_few_allocations() {
    /// A twentieth above the 71 that it took when the limit was set.
    const MAX: usize = 75;
    let ((_, few), (_, many)) = (compiled(1000, 0), compiled(2000, 0));
    let each = (many.allocations - few.allocations) / 1000;
    assert!(each <= MAX, "a flag takes {each} allocations, at most {MAX} are allowed");
}

/// The peak memory of compiling is linear. Lists grow by doubling, so only sizes that differ by a
/// power of two have the same unused capacity.
#[test]
fn peak_memory_of_compiling_is_linear() {
    let ((_, small), (_, large)) = (compiled(1000, 100), compiled(8000, 800));
    assert_grows("bytes allocated", 8, small.bytes, large.bytes);
    assert_grows("bytes at the peak", 8, small.peak, large.peak);
}

#[derive(Default)]
struct Count(usize);

impl Observer for Count {
    fn event(&mut self, _: Event<'_>) {
        self.0 += 1;
    }
}

/// The evaluation steps of a request, and the memory of its facts and decision, do not depend on
/// flags and rollouts that it does not use.
#[test]
fn cost_of_a_request_does_not_grow_with_the_spec() {
    let costs = [(10, 1), (1000, 100), (10_000, 1000)].map(|(flags, rollouts)| {
        let (plan, _) = compiled(flags, rollouts);
        let request: [(&[u8], &[u8]); 5] = [
            (b":method", b"GET"),
            (b":authority", b"used.example.com"),
            (b":path", b"/used/page"),
            (b"x-user-id", b"ada"),
            (b"x-country", b"DE"),
        ];
        let (facts, for_facts) = measured(|| Facts::gather(&plan, request));
        let (mut decision, for_decision) = measured(|| Decision::new(&plan));
        let mut count = Count::default();
        let ((), deciding) = measured(|| decide_with(&plan, &facts, &mut decision, &mut count));
        assert_eq!((decision.flags().len(), decision.rollout().is_some()), (1, true));
        assert_eq!(deciding.allocations, 0);
        (count.0, for_facts.bytes, for_decision.bytes)
    });
    assert_eq!((costs[0], costs[0]), (costs[1], costs[2]));
}
