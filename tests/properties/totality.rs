//! Totality: no request and no spec makes the core panic, and every result is a valid one.

use proptest::prelude::*;
use serde_json::{Map, Value, json};
use serin_conformance::totality::{check_decision, compile};
use serin_conformance::{native, vector};
use serin_core::Plan;
use std::sync::OnceLock;

/// The specs of all vectors, which use every construct of the language, and their plans.
pub(crate) fn plans() -> &'static [(Value, Plan)] {
    static PLANS: OnceLock<Vec<(Value, Plan)>> = OnceLock::new();
    PLANS.get_or_init(|| {
        let suites = vector::load().unwrap_or_else(|why| panic!("{why}"));
        let plan = |suite: vector::Suite| {
            let plan = native::plan(&suite).unwrap_or_else(|why| panic!("{why}"));
            (suite.spec, plan)
        };
        suites.into_iter().map(plan).collect()
    })
}

/// Field names that the specs use, and others.
fn name() -> impl Strategy<Value = Vec<u8>> {
    let known = [
        ":path",
        ":authority",
        ":method",
        ":scheme",
        "x-user-id",
        "x-tenant-id",
        "cookie",
        "x-v",
        "x-a",
        "x-b",
        "x-c",
        "x-staff",
        "x-beta",
        "x-plan",
        "x-list",
        "authorization",
        "x-serin-arm",
    ];
    prop_oneof![
        8 => prop::sample::select(known.to_vec()).prop_map(|name| name.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..12),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..40),
        "[ -~]{0,40}".prop_map(String::into_bytes),
        "\\PC{0,20}".prop_map(String::into_bytes),
        "(/|%2e|%2F|%zz|\\.|\\.\\.|a|é|;|\\?|=|&|\\+){0,24}".prop_map(String::into_bytes),
        "(uid|serin_id|plan|=|;| |\"|,|c-1){0,24}".prop_map(String::into_bytes),
        "[0-9.:,/v-]{0,24}".prop_map(String::into_bytes),
    ]
}

pub(super) fn pairs() -> impl Strategy<Value = Vec<(Vec<u8>, Vec<u8>)>> {
    prop::collection::vec((name(), value()), 0..12)
}

/// A JSON value with keys and strings of the spec language.
pub(super) fn json_value() -> impl Strategy<Value = Value> {
    let words = [
        "formatVersion",
        "revision",
        "units",
        "cohorts",
        "flags",
        "rollouts",
        "user",
        "header",
        "jwt",
        "cookie",
        "anonymous",
        "attribute",
        "equals",
        "in",
        "cidr",
        "glob",
        "semver",
        "any",
        "all",
        "not",
        "cohort",
        "kind",
        "ops",
        "release",
        "variants",
        "defaultVariant",
        "on",
        "off",
        "rules",
        "when",
        "serve",
        "split",
        "ramp",
        "share",
        "unit",
        "salt",
        "deliver",
        "paths",
        "match",
        "hosts",
        "arms",
        "baseline",
        "canary",
        "rings",
        "blueGreen",
        "active",
        "target",
        "prefix",
        "exact",
        "/feed",
        "*.example.com",
        "10.0.0.0/8",
        ">=1.2",
        "2026-11-21T09:00:00Z",
        "header.x",
        "time",
        "",
    ];
    let word = prop::sample::select(words.to_vec()).prop_map(String::from);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0u32..=100).prop_map(Value::from),
        word.clone().prop_map(Value::from),
        "\\PC{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((word.clone(), inner), 0..6)
                .prop_map(|entries| Value::Object(entries.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

/// Replaces or removes the node at the end of a path of `steps`.
pub(super) fn mutate(node: &mut Value, steps: &[prop::sample::Index], new: &Option<Value>) {
    let count = match node {
        Value::Array(items) => items.len(),
        Value::Object(entries) => entries.len(),
        _ => 0,
    };
    let Some((step, rest)) = steps.split_first().filter(|_| count > 0) else {
        *node = new.clone().unwrap_or(Value::Null);
        return;
    };
    let at = step.index(count);
    match node {
        Value::Array(items) if rest.is_empty() && new.is_none() => drop(items.remove(at)),
        Value::Array(items) => mutate(&mut items[at], rest, new),
        Value::Object(entries) => {
            let key = entries.keys().nth(at).cloned().unwrap_or_default();
            if rest.is_empty() && new.is_none() {
                entries.remove(&key);
            } else if let Some(inner) = entries.get_mut(&key) {
                mutate(inner, rest, new);
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn decide_is_total(pairs in pairs()) {
        for (_, plan) in plans() {
            check_decision(plan, pairs.iter().map(|(name, value)| (&name[..], &value[..])));
        }
    }

    #[test]
    fn compile_is_total_for_bytes(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        compile(&bytes);
    }

    /// Bytes that start like a protobuf Struct.
    #[test]
    fn compile_is_total_for_protobuf(bytes in prop::collection::vec(
        prop_oneof![any::<u8>(), prop::sample::select(vec![0x0a, 0x12, 0x1a, 0x2a, 0x32, 0x11, 0x20, 1, 3, 9])],
        0..96,
    )) {
        compile(&[&[0x0a][..], &bytes].concat());
    }

    #[test]
    fn compile_is_total_for_json(value in json_value()) {
        compile(value.to_string().as_bytes());
        let spec = json!({"formatVersion": 1, "units": value, "flags": value, "rollouts": value});
        compile(spec.to_string().as_bytes());
    }

    #[test]
    fn compile_is_total_for_mutated_vector_specs(
        which in any::<prop::sample::Index>(),
        steps in prop::collection::vec(any::<prop::sample::Index>(), 1..9),
        new in prop::option::of(json_value()),
    ) {
        let (spec, _) = which.get(plans());
        let mut spec = spec.clone();
        mutate(&mut spec, &steps, &new);
        compile(spec.to_string().as_bytes());
    }
}

/// Deep nesting is refused instead of overflowing the stack.
#[test]
fn deep_nesting_is_refused() {
    for (open, close) in [("{\"not\":", "}"), ("{\"all\":[", "]}"), ("[", "]")] {
        let condition = format!("{}1{}", open.repeat(20_000), close.repeat(20_000));
        let spec = format!("{{\"formatVersion\":1,\"cohorts\":{{\"c\":{condition}}}}}");
        assert!(Plan::from_json(spec.as_bytes()).is_err());
    }
}

/// Weights whose sum is 100 % only if a 32-bit sum wraps are refused.
#[test]
fn a_sum_of_weights_does_not_wrap() {
    const WRAPPED: u64 = (1 << 32) + 100_000;
    let whole = WRAPPED / 100_000;
    let mut weights: Map<String, Value> =
        (0..whole).map(|at| (format!("arm-{at}"), json!(100))).collect();
    weights.insert("rest".into(), json!((WRAPPED % 100_000) as f64 / 1000.0));
    let arms: Map<String, Value> =
        weights.keys().map(|arm| (arm.clone(), json!({"target": "t"}))).collect();
    let spec = json!({
        "formatVersion": 1,
        "units": {"user": [{"header": "u"}]},
        "rollouts": {"r": {"arms": arms, "baseline": "rest", "split": weights}},
    });
    assert!(Plan::from_json(spec.to_string().as_bytes()).is_err());
}
