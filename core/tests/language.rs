//! The semantics of a spec: steps, required flags, holdouts, layers, previous weights, pins, schema
//! epochs.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use serin_core::{Decision, Facts, FixedHost, Plan, decide};

const START: u64 = 1_795_251_600_000; // 2026-11-21T09:00:00Z
const MINUTE: u64 = 60_000;

#[track_caller]
fn plan(mut spec: Value) -> Plan {
    spec["formatVersion"] = json!(1);
    if spec["units"].is_null() {
        spec["units"] = json!({ "user": [ { "header": "x-user" } ] });
    }
    match Plan::from_json(spec.to_string().as_bytes()) {
        Ok(plan) => plan,
        Err(errors) => panic!("{errors}"),
    }
}

#[track_caller]
fn refused(mut spec: Value) -> String {
    spec["formatVersion"] = json!(1);
    spec["units"] = json!({ "user": [ { "header": "x-user" } ] });
    Plan::from_json(spec.to_string().as_bytes()).expect_err("refused").to_string()
}

/// The decision record of a request by `user` at `now`, with more headers.
fn record(plan: &Plan, user: &str, now: u64, more: &[(&str, &str)]) -> (Value, Vec<String>) {
    let mut headers = vec![(":path", "/"), (":scheme", "https"), ("x-user", user)];
    headers.extend(more);
    let headers = headers.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes()));
    let facts = Facts::of_request(plan, headers, &mut FixedHost::at(now));
    let mut decision = Decision::new(plan);
    decide(plan, &facts, &mut decision);
    let record = serde_json::from_str(&decision.record(plan)).expect("a record is JSON");
    (record, decision.set_cookies(plan, &facts))
}

fn arms(plan: &Plan, users: usize, now: u64) -> BTreeMap<String, String> {
    let arm = |number: usize| {
        let user = format!("user-{number}");
        let arm =
            record(plan, &user, now, &[]).0["rollout"]["arm"].as_str().unwrap_or("-").to_owned();
        (user, arm)
    };
    (0..users).map(arm).collect()
}

fn two_arms(mode: Value) -> Value {
    let mut rollout = json!({ "arms": { "stable": { "target": "v1" }, "canary": { "target": "v2" } }, "baseline": "stable" });
    for (key, value) in mode.as_object().expect("an object") {
        rollout[key] = value.clone();
    }
    json!({ "rollouts": { "shop": rollout } })
}

#[test]
fn canary_grows_by_its_steps_and_keeps_its_users() {
    let plan = plan(two_arms(json!({ "canary": { "start": "2026-11-21T09:00:00Z", "steps": [
        { "share": 1, "hold": "10m" }, { "share": 20, "hold": "1h30m" }, { "share": 60, "hold": "manual" }, { "share": 100 } ] } })));
    assert!(plan.needs_time());
    let share = |now| record(&plan, "ada", now, &[]).0["rollout"]["share"].as_u64();
    assert_eq!(share(START - 1), Some(0));
    assert_eq!(share(START), Some(1000));
    assert_eq!(share(START + 10 * MINUTE - 1), Some(1000));
    assert_eq!(share(START + 10 * MINUTE), Some(20_000));
    assert_eq!(share(START + 100 * MINUTE), Some(60_000));
    assert_eq!(share(START + 1_000_000 * MINUTE), Some(60_000), "a manual hold lasts");
    let mut before = arms(&plan, 500, START);
    for later in [START + 10 * MINUTE, START + 100 * MINUTE] {
        let after = arms(&plan, 500, later);
        assert!(before.iter().all(|(user, arm)| arm == "stable" || after[user] == "canary"));
        before = after;
    }
}

#[test]
fn mistakes_in_steps_are_reported() {
    assert_eq!(
        refused(two_arms(
            json!({ "canary": { "steps": [ { "share": 1 }, { "share": 5, "hold": "soon" }, { "share": 10, "hold": "1m" } ] } })
        )),
        "rollouts.shop.canary.steps[0]: needs hold, which is a duration such as 10m or 1h30m, or manual\n\
         rollouts.shop.canary.steps[1].hold: \"soon\" is not a duration, write 10m, 1h30m or 2d\n\
         rollouts.shop.canary: needs start, the time when the first step begins"
    );
}

