//! Edits of weights, with the past written down: whoever has a variant that did not shrink keeps it, and
//! each variant's part of the buckets is its weight.
//!
//! The bytes are choices: how many edits, and the weights of each.

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
    let mut before: Option<(&[u32], Vec<usize>)> = None;
    for (at, weights) in edits.iter().enumerate() {
        let plan = plan(weights, &edits[..at]);
        let now: Vec<usize> = units().iter().map(|unit| variant(&plan, unit)).collect();
        for (unit, variant) in now.iter().enumerate() {
            assert!(weights[*variant] > 0, "unit {unit} has a variant of weight 0: {edits:?}");
        }
        if let Some((old, had)) = &before {
            for (unit, (had, has)) in had.iter().zip(&now).enumerate() {
                let shrank = weights[*had] < old[*had];
                assert!(had == has || shrank, "unit {unit} moved without need: {edits:?}");
                let grew = weights[*has] > old[*has];
                assert!(had == has || grew, "unit {unit} moved to what did not grow: {edits:?}");
            }
        }
        before = Some((weights, now));
    }
}

/// Units in buckets all over.
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
        // A name that is not there has no weight, as one that has 0.
        let there = named.filter(|(name, weight)| **weight > 0 || **name == "a");
        there
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

/// The position among the names of what a unit gets.
fn variant(plan: &Plan, unit: &str) -> usize {
    let facts = Facts::gather(plan, [(&b"u"[..], unit.as_bytes())]);
    let id = plan.flag_named("f").expect("there");
    let decided = evaluate_flag(plan, &facts, id);
    let variant = plan.flag(id).and_then(|flag| flag.variant(decided.variant)).expect("there");
    NAMES.iter().position(|name| *name == variant.name()).expect("one of them")
}
