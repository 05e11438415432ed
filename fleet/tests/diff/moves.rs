//! The units that a change moves, for every kind of source, and for rollouts and flags that are added or
//! removed.

use crate::loaded::load;
use serde_json::{Value, json};
use serin_core::Timestamp;
use serin_fleet::diff::{self, Comparison, Diff};

const AT: u64 = 1_795_250_000_000;

fn spec(units: &Value, share: f64) -> Value {
    json!({
        "formatVersion": 1,
        "units": {"user": units},
        "cohorts": {"beta": {"attribute": "header.x-beta", "equals": "1"}},
        "flags": {"new": {
            "kind": "ops",
            "variants": {"on": true, "off": false},
            "defaultVariant": "off",
            "rules": [{"when": {"cohort": "beta"}, "ramp": {"variant": "on", "share": share}}],
        }},
        "rollouts": {"shop": {
            "match": {"hosts": ["*.example.com"], "paths": ["/shop"]},
            "arms": {"stable": {"target": "v1"}, "canary": {"target": "v2"}},
            "baseline": "stable",
            "canary": {"share": share},
        }},
    })
}

fn units(old: &Value, new: &Value) -> Diff {
    let (old, new) = (load(old), load(new));
    let comparison = Comparison::new(old.side(), new.side(), Timestamp::from_unix_ms(AT));
    comparison.units(&diff::made_up_ids(2000), true)
}

/// `path: from → to count` of each move of a group.
fn moves(diff: &Diff, group: usize) -> Vec<String> {
    let parts = diff.groups[group].parts.iter();
    let lines = parts.flat_map(|part| {
        part.moves.iter().map(|it| format!("{}: {} → {} {}", part.path, it.from, it.to, it.count))
    });
    lines.collect()
}

/// The number of made-up units whose bucket, as the core computes it, is between two shares.
fn within(salt: &str, from: u32, to: u32) -> usize {
    let bucket = |id: &String| serin_core::Bucket::of(serin_core::Purpose::Ramp, salt, id).number();
    diff::made_up_ids(2000).iter().filter(|id| (from..to).contains(&bucket(id))).count()
}

#[test]
fn exactly_the_units_between_two_shares_move_for_every_source() {
    let (shop, flag) = (within("shop", 5000, 20_000), within("new", 5000, 20_000));
    assert!(shop > 200 && flag > 200);
    for sources in [
        json!([{"header": "x-user-id"}]),
        json!([{"cookie": "uid"}]),
        json!([{"query": "u"}]),
        json!([{"jwt": "sub"}, {"header": "x-user-id"}]),
        json!([{"cookie": "uid"}, {"anonymous": "serin_id"}]),
    ] {
        let found = units(&spec(&sources, 5.0), &spec(&sources, 20.0));
        assert_eq!(moves(&found, 0), [format!("rollouts.shop: stable → canary {shop}")]);
        assert_eq!(found.groups[0].moved, shop as u64);
        let beta = &found.groups[1];
        assert_eq!(beta.cohorts, ["beta"]);
        assert!(moves(&found, 1).contains(&format!("flags.new: off → on {flag}")), "{beta:?}");
        assert_eq!(found.groups.len(), 2);
    }
}

#[test]
fn changed_source_moves_no_unit_that_has_both() {
    let (a, b) =
        (json!([{"header": "x-user-id"}]), json!([{"jwt": "sub"}, {"header": "x-user-id"}]));
    let found = units(&spec(&a, 5.0), &spec(&b, 5.0));
    assert_eq!(found.max_moved_percent(), 0.0);
    assert!(
        found.changed.iter().all(|it| it.path.starts_with("units.user")),
        "{:?}",
        found.changed
    );
}

