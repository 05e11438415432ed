//! Layers and holdouts: experiments of a layer share no unit, and a held-out unit gets the defaults.

use super::{plan, record};
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use serin_conformance::random::{Random, percent};

const KINDS: [Option<&str>; 5] =
    [None, Some("release"), Some("experiment"), Some("ops"), Some("permission")];

fn flag(kind: Option<&str>, rule: Value) -> Value {
    let mut flag = json!({
        "owner": "a@example.com", "expires": "2026-12-31",
        "variants": {"in": true, "out": false}, "defaultVariant": "out", "rules": [rule],
    });
    if let Some(kind) = kind {
        flag["kind"] = kind.into();
    }
    flag
}

fn spec(sections: &[(&str, Value)]) -> Value {
    let mut spec = json!({"formatVersion": 1, "units": {"user": [{"header": "u"}]}});
    for (section, entries) in sections {
        spec[*section] = entries.clone();
    }
    spec
}

fn units() -> impl Strategy<Value = Vec<String>> {
    prop::collection::vec("[a-z0-9é]{1,16}", 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// Ranges that do not overlap share no unit, whatever the flags' salts; ranges that cover the layer
    /// contain every unit.
    #[test]
    fn experiments_of_one_layer_never_share_a_unit(
        units in units(), seed in any::<u64>(), count in 2usize..9
    ) {
        let mut random = Random::new(seed);
        let mut from = 0;
        let mut flags = Map::new();
        for (at, share) in random.shares(count).into_iter().enumerate() {
            let to = from + share;
            if share > 0 {
                let layer = json!({"name": "l", "range": [percent(from), percent(to)]});
                let rule = match random.below(3) {
                    0 => json!({"layer": layer, "serve": "in"}),
                    1 => json!({"layer": layer, "split": {"in": 100}, "salt": at.to_string()}),
                    _ => json!({"layer": layer, "ramp": {"variant": "in", "share": 100}}),
                };
                flags.insert(format!("f{at}"), flag(Some("experiment"), rule));
            }
            from = to;
        }
        let layers = json!({"l": {"unit": "user"}});
        let plan = plan(&spec(&[("layers", layers), ("flags", flags.into())]));
        for unit in &units {
            let record = record(&plan, unit);
            let flags = record["flags"].as_object().expect("flags are delivered");
            let inside = flags.values().filter(|flag| flag["variant"] == "in").count();
            prop_assert_eq!(inside, 1, "{} is in {} experiments", unit, inside);
        }
    }

    /// Raising a holdout's share only adds units. A held-out unit gets the default of every release and
    /// experiment flag, with the holdout's name. Ops and permission flags, and all other units, are not
    /// affected.
    #[test]
    fn a_growing_holdout_keeps_its_units_and_spares_ops_and_permission_flags(
        units in units(), one in 0u32..=100_000, two in 0u32..=100_000
    ) {
        let flags: Map<String, Value> = KINDS
            .iter()
            .map(|kind| (format!("f-{}", kind.unwrap_or("none")), flag(*kind, json!({"serve": "in"}))))
            .collect();
        let with = |share: u32| {
            let holdouts = json!({"q4": {"unit": "user", "percent": percent(share)}});
            plan(&spec(&[("holdouts", holdouts), ("flags", flags.clone().into())]))
        };
        let (low, high) = (with(one.min(two)), with(one.max(two)));
        for unit in &units {
            let is_held_out = |plan| {
                let record = record(plan, unit);
                let mut held_out = Vec::new();
                for kind in KINDS {
                    let flag = &record["flags"][format!("f-{}", kind.unwrap_or("none"))];
                    let out = flag["holdout"] == "q4";
                    prop_assert_eq!(flag["variant"] == "out", out);
                    prop_assert_eq!(flag["reason"] == "SPLIT", out);
                    let exempt = matches!(kind, Some("ops" | "permission"));
                    prop_assert!(!(exempt && out), "{:?} is held out", kind);
                    if !exempt {
                        held_out.push(out);
                    }
                }
                prop_assert!(held_out.windows(2).all(|pair| pair[0] == pair[1]), "only some flags");
                Ok(held_out[0])
            };
            let (before, after) = (is_held_out(&low)?, is_held_out(&high)?);
            prop_assert!(!before || after, "{} left the holdout when it grew", unit);
        }
    }
}
