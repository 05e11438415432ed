//! Assignment of units to variants: which units move when a share or a weight changes.

use super::{bucket, flag, plan, spec_with, variant};
use proptest::prelude::*;
use serde_json::json;
use serin_conformance::random::percent;
use serin_core::Plan;

fn ramp(share: u32) -> Plan {
    let rule = json!({"ramp": {"variant": "a", "share": percent(share), "unit": "user"}});
    plan(&spec_with(json!({"f": flag(rule)})))
}

fn split(first: u32) -> Plan {
    let weights = json!({"a": percent(first), "b": percent(100_000 - first)});
    plan(&spec_with(json!({"f": flag(json!({"split": weights, "unit": "user"}))})))
}

fn is_in(plan: &Plan, unit: &str) -> bool {
    variant(plan, "f", unit) == "a"
}

fn units() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[^\\x00-\\x20\\x7f]{1,24}", 1..40)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    /// No unit leaves a ramp when the share is raised.
    #[test]
    fn a_growing_ramp_keeps_every_unit(units in units(), one in 0u32..=100_000, two in 0u32..=100_000) {
        let (low, high) = (ramp(one.min(two)), ramp(one.max(two)));
        for unit in &units {
            prop_assert!(!is_in(&low, unit) || is_in(&high, unit), "{unit} left the ramp");
        }
    }

    /// When the share is lowered, the units that entered last leave: they have higher buckets than all
    /// that stay.
    #[test]
    fn a_shrinking_ramp_removes_the_units_that_entered_last(
        units in units(), one in 0u32..=100_000, two in 0u32..=100_000
    ) {
        let (low, high, all) = (ramp(one.min(two)), ramp(one.max(two)), ramp(100_000));
        let inside: Vec<&String> = units.iter().filter(|unit| is_in(&high, unit)).collect();
        let (stayed, left): (Vec<&String>, Vec<&String>) =
            inside.into_iter().partition(|unit| is_in(&low, unit));
        let highest_stayed = stayed.iter().map(|unit| bucket(&all, "f", unit)).max();
        let lowest_left = left.iter().map(|unit| bucket(&all, "f", unit)).min();
        if let (Some(stayed), Some(left)) = (highest_stayed, lowest_left) {
            prop_assert!(stayed < left);
        }
    }

    /// A ramp contains exactly the buckets below its share.
    #[test]
    fn a_ramp_contains_the_buckets_below_its_share(units in units()) {
        let all = ramp(100_000);
        for unit in &units {
            let bucket = bucket(&all, "f", unit);
            prop_assert!(!is_in(&ramp(bucket), unit));
            prop_assert!(is_in(&ramp(bucket + 1), unit));
        }
    }

    /// An edit of a split in two moves exactly the units between the old and the new boundary, in the
    /// direction of the edit.
    #[test]
    fn a_split_edit_moves_only_units_between_the_boundaries(
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

    /// The weights and the rest of the spec do not change a unit's bucket.
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

/// An edit from 50/50 to 51/49 moves about one per cent of the units.
#[test]
fn an_edit_of_one_per_cent_moves_one_per_cent() {
    let (before, after) = (split(50_000), split(51_000));
    let moved = (0..10_000)
        .map(|number| format!("user-{number}"))
        .filter(|unit| variant(&before, "f", unit) != variant(&after, "f", unit))
        .count();
    assert!((60..=140).contains(&moved), "{moved} moved");
}