#[test]
fn added_and_removed_parts_count_against_baseline_and_default() {
    let full = spec(&json!([{"header": "x-user-id"}]), 20.0);
    let mut without = full.clone();
    without["flags"] = json!({});
    without["rollouts"] = json!({});
    let shop = within("shop", 0, 20_000);
    let added = units(&without, &full);
    assert_eq!(moves(&added, 0), [format!("rollouts.shop: nothing → canary {shop}")]);
    let removed = units(&full, &without);
    assert_eq!(moves(&removed, 0), [format!("rollouts.shop: canary → nothing {shop}")]);
}

#[test]
fn another_target_or_value_behind_the_same_name_is_a_move() {
    let old = spec(&json!([{"header": "x-user-id"}]), 20.0);
    let mut new = old.clone();
    new["rollouts"]["shop"]["arms"]["canary"]["target"] = json!("v3");
    new["flags"]["new"]["variants"]["off"] = json!(true);
    let shop = within("shop", 0, 20_000);
    let wanted = [
        format!("rollouts.shop: canary (v2) → canary (v3) {shop}"),
        "flags.new: off = false → off = true 2000".into(),
    ];
    assert_eq!(moves(&units(&old, &new), 0), wanted);
}

#[test]
fn name_with_a_dot_is_one_path_step() {
    let mut old = spec(&json!([{"header": "x-user-id"}]), 20.0);
    old["flags"] = json!({"a.b": old["flags"]["new"]});
    let mut new = old.clone();
    new["flags"]["a.b"]["defaultVariant"] = json!("on");
    let found = units(&old, &new);
    assert_eq!(moves(&found, 0), ["flags[\"a.b\"]: off → on 2000"]);
    let text = diff::markdown(&found, None);
    assert!(text.contains("| flag `a.b` | everybody | 2,000 (100 %) |"), "{text}");
    assert!(text.contains("be the cause:\n\n- `flags[\"a.b\"].defaultVariant`: "), "{text}");
}

#[test]
fn requests_that_change_rollouts_all_move() {
    let old = spec(&json!([{"header": "x-user-id"}]), 0.0);
    let mut new = old.clone();
    new["rollouts"]["special"] = json!({
        "match": {"hosts": ["*.example.com"], "paths": ["/shop/special"]},
        "arms": {"only": {"target": "v9"}},
        "baseline": "only",
    });
    let found = units(&old, &new);
    assert_eq!(moves(&found, 0), ["rollouts.special: shop/stable → special/only 2000"]);
    // The reverse change moves the same requests, and the report names its cause.
    let found = units(&new, &old);
    assert_eq!(moves(&found, 0), ["rollouts.shop: special/only → shop/stable 2000"]);
    let text = diff::markdown(&found, None);
    assert!(text.contains("| rollout `shop` | everybody | 2,000 (100 %) |"), "{text}");
    assert!(text.contains("may be the cause:\n\n- `rollouts.special` is removed"), "{text}");
}

#[test]
fn new_path_is_counted_apart() {
    let old = spec(&json!([{"header": "x-user-id"}]), 20.0);
    let mut new = old.clone();
    new["rollouts"]["shop"]["match"]["paths"] = json!(["/shop", "/cart"]);
    let shop = within("shop", 0, 20_000);
    for (old, new, wanted) in [(&old, &new, "nothing → canary"), (&new, &old, "canary → nothing")]
    {
        let found = units(old, new);
        assert_eq!(moves(&found, 0), [format!("rollouts.shop: {wanted} {shop}")]);
        let parts = found.groups[0].parts.iter().filter(|part| part.kind == "rollout");
        assert_eq!(parts.map(|part| part.of).collect::<Vec<_>>(), [2000, 2000]);
    }
}

#[test]
fn ring_on_method_or_path_is_evaluated_with_them() {
    let old = spec(&json!([{"header": "x-user-id"}]), 0.0);
    let mut new = old.clone();
    new["rollouts"]["shop"]["canary"]["rings"] = json!([
        {"attribute": "method", "equals": "POST"},
        {"attribute": "path", "prefix": "/shop/new"},
        {"attribute": "path", "prefix": "/elsewhere"},
    ]);
    let text = diff::markdown(&units(&old, &new), None);
    let row = "| with `method: POST` or `path: /shop/new` | 2,000 (100 %) |";
    assert!(text.contains(row), "{text}");
    assert!(!text.contains("elsewhere` |"), "{text}");
}