#[test]
fn flag_depends_on_the_flags_that_it_requires() {
    let flags = json!({
        "cart": { "variants": { "on": true, "off": false }, "defaultVariant": "off",
                  "rules": [ { "when": { "attribute": "header.x-cart", "equals": "new" }, "serve": "on" } ] },
        "checkout": { "variants": { "on": true, "off": false }, "defaultVariant": "off",
                      "requires": [ { "flag": "cart", "variant": "on" } ], "rules": [ { "serve": "on" } ] } });
    let plan = plan(json!({ "flags": flags }));
    let checkout =
        |more: &[(&str, &str)]| record(&plan, "ada", START, more).0["flags"]["checkout"].clone();
    assert_eq!(checkout(&[]), json!({ "variant": "off", "reason": "DEFAULT" }));
    assert_eq!(checkout(&[("x-cart", "new")])["variant"], "on");
    let cycle = |flag: &str| json!({ "variants": { "on": true }, "defaultVariant": "on", "requires": [ { "flag": flag, "variant": "on" } ] });
    assert_eq!(
        refused(json!({ "flags": { "a": cycle("b"), "b": cycle("a"), "c": cycle("d") } })),
        "flags.c.requires[0].flag: there is no flag \"d\", use a, b or c\n\
         flags.a.requires: the flag requires itself: a → b → a"
    );
}

#[test]
fn required_flags_with_too_many_evaluations_are_refused() {
    let mut flags = json!({});
    for number in 0..20 {
        let previous = format!("f{}", number - 1);
        let requires = if number == 0 {
            json!([])
        } else {
            json!([ { "flag": previous, "variant": "on" }, { "flag": previous, "variant": "on" } ])
        };
        flags[format!("f{number}")] =
            json!({ "variants": { "on": true }, "defaultVariant": "on", "requires": requires });
    }
    let errors = refused(json!({ "flags": flags }));
    assert!(
        errors.contains(
            "flags.f9.requires: requires 1023 evaluations in a chain of 10 flags, \
             allowed are 1000 evaluations and 32 flags"
        ),
        "{errors}"
    );
}

#[test]
fn holdout_applies_to_experiments_but_not_to_ops_flags() {
    let flag = |kind: &str| {
        json!({ "kind": kind, "owner": "a@b", "expires": "2030-01-01", "variants": { "on": true, "off": false },
                                    "defaultVariant": "off", "rules": [ { "serve": "on" } ] })
    };
    let plan = plan(
        json!({ "holdouts": { "q4": { "percent": 20 } }, "flags": { "test": flag("experiment"), "switch": flag("ops") } }),
    );
    let mut held = 0;
    for number in 0..1000 {
        let flags = record(&plan, &format!("user-{number}"), START, &[]).0["flags"].clone();
        assert_eq!(flags["switch"]["variant"], "on");
        let out = flags["test"]["holdout"] == "q4";
        assert_eq!(out, flags["test"]["variant"] == "off");
        assert_eq!(out, flags["test"]["reason"] == "SPLIT");
        held += usize::from(out);
    }
    assert!((150..250).contains(&held), "{held} of 1000 held out, 200 wanted");
}

#[test]
fn ranges_of_a_layer_do_not_share_units() {
    let flag = |from: u32, to: u32| {
        json!({ "variants": { "a": 1, "b": 2, "none": 0 }, "defaultVariant": "none",
        "rules": [ { "layer": { "name": "ranking", "range": [ from, to ] }, "split": { "a": 50, "b": 50, "none": 0 } } ] })
    };
    let plan = plan(
        json!({ "layers": { "ranking": { "unit": "user" } }, "flags": { "one": flag(0, 40), "two": flag(40, 100) } }),
    );
    let mut count = [0; 2];
    for number in 0..1000 {
        let flags = record(&plan, &format!("user-{number}"), START, &[]).0["flags"].clone();
        let inside = [flags["one"]["variant"] != "none", flags["two"]["variant"] != "none"];
        assert_ne!(inside[0], inside[1], "every unit is in exactly one range");
        count[0] += usize::from(inside[0]);
        count[1] += usize::from(inside[1]);
    }
    assert!((350..450).contains(&count[0]), "{count:?}");
    assert_eq!(
        refused(
            json!({ "layers": { "l": {} }, "flags": { "f": { "variants": { "a": 1 }, "defaultVariant": "a",
            "rules": [ { "layer": { "name": "m", "range": [ 50, 50 ] }, "serve": "a" } ] } } })
        ),
        "flags.f.rules[0].layer.range: is empty: the end must be greater than the start\n\
         flags.f.rules[0].layer.name: there is no layer \"m\", use l"
    );
}

