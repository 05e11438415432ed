//! Who moves when a share or a weight changes, and who must not.

use super::{bucket, flag, plan, spec_with, variant};
use proptest::prelude::*;
use serde_json::json;
use serin_core::Plan;

fn ramp(share: u32) -> Plan {
    let rule = json!({"ramp": {"variant": "a", "share": percent(share), "unit": "user"}});
    plan(&spec_with(json!({"f": flag(rule)})))
}

fn split(first: u32) -> Plan {
    let weights = json!({"a": percent(first), "b": percent(100_000 - first)});
    plan(&spec_with(json!({"f": flag(json!({"split": weights, "unit": "user"}))})))
}

/// Thousandths of a per cent as the decimal that a spec holds.
fn percent(share: u32) -> serde_json::Value {
    let text = format!("{}.{:03}", share / 1000, share % 1000);
    serde_json::from_str(&text).expect("a decimal")
}

fn is_in(plan: &Plan, unit: &str) -> bool {
    variant(plan, "f", unit) == "a"
}

fn units() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[^\\x00-\\x20\\x7f]{1,24}", 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// Raising a share never takes anybody out.
    #[test]
    fn a_growing_ramp_keeps_everybody(units in units(), one in 0u32..=100_000, two in 0u32..=100_000) {
        let (low, high) = (ramp(one.min(two)), ramp(one.max(two)));
        for unit in &units {
            prop_assert!(!is_in(&low, unit) || is_in(&high, unit), "{unit} was thrown out");
        }
    }

    /// Lowering it takes out the last ones in: whoever goes has a higher bucket than all who stay.
    #[test]
    fn a_shrinking_ramp_takes_the_last_ones_in(
        units in units(), one in 0u32..=100_000, two in 0u32..=100_000
    ) {
        let (low, high, all) = (ramp(one.min(two)), ramp(one.max(two)), ramp(100_000));
        let inside: Vec<&String> = units.iter().filter(|unit| is_in(&high, unit)).collect();
        let (stay, go): (Vec<&String>, Vec<&String>) =
            inside.into_iter().partition(|unit| is_in(&low, unit));
        let last_to_stay = stay.iter().map(|unit| bucket(&all, "f", unit)).max();
        let first_to_go = go.iter().map(|unit| bucket(&all, "f", unit)).min();
        if let (Some(stay), Some(go)) = (last_to_stay, first_to_go) {
            prop_assert!(stay < go);
        }
    }

    /// A ramp is in exactly below its share, to the last bucket.
    #[test]
    fn a_ramp_is_exact(units in units()) {
        let all = ramp(100_000);
        for unit in &units {
            let bucket = bucket(&all, "f", unit);
            prop_assert!(!is_in(&ramp(bucket), unit));
            prop_assert!(is_in(&ramp(bucket + 1), unit));
        }
    }

    /// An edit of a two-way split moves the boundary and nobody else: only units between the old and
    /// the new boundary move, and all of them in the direction of the edit.
    #[test]
    fn a_split_edit_moves_only_whom_it_must(
        units in units(), one in 0u32..=100_000, two in 0u32..=100_000
    ) {
        let (before, after) = (split(one), split(two));
        for unit in &units {
            let bucket = bucket(&before, "f", unit);
            let (old, new) = (variant(&before, "f", unit), variant(&after, "f", unit));
            let must_move = (one.min(two)..one.max(two)).contains(&bucket);
            prop_assert_eq!(old != new, must_move, "{}: {} to {}", unit, &old, &new);
            if must_move {
                prop_assert_eq!(new, if two > one { "a" } else { "b" });
            }
        }
    }

    /// The same unit has the same bucket whatever the weights are and whatever else the spec holds.
    #[test]
    fn a_bucket_depends_on_salt_and_unit_alone(units in units(), first in 0u32..=100_000) {
        let alone = split(50_000);
        let weights = json!({"a": percent(first), "b": percent(100_000 - first)});
        let among = plan(&spec_with(json!({
            "e": flag(json!({"split": {"a": 100}, "unit": "user"})),
            "f": flag(json!({"split": weights, "unit": "user"})),
            "g": flag(json!({"split": {"b": 100}, "unit": "user", "salt": "other"})),
        })));
        for unit in &units {
            prop_assert_eq!(bucket(&alone, "f", unit), bucket(&among, "f", unit));
        }
    }
}

/// Out of ten thousand units, an edit from 50/50 to 51/49 moves about one per cent.
#[test]
fn one_per_cent_moves_one_per_cent() {
    let (before, after) = (split(50_000), split(51_000));
    let moved = (0..10_000)
        .map(|number| format!("user-{number}"))
        .filter(|unit| variant(&before, "f", unit) != variant(&after, "f", unit))
        .count();
    assert!((60..=140).contains(&moved), "{moved} moved");
}
