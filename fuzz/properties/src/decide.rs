//! For any valid spec, request and latches, equal facts give an equal decision, and the decision names
//! only what the spec has.
//!
//! The bytes are the choices for the spec, the latches and the requests.

use serde_json::Value;
use serin_conformance::native::decide_minting;
use serin_conformance::outcome::{RawOutcome, is_reserved_field};
use serin_conformance::random::{self, Random};
use serin_conformance::vector::Case;
use serin_core::Plan;

pub(crate) fn holds(bytes: &[u8]) {
    let mut random = Random::from_bytes(bytes);
    let spec = random::spec(&mut random);
    let (plan, same) = (crate::plan(&spec), crate::plan(&spec));
    for _ in 0..4 {
        let mut case = random::request(&mut random);
        if random.chance(50) {
            case.latches = Some(random::latches(&mut random, &spec));
        }
        let outcome = decide(&plan, &case);
        assert_eq!(decide(&plan, &case), outcome, "{spec}");
        assert_eq!(decide(&same, &case), outcome, "{spec}");
        check_record(&spec, &outcome.record);
        check_size(&plan, &outcome);
    }
}

/// Asserts that the outcome is not larger than the plan's bounds.
fn check_size(plan: &Plan, outcome: &RawOutcome) {
    let bounds = plan.request_size();
    let (mut flags, mut other_fields) = (0, 0);
    for (name, value) in outcome.upstream.iter().filter(|(name, _)| is_reserved_field(name)) {
        if name == "serin-flags" {
            flags += value.len();
        } else {
            other_fields += value.len();
        }
    }
    let record = outcome.record.len();
    assert!(flags <= bounds.flags, "{flags} bytes of serin-flags, bound {bounds:?}");
    assert!(
        other_fields <= bounds.other_fields,
        "{other_fields} bytes of fields, bound {bounds:?}"
    );
    assert!(record <= bounds.record, "a record of {record} bytes, bound {bounds:?}");
}

fn decide(plan: &Plan, case: &Case) -> RawOutcome {
    decide_minting(plan, case, |at| [u8::try_from(at).unwrap_or_default(); 16])
}

/// Asserts that the record's rollout has its arm, and each flag its variant.
fn check_record(spec: &Value, record: &str) {
    let record: Value = serde_json::from_str(record).expect("the record is JSON");
    if let Some(decided) = record.get("rollout") {
        let rollout = &spec["rollouts"][text(&decided["name"])];
        assert!(rollout["arms"].get(text(&decided["arm"])).is_some(), "{record}\n{spec}");
        if text(&decided["reason"]) == "DISABLED" {
            assert_eq!(decided["arm"], rollout["baseline"], "{record}\n{spec}");
        }
        check_share(decided, &record);
    }
    for (name, decided) in record["flags"].as_object().into_iter().flatten() {
        let flag = &spec["flags"][name];
        let value = flag["variants"].get(text(&decided["variant"]));
        assert!(value.is_some(), "{record}\n{spec}");
        if ["DISABLED", "DEFAULT", "ERROR"].contains(&text(&decided["reason"])) {
            assert_eq!(decided["variant"], flag["defaultVariant"], "{record}\n{spec}");
        }
        if flag["state"] == "disabled" {
            assert_eq!(text(&decided["reason"]), "DISABLED", "{record}\n{spec}");
        }
        check_share(decided, &record);
    }
}

/// Asserts that no rule with a share of 0 serves the unit.
fn check_share(decided: &Value, record: &Value) {
    let (reason, share) = (text(&decided["reason"]), decided["share"].as_u64());
    let served = decided.get("rule").is_some_and(|rule| !rule.is_null());
    assert!(!(reason == "SPLIT" && served && share == Some(0)), "{record}");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