fn split(now: Value, past: Value) -> Plan {
    plan(
        json!({ "rollouts": { "shop": { "arms": { "a": { "target": "a" }, "b": { "target": "b" }, "c": { "target": "c" } },
        "baseline": "a", "split": now, "past": past } } }),
    )
}

#[test]
fn edit_with_previous_weights_moves_only_the_difference() {
    let first = json!({ "a": 50, "b": 25, "c": 25 });
    let second = json!({ "a": 40, "b": 25, "c": 35 });
    let third = json!({ "a": 40, "b": 60 });
    let before = arms(&split(first.clone(), json!([])), 2000, START);
    let after = arms(&split(second.clone(), json!([first])), 2000, START);
    let moved = |before: &BTreeMap<String, String>, after: &BTreeMap<String, String>| {
        let pairs = before.iter().map(|(user, arm)| (arm.clone(), after[user].clone()));
        let mut moves: BTreeMap<(String, String), usize> = BTreeMap::new();
        pairs.filter(|(from, to)| from != to).for_each(|pair| *moves.entry(pair).or_default() += 1);
        moves
    };
    let moves = moved(&before, &after);
    assert_eq!(moves.keys().collect::<Vec<_>>(), [&("a".to_owned(), "c".to_owned())]);
    assert!((150..250).contains(&moves.values().sum::<usize>()), "{moves:?}");
    let last = arms(&split(third, json!([first, second])), 2000, START);
    let moves = moved(&after, &last);
    assert_eq!(moves.keys().collect::<Vec<_>>(), [&("c".to_owned(), "b".to_owned())]);
}

#[test]
fn session_stays_on_its_arm_until_its_pin_expires() {
    let colours = |active: &str| {
        plan(json!({ "rollouts": { "shop": {
        "arms": { "blue": { "target": "b" }, "green": { "target": "g" } }, "baseline": "blue",
        "blueGreen": { "active": active, "pinSessions": "30m" } } } }))
    };
    let (blue, green) = (colours("blue"), colours("green"));
    let (first, cookies) = record(&blue, "ada", START, &[]);
    assert_eq!(first["rollout"]["arm"], "blue");
    assert_eq!(
        cookies,
        ["serin_pin_shop=blue.1795251600; Path=/; Max-Age=1800; HttpOnly; SameSite=Lax; Secure"]
    );
    let cookie = [("cookie", "serin_pin_shop=blue.1795251600")];
    let at = |now, cookie: &[(&str, &str)]| {
        let (record, cookies) = record(&green, "ada", now, cookie);
        (record["rollout"]["arm"].as_str().unwrap_or("-").to_owned(), cookies.len())
    };
    assert_eq!(at(START + 30 * MINUTE - 1, &cookie), ("blue".into(), 0));
    assert_eq!(at(START + 30 * MINUTE, &cookie), ("green".into(), 1));
    assert_eq!(at(START, &[]), ("green".into(), 1));
    for forged in
        ["blue", "red.1795251600", "blue.9999999999", "blue.99999999999999999999", "blue.", ""]
    {
        let cookie = format!("serin_pin_shop={forged}");
        assert_eq!(at(START, &[("cookie", &cookie)]), ("green".into(), 1), "{forged}");
    }
}

#[test]
fn arm_that_needs_a_newer_schema_than_the_baseline_is_refused() {
    let spec = |needs: u32| {
        json!({ "rollouts": { "shop": { "arms": {
        "stable": { "target": "v1", "schemaEpoch": 6 },
        "canary": { "target": "v2", "schemaEpoch": 7, "needsSchemaEpoch": needs } },
        "baseline": "stable", "canary": { "share": 1 } } } })
    };
    plan(spec(6));
    assert_eq!(
        refused(spec(7)),
        "rollouts.shop.arms.canary.needsSchemaEpoch: is 7, but the baseline has schemaEpoch 6"
    );
}
