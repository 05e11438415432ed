//! In a split with its past, a unit keeps its variant unless the weight of that variant shrinks, and moves
//! only to a variant whose weight grows.
//!
//! The bytes are the choices for the number of edits and the weights of each.

use serde_json::{Map, Value, json};
use serin_conformance::random::{Random, percent};
use serin_core::{Bucket, Facts, Plan, Purpose, evaluate_flag};
use std::sync::OnceLock;

const NAMES: [&str; 5] = ["B", "a", "b", "c", "d"];
const SALT: &str = "s";
const UNITS: usize = 500;

pub(crate) fn holds(bytes: &[u8]) {
    let mut random = Random::from_bytes(bytes);
    let count = random.between(1, 6);
    let edits: Vec<Vec<u32>> = (0..count).map(|_| random.shares(NAMES.len())).collect();
    let mut previous: Option<(&[u32], Vec<usize>)> = None;
    for (edit, weights) in edits.iter().enumerate() {
        let plan = plan(weights, &edits[..edit]);
        let variants: Vec<usize> = units().iter().map(|unit| variant(&plan, unit)).collect();
        for (unit, variant) in variants.iter().enumerate() {
            assert!(weights[*variant] > 0, "unit {unit} has a variant of weight 0: {edits:?}");
        }
        if let Some((old_weights, old_variants)) = &previous {
            for (unit, (old, new)) in old_variants.iter().zip(&variants).enumerate() {
                let shrank = weights[*old] < old_weights[*old];
                assert!(
                    old == new || shrank,
                    "unit {unit} left a variant that kept its weight: {edits:?}"
                );
                let grew = weights[*new] > old_weights[*new];
                assert!(
                    old == new || grew,
                    "unit {unit} moved to a variant that did not grow: {edits:?}"
                );
            }
        }
        previous = Some((weights, variants));
    }
}

/// Units in all regions of the buckets.
fn units() -> &'static [String] {
    static UNITS_OF: OnceLock<Vec<String>> = OnceLock::new();
    UNITS_OF.get_or_init(|| {
        let mut units: Vec<String> = (0..UNITS).map(|number| format!("unit-{number}")).collect();
        units.sort_by_key(|unit| Bucket::of(Purpose::Split, SALT, unit));
        units
    })
}

fn plan(weights: &[u32], past: &[Vec<u32>]) -> Plan {
    let object = |weights: &[u32]| -> Value {
        let named = NAMES.iter().zip(weights);
        // An absent variant has the weight 0. `a` is always present, because it is the default.
        let present = named.filter(|(name, weight)| **weight > 0 || **name == "a");
        present
            .map(|(name, weight)| ((*name).to_owned(), percent(*weight)))
            .collect::<Map<_, _>>()
            .into()
    };
    let mut rule = json!({"split": object(weights), "unit": "user", "salt": SALT});
    if !past.is_empty() {
        rule["past"] = past.iter().map(|weights| object(weights)).collect();
    }
    let variants: Map<String, Value> =
        NAMES.iter().map(|name| ((*name).to_owned(), json!(name))).collect();
    crate::plan(&json!({
        "formatVersion": 1,
        "units": {"user": [{"header": "u"}]},
        "flags": {"f": {
            "kind": "ops",
            "variants": variants,
            "defaultVariant": "a",
            "rules": [rule],
        }},
    }))
}

/// The index of a unit's variant in [`NAMES`].
fn variant(plan: &Plan, unit: &str) -> usize {
    let facts = Facts::gather(plan, [(&b"u"[..], unit.as_bytes())]);
    let id = plan.flag_named("f").expect("the plan has the flag");
    let decided = evaluate_flag(plan, &facts, id);
    let variant =
        plan.flag(id).and_then(|flag| flag.variant(decided.variant)).expect("the flag has it");
    NAMES.iter().position(|name| *name == variant.name()).expect("the name is known")
}