#[test]
fn changed_units_are_warned_about_first() {
    let old = spec(&json!([{"header": "x-user-id"}]), 5.0);
    let mut new = spec(&json!([{"cookie": "uid"}]), 5.0);
    new["flags"]["new"]["deliver"] = json!({"paths": ["/shop"]});
    let text = diff::markdown(&units(&old, &new), None);
    let (headline, rest) = text.split_once("\n\n").unwrap();
    assert!(headline.contains("none of 2,000 units moves"), "{text}");
    assert!(rest.starts_with("`units` changes."), "{text}");
    let in_requests = text.split("whose effect only an access log can show").nth(1).unwrap();
    assert!(in_requests.contains("- `flags.new.deliver` is new"), "{text}");
}

#[test]
fn recorded_requests_get_the_decision_of_a_host() {
    let sources = json!([{"jwt": "sub"}, {"cookie": "uid"}, {"anonymous": "serin_id"}]);
    let (old, new) = (load(&spec(&sources, 0.0)), load(&spec(&sources, 100.0)));
    let comparison = Comparison::new(old.side(), new.side(), Timestamp::from_unix_ms(AT));
    let lines = [
        // The unit comes from a claim, from a cookie, and from an id that a host mints.
        r#"{"url":"https://a.example.com/shop","facts":{"jwt.sub":"7"}}"#,
        r#"{"url":"https://a.example.com/shop/x","headers":{"cookie":"uid=ada","x-beta":"1"}}"#,
        r#"{"url":"https://a.example.com/%73hop"}"#,
        // Outside the rollout.
        r#"{"url":"https://b.example.org/shop"}"#,
    ];
    let compare =
        || comparison.requests(lines.iter().map(|line| diff::parse_request(line))).unwrap();
    let found = compare();
    let all = &found.groups[0];
    assert_eq!((all.size, all.moved), (4, 3));
    let wanted = ["rollouts.shop: stable → canary 3", "flags.new: off → on 1"];
    assert_eq!(moves(&found, 0), wanted);
    assert_eq!(diff::json(&found, None), diff::json(&compare(), None));
    assert!(comparison.requests(["{}"].iter().map(|line| diff::parse_request(line))).is_err());
}

#[test]
fn group_that_moves_differently_has_a_row() {
    let staff = json!({"any": [
        {"attribute": "header.x-email", "suffix": "@corp.example"},
        {"attribute": "ip", "cidr": ["10.0.0.0/8"]},
    ]});
    let mut old = spec(&json!([{"header": "x-user-id"}]), 5.0);
    old["cohorts"] = json!({"staff": staff, "beta": old["cohorts"]["beta"]});
    old["rollouts"]["shop"]["canary"]["rings"] = json!([{"cohort": "staff"}]);
    let mut new = old.clone();
    new["rollouts"]["shop"]["canary"]["share"] = json!(20);
    let text = diff::markdown(&units(&old, &new), Some(50.0));
    let everybody = format!("| rollout `shop` | everybody | {} (", within("shop", 5000, 20_000));
    let staff = "| rollout `shop` | `staff` with `header.x-email: @corp.example` or \
                 `ip: 10.0.0.0` | nobody |  |\n";
    assert!(text.contains(&everybody) && text.contains(staff), "{text}");
    assert_eq!(text.matches("rollout `shop`").count(), 2, "{text}");
    assert!(text.contains("within the limit of 50 %"), "{text}");
}

