//! Properties of the core that no single vector can show, tested through its public interface.

mod assignment;
mod groups;
mod language;
mod operands;
mod over_time;
mod overrides;
mod splits;
mod statistics;
mod totality;

use serde_json::{Value, json};
use serin_core::{Decision, Facts, Plan, decide};

/// The plan of a valid spec.
fn plan(spec: &Value) -> Plan {
    Plan::from_json(spec.to_string().as_bytes()).unwrap_or_else(|errors| panic!("{errors}"))
}

/// A spec with these flags; the unit is the header `u`.
fn spec_with(flags: Value) -> Value {
    json!({"formatVersion": 1, "units": {"user": [{"header": "u"}]}, "flags": flags})
}

/// A flag with the variants `a`, `b`, `c` and `none`, and one rule.
fn flag(rule: Value) -> Value {
    json!({
        "kind": "ops",
        "variants": {"a": "a", "b": "b", "c": "c", "none": "none"},
        "defaultVariant": "none",
        "rules": [rule],
    })
}

/// The decision record for a unit.
fn record(plan: &Plan, unit: &str) -> Value {
    let pairs =
        [(&b":path"[..], &b"/"[..]), (b":authority", b"shop.example.com"), (b"u", unit.as_bytes())];
    let facts = Facts::gather(plan, pairs);
    let mut decision = Decision::new(plan);
    decide(plan, &facts, &mut decision);
    serde_json::from_str(&decision.record(plan)).expect("the record is JSON")
}

/// A unit's variant of a flag.
fn variant(plan: &Plan, flag: &str, unit: &str) -> String {
    record(plan, unit)["flags"][flag]["variant"].as_str().unwrap_or_default().to_string()
}

/// A unit's bucket in a decision by a split or by a ramp at 100 %.
fn bucket(plan: &Plan, flag: &str, unit: &str) -> u32 {
    let bucket = record(plan, unit)["flags"][flag]["bucket"].as_u64();
    u32::try_from(bucket.expect("the decision has a bucket")).expect("a bucket fits")
}
