//! Any good spec, any request for it, whatever a host knows of aborts: equal facts give an equal
//! decision, and the decision is one that the spec has.
//!
//! The bytes are the choices that spec, latches and requests are made of.

use serde_json::Value;
use serin_conformance::native::decide_minting;
use serin_conformance::outcome::Seen;
use serin_conformance::random::{self, Random};
use serin_conformance::vector::Case;
use serin_core::Plan;

pub(crate) fn holds(bytes: &[u8]) {
    let mut random = Random::from_bytes(bytes);
    let spec = random::spec(&mut random);
    let (plan, same) = (crate::plan(&spec), crate::plan(&spec));
    for _ in 0..4 {
        let mut case = random::request(&mut random);
        if random.percent(50) {
            case.latches = Some(random::latches(&mut random, &spec));
        }
        let seen = decided(&plan, &case);
        assert_eq!(decided(&plan, &case), seen, "{spec}");
        assert_eq!(decided(&same, &case), seen, "{spec}");
        check(&spec, &seen.record);
    }
}

fn decided(plan: &Plan, case: &Case) -> Seen {
    decide_minting(plan, case, |at| [u8::try_from(at).unwrap_or_default(); 16])
}

/// The record names what the spec has: the arm is one of its rollout's, each variant one of its flag's
/// with the value that it stands for.
fn check(spec: &Value, record: &str) {
    let record: Value = serde_json::from_str(record).expect("the record is JSON");
    if let Some(decided) = record.get("rollout") {
        let rollout = &spec["rollouts"][text(&decided["name"])];
        assert!(rollout["arms"].get(text(&decided["arm"])).is_some(), "{record}\n{spec}");
        if text(&decided["reason"]) == "DISABLED" {
            assert_eq!(decided["arm"], rollout["baseline"], "{record}\n{spec}");
        }
        shares(decided, &record);
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
        shares(decided, &record);
    }
}

/// Nobody is served by a share of nothing.
fn shares(decided: &Value, record: &Value) {
    let (reason, share) = (text(&decided["reason"]), decided["share"].as_u64());
    let served = decided.get("rule").is_some_and(|rule| !rule.is_null());
    assert!(!(reason == "SPLIT" && served && share == Some(0)), "{record}");
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