#[test]
fn flag_moves_with_the_flags_it_requires() {
    let mut old = spec(&json!([{"header": "x-user-id"}]), 20.0);
    let flag = |requires: &str| {
        json!({
            "kind": "ops",
            "variants": {"on": true, "off": false},
            "defaultVariant": "off",
            "requires": [{"flag": requires, "variant": "on"}],
            "rules": [{"serve": "on"}],
        })
    };
    // Sorted by name, each flag precedes the one that it requires.
    old["flags"] = json!({"a": flag("b"), "b": flag("c"), "c": {
        "kind": "ops",
        "variants": {"on": true, "off": false},
        "defaultVariant": "off",
        "rules": [{"serve": "off"}],
    }, "d": {"kind": "ops", "variants": {"x": 1}, "defaultVariant": "x"}});
    let mut new = old.clone();
    new["flags"]["c"]["rules"][0]["serve"] = json!("on");
    let found = units(&old, &new);
    let wanted = ["a", "b", "c"].map(|name| format!("flags.{name}: off → on 2000"));
    assert_eq!(moves(&found, 0), wanted);
    let unaffected = found.groups[0].parts.iter().find(|part| part.path == "flags.d").unwrap();
    assert_eq!((unaffected.of, unaffected.moved()), (2000, 0));
}

#[test]
fn unchanged_flag_moves_with_its_cohorts_layers_and_holdouts() {
    let mut old = spec(&json!([{"header": "x-user-id"}]), 100.0);
    old["cohorts"]["outer"] = json!({"any": [{"cohort": "beta"}]});
    old["layers"] = json!({"rank": {"unit": "user"}});
    old["holdouts"] = json!({"q": {"unit": "user", "percent": 0}});
    let flag = |kind: &str, rule: Value| {
        json!({"kind": kind, "owner": "o", "expires": "2099-01-01", "variants": {"on": 1, "off": 0},
            "defaultVariant": "off", "rules": [rule]})
    };
    old["flags"] = json!({
        "in-outer": flag("ops", json!({"when": {"cohort": "outer"}, "serve": "on"})),
        "in-layer": flag("ops", json!({"layer": {"name": "rank", "range": [0, 50]}, "serve": "on"})),
        "held-out": flag("release", json!({"serve": "on"})),
        "switch": flag("ops", json!({"serve": "on"})),
    });
    let moved = |change: fn(&mut Value)| {
        let mut new = old.clone();
        change(&mut new);
        let found = units(&old, &new);
        let parts = found.groups.iter().flat_map(|group| group.parts.clone());
        let moved = parts.filter(|part| part.kind == "flag" && part.moved() > 0);
        let mut names: Vec<String> = moved.map(|part| part.name).collect();
        names.dedup();
        names
    };
    assert_eq!(moved(|spec| spec["cohorts"]["beta"]["equals"] = json!("2")), ["in-outer"]);
    assert_eq!(moved(|spec| spec["layers"]["rank"]["salt"] = json!("new")), ["in-layer"]);
    assert_eq!(moved(|spec| spec["holdouts"]["q"]["percent"] = json!(50)), ["held-out"]);
}

#[test]
fn named_unit_has_a_row_and_does_not_count_for_the_limit() {
    let mut old = spec(&json!([{"jwt": "sub"}, {"header": "x-user-id"}]), 0.0);
    old["rollouts"]["shop"]["canary"]["rings"] = json!([]);
    let mut new = old.clone();
    let ada = json!({"attribute": "unit.user", "in": ["ada"]});
    new["rollouts"]["shop"]["canary"]["rings"] = json!([ada]);
    let found = units(&old, &new);
    let group = found.groups.iter().find(|group| group.is_named_unit).unwrap();
    assert_eq!((group.size, group.moved, found.max_moved_percent()), (1, 1, 0.0));
    let text = diff::markdown(&found, Some(0.0));
    assert!(
        text.contains("| with `unit.user: ada` | 1 (100 %) | `stable` → `canary`: 1 |"),
        "{text}"
    );
    assert!(!found.is_above(0.0));
}
