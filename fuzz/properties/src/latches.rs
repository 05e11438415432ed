//! Latches that come as a document are read as what they are or not at all: what is read can be written
//! and read again, merging is the same in either order and as often as one likes, and whatever they say,
//! every request is decided by them: to the baseline where they abort.
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
        obeyed(latches);
    }
    let forth = merged([&one, &other]);
    assert_eq!(merged([&other, &one]), forth);
    assert_eq!(merged([&one, &other, &one, &other]), forth);
}

/// Without what is held, which is its owner's and is not merged.
fn merged<const N: usize>(all: [&Latches; N]) -> Vec<Latch> {
    let mut merged = Latches::default();
    all.into_iter().for_each(|latches| merged.merge(latches));
    let open = |latch: &Latch| Latch { held_step: None, ..latch.clone() };
    merged.list().iter().map(open).collect()
}

fn obeyed(latches: &Latches) {
    let plan = plan();
    let Some(active_latches) = latches.for_plan(plan) else { return };
    let pairs = [(&b":path"[..], &b"/"[..]), (b"u", b"ada")];
    let mut host = FixedHost { latches: Some(&active_latches), ..FixedHost::at(START) };
    let facts = Facts::of_request(plan, pairs, &mut host);
    let mut decision = Decision::new(plan);
    decide(plan, &facts, &mut decision);
    let stopped = latches.get("shop").is_some_and(|latch| {
        latch.abort.as_ref().is_some_and(|abort| abort.stops(1, 60_000, Some(START)))
    });
    let (_, arm) = decision.arm(plan).expect("the rollout's");
    assert!(!stopped || arm == "stable", "{}", latches.to_json());
    assert_eq!(decision.record(plan).contains("DISABLED"), stopped, "{}", latches.to_json());
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
