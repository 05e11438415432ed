//! A document of latches can be written and read again without a change, or it is refused. Merging is
//! commutative and idempotent. A request goes to the baseline if a latch aborts its rollout.
//!
//! The bytes are two documents with a line feed between them, or one.

use serde_json::json;
use serin_conformance::random::START;
use serin_core::gate::{Latch, Latches};
use serin_core::{Decision, Facts, FixedHost, Plan, decide};
use std::sync::OnceLock;

pub(crate) fn holds(bytes: &[u8]) {
    let mut parts = bytes.splitn(2, |byte| *byte == b'\n');
    let one = parts.next().and_then(Latches::from_json);
    let other = parts.next().and_then(Latches::from_json);
    let Some(one) = one.or_else(|| Latches::from_json(bytes)) else { return };
    let other = other.unwrap_or_default();
    for latches in [&one, &other] {
        let written = latches.to_json();
        assert_eq!(Latches::from_json(written.as_bytes()).as_ref(), Some(latches), "{written}");
        check_abort_is_obeyed(latches);
    }
    let merged = merge([&one, &other]);
    assert_eq!(merge([&other, &one]), merged);
    assert_eq!(merge([&one, &other, &one, &other]), merged);
}

/// Merges latches. Held steps are left out: they belong to one owner and are not merged.
fn merge<const N: usize>(all: [&Latches; N]) -> Vec<Latch> {
    let mut merged = Latches::default();
    all.into_iter().for_each(|latches| merged.merge(latches));
    let without_hold = |latch: &Latch| Latch { held_step: None, ..latch.clone() };
    merged.list().iter().map(without_hold).collect()
}

fn check_abort_is_obeyed(latches: &Latches) {
    let plan = plan();
    let Some(active_latches) = latches.for_plan(plan) else { return };
    let pairs = [(&b":path"[..], &b"/"[..]), (b"u", b"ada")];
    let mut host = FixedHost { latches: Some(&active_latches), ..FixedHost::at(START) };
    let facts = Facts::of_request(plan, pairs, &mut host);
    let mut decision = Decision::new(plan);
    decide(plan, &facts, &mut decision);
    let is_aborted = latches.get("shop").is_some_and(|latch| {
        latch.abort.as_ref().is_some_and(|abort| abort.stops(1, 60_000, Some(START)))
    });
    let (_, arm) = decision.arm(plan).expect("the rollout matches");
    assert!(!is_aborted || arm == "stable", "{}", latches.to_json());
    assert_eq!(decision.record(plan).contains("DISABLED"), is_aborted, "{}", latches.to_json());
}

fn plan() -> &'static Plan {
    static PLAN: OnceLock<Plan> = OnceLock::new();
    PLAN.get_or_init(|| {
        crate::plan(&json!({
            "formatVersion": 1,
            "units": {"user": [{"header": "u"}]},
            "rollouts": {"shop": {
                "arms": {"stable": {"target": "v1"}, "canary": {"target": "v2"}},
                "baseline": "stable",
                "canary": {"start": "2026-11-21T08:00:00Z", "steps": [
                    {"share": 50, "hold": "10m", "mode": "gate"}, {"share": 100},
                ]},
                "gates": {},
                "epoch": 1,
                "cooldown": "1m",
            }},
        }))
    })
}
