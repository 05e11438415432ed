//! What is found in a spec that compiles, and what is not: each finding beside its like that is
//! meant.

use serin_core::lint::{Change, Expiry, Lint, debt, lint, moves};
use serin_core::{Plan, Spec, Timestamp};

/// 2026-11-21T12:00:00Z.
const NOW: Timestamp = Timestamp::from_unix_ms(1_795_262_400_000);

fn read(text: &str) -> (Spec, Plan) {
    let plan = Plan::from_json(text.as_bytes()).unwrap_or_else(|errors| panic!("{errors}"));
    (Spec::from_json(text.as_bytes()).unwrap(), plan)
}

/// A spec around a fragment, with two units.
fn with(fragment: &str) -> String {
    format!(
        r#"{{ "formatVersion": 1, "units": {{
             "user": [ {{ "header": "x-user" }}, {{ "anonymous": "id" }} ], "tenant": [ {{ "header": "x-tenant" }} ] }},
             {fragment} }}"#
    )
}

/// Ids and paths, without what is said of units: no fragment uses them all.
fn found(fragment: &str) -> Vec<String> {
    let (spec, plan) = read(&with(fragment));
    let findings = lint(&spec, &plan, NOW);
    let others = findings.iter().filter(|finding| finding.lint != Lint::UnusedUnit);
    others.map(|finding| format!("{} {}", finding.lint.id(), finding.path)).collect()
}

/// The findings of a flag with these rules, and what else it has.
fn of_rules(rules: &str, more: &str) -> Vec<String> {
    found(&format!(
        r#""flags": {{ "f": {{ "variants": {{ "on": true, "off": false }}, "defaultVariant": "off",
             "rules": [ {rules} ] {more} }} }}"#
    ))
}

#[test]
fn rules_behind_one_that_serves_everybody() {
    let hidden = ["unreachable-rule flags.f.rules[1]"];
    let path = r#"{ "when": { "attribute": "path", "prefix": "/a" }, "serve": "on" }"#;
    let serve = r#"{ "serve": "on" }"#;
    assert_eq!(of_rules(&format!("{serve}, {path}"), ""), hidden);
    assert_eq!(of_rules(&format!("{path}, {serve}"), ""), [""; 0]);
    assert_eq!(of_rules(&format!("{path}, {path}"), ""), hidden, "for the very same requests");
    for all in [
        r#"{ "split": { "on": 50, "off": 50 }, "unit": "UNIT" }"#,
        r#"{ "ramp": { "variant": "on", "share": 100, "unit": "UNIT" } }"#,
        r#"{ "ramp": { "variant": "on", "unit": "UNIT", "start": "2026-11-20",
             "steps": [ { "share": 5, "hold": "1h" }, { "share": 100 } ] } }"#,
    ] {
        let users = all.replace("UNIT", "user");
        assert_eq!(of_rules(&format!("{users}, {serve}"), ""), hidden, "nobody is without an id");
        let tenants = all.replace("UNIT", "tenant");
        assert_eq!(of_rules(&format!("{tenants}, {serve}"), ""), [""; 0], "who has no tenant");
        assert_eq!(of_rules(&format!("{tenants}, {tenants}"), ""), hidden);
    }
    let growing = r#"{ "ramp": { "variant": "on", "unit": "user", "start": "2026-11-21",
         "steps": [ { "share": 5, "hold": "10d" }, { "share": 100 } ] } }"#;
    assert_eq!(of_rules(&format!("{growing}, {serve}"), ""), [""; 0], "not yet");
    let disabled = of_rules(&format!("{serve}, {path}"), r#", "state": "disabled""#);
    assert_eq!(disabled, ["disabled-flag flags.f.state"]);
    assert_eq!(of_rules("", r#", "state": "disabled""#), [""; 0]);
}

#[test]
fn steps_that_do_not_grow() {
    let steps = |steps: &str| {
        of_rules(
            &format!(
                r#"{{ "ramp": {{ "variant": "on", "unit": "user", "start": "2026-11-21", "steps": [ {steps} ] }} }}"#
            ),
            "",
        )
    };
    let place = |lint: &str, at: u32| format!("{lint} flags.f.rules[0].ramp.steps[{at}].share");
    assert_eq!(steps(r#"{ "share": 1, "hold": "1h" }, { "share": 100 }"#), [""; 0]);
    assert_eq!(
        steps(r#"{ "share": 1, "hold": "1h" }, { "share": 50, "hold": "manual" }"#),
        [""; 0]
    );
    assert_eq!(
        steps(
            r#"{ "share": 0, "hold": "1h" }, { "share": 5, "hold": "1h" }, { "share": 3, "hold": "1h" }, { "share": 50 }"#
        ),
        [
            place("step-without-growth", 0),
            place("step-without-growth", 2),
            place("last-step-below-100", 3)
        ],
    );
}

#[test]
fn arms_and_flags_that_nobody_gets() {
    let arms = |mode: &str| {
        found(&format!(
            r#""rollouts": {{ "r": {{ "unit": "user", "arms": {{ "a": {{ "target": "a" }}, "b": {{ "target": "b" }}, "c": {{ "target": "c" }} }},
                 "baseline": "a" {mode} }} }}"#
        ))
    };
    let missing = |arm: &str| format!("unreachable-arm rollouts.r.arms.{arm}");
    assert_eq!(arms(""), [missing("b"), missing("c")]);
    assert_eq!(arms(r#", "canary": { "arm": "b", "share": 0 }"#), [missing("c")]);
    assert_eq!(arms(r#", "blueGreen": { "active": "c" }"#), [missing("b")]);
    assert_eq!(arms(r#", "split": { "a": 50, "b": 50, "c": 0 }"#), [missing("c")]);
    assert_eq!(
        arms(r#", "split": { "a": 50, "b": 50 }, "shadow": { "arm": "c", "percent": 1 }"#),
        [""; 0]
    );
    assert_eq!(
        of_rules("", r#", "deliver": { "paths": [] }"#),
        ["undelivered-flag flags.f.deliver.paths"]
    );
    assert_eq!(of_rules("", r#", "deliver": { "paths": [ "/nowhere" ] }"#), [""; 0]);
}

#[test]
fn cohorts_that_gates_judge_are_used() {
    let condition = r#"{ "attribute": "path", "exists": true }"#;
    let fragment = |gates: &str| {
        format!(
            r#""cohorts": {{ "pro": {{ "cohort": "inner" }}, "inner": {condition} }},
               "rollouts": {{ "r": {{ "arms": {{ "a": {{ "target": "a" }}, "b": {{ "target": "b" }} }}, "baseline": "a",
               "unit": "user", "canary": {{ "share": 5 }}, "gates": {{ {gates} }} }} }}"#
        )
    };
    assert_eq!(found(&fragment(r#""cohorts": [ "pro" ]"#)), [""; 0]);
    assert_eq!(found(&fragment("")), ["unused-cohort cohorts.inner", "unused-cohort cohorts.pro"]);
}

#[test]
fn what_nothing_uses() {
    let condition = r#"{ "attribute": "path", "exists": true }"#;
    let cohorts = format!(
        r#""cohorts": {{ "used": {{ "not": {{ "cohort": "inner" }} }}, "inner": {condition}, "outer": {{ "cohort": "alone" }}, "alone": {condition} }}"#
    );
    let flag = r#""f": { "kind": "KIND", "variants": { "on": true }, "defaultVariant": "on", "rules": [ { "when": { "cohort": "used" }, "serve": "on" } ] }"#;
    let ops = flag.replace("KIND", "ops");
    let groups = r#""holdouts": { "h": { "unit": "user", "percent": 1 } }, "layers": { "l": { "unit": "user" } }"#;
    assert_eq!(
        found(&format!(r#"{cohorts}, {groups}, "flags": {{ {ops} }}"#)),
        [
            "unused-cohort cohorts.alone",
            "unused-cohort cohorts.outer",
            "unused-layer layers.l",
            "unused-holdout holdouts.h"
        ],
    );
    let held = ops.replace(r#""kind": "ops", "#, "");
    let layer =
        held.replace(r#""serve""#, r#""layer": { "name": "l", "range": [ 0, 5 ] }, "serve""#);
    let used =
        cohorts.replace(r#""used": {"#, r#""used": { "any": [ { "cohort": "outer" } ] }, "x": {"#);
    let fragment = format!(r#"{used}, {groups}, "flags": {{ {layer} }}"#);
    assert_eq!(found(&fragment), ["unused-cohort cohorts.inner", "unused-cohort cohorts.x"]);
    let (spec, plan) = read(&with(r#""flags": {}"#));
    let units: Vec<String> =
        lint(&spec, &plan, NOW).into_iter().map(|finding| finding.path).collect();
    assert_eq!(units, ["units.tenant", "units.user"]);
}

#[test]
fn who_shares_users_by_accident() {
    let flags = |a: &str, b: &str| {
        let flag = |rule: &str| {
            format!(
                r#"{{ "variants": {{ "on": true, "off": false }}, "defaultVariant": "off", "rules": [ {rule} ] }}"#
            )
        };
        found(&format!(
            r#""layers": {{ "l": {{ "unit": "user" }} }}, "flags": {{ "a": {}, "b": {} }}"#,
            flag(a),
            flag(b)
        ))
    };
    let layer = |range: &str| {
        format!(r#"{{ "layer": {{ "name": "l", "range": {range} }}, "serve": "on" }}"#)
    };
    assert_eq!(flags(&layer("[0, 50]"), &layer("[50, 100]")), [""; 0]);
    assert_eq!(
        flags(&layer("[0, 50.001]"), &layer("[50, 100]")),
        ["overlapping-layers flags.b.rules[0].layer.range"]
    );
    let ramp = |salt: &str, unit: &str| {
        format!(r#"{{ "ramp": {{ "variant": "on", "share": 5, "unit": "{unit}" {salt} }} }}"#)
    };
    let salts = |a: &str, b: &str| {
        let mut found = flags(a, b);
        found.retain(|finding| !finding.starts_with("unused-layer"));
        found
    };
    let shared = ["shared-salt flags.b.rules[0].ramp.salt"];
    let salted = r#", "salt": "s""#;
    assert_eq!(salts(&ramp("", "user"), &ramp("", "user")), [""; 0]);
    assert_eq!(salts(&ramp(salted, "user"), &ramp(salted, "user")), shared);
    assert_eq!(salts(&ramp("", "user"), &ramp(r#", "salt": "a""#, "user")), shared);
    assert_eq!(salts(&ramp(salted, "user"), &ramp(salted, "tenant")), [""; 0], "other units");
    let split = r#"{ "split": { "on": 50, "off": 50 }, "unit": "user", "salt": "s" }"#;
    assert_eq!(salts(&ramp(salted, "user"), split), [""; 0], "another purpose");
    let both = found(
        r#""flags": { "x": { "variants": { "on": true }, "defaultVariant": "on", "rules": [ { "ramp": { "variant": "on", "share": 5, "unit": "user" } } ] } },
           "rollouts": { "x": { "unit": "user", "arms": { "a": { "target": "a" }, "b": { "target": "b" } }, "baseline": "a", "canary": { "share": 5 } } }"#,
    );
    assert_eq!(both, ["shared-salt rollouts.x.salt"]);
}

#[test]
fn flags_and_their_dates() {
    let expiry = |date: &str| {
        let (spec, _) = read(&with(&format!(
            r#""flags": {{ "f": {{ "expires": "{date}", "variants": {{ "on": true }}, "defaultVariant": "on" }} }}"#
        )));
        let of = debt(&spec, NOW);
        of[0].expiry
    };
    assert_eq!(expiry("2026-11-21"), Expiry::In(1), "a date lasts until its end");
    assert_eq!(expiry("2026-11-20"), Expiry::Past(1));
    assert_eq!(expiry("2026-11-21T12:00:00Z"), Expiry::Past(1), "a moment is a moment");
    assert_eq!(expiry("2026-11-21T12:00:01Z"), Expiry::In(1));
    assert_eq!(expiry("2026-12-21"), Expiry::In(31));
}

#[test]
fn flags_that_decide_nothing_any_more() {
    let decided = |rules: &str| {
        let (spec, _) = read(&with(&format!(
            r#""flags": {{ "f": {{ "variants": {{ "on": true, "off": false }}, "defaultVariant": "off", "rules": [ {rules} ] }} }}"#
        )));
        debt(&spec, NOW)[0].decided.map(str::to_owned)
    };
    let when = r#""when": { "attribute": "path", "prefix": "/a" }"#;
    assert_eq!(decided("").as_deref(), Some("off"));
    assert_eq!(decided(r#"{ "serve": "on" }"#).as_deref(), Some("on"));
    assert_eq!(decided(&format!(r#"{{ {when}, "serve": "on" }}"#)), None);
    assert_eq!(decided(&format!(r#"{{ {when}, "serve": "off" }}"#)).as_deref(), Some("off"));
    assert_eq!(
        decided(&format!(r#"{{ {when}, "serve": "on" }}, {{ "serve": "on" }}"#)).as_deref(),
        Some("on")
    );
    assert_eq!(decided(&format!(r#"{{ {when}, "serve": "off" }}, {{ "serve": "on" }}"#)), None);
    assert_eq!(decided(r#"{ "ramp": { "variant": "on", "share": 99, "unit": "user" } }"#), None);
    assert_eq!(
        decided(r#"{ "ramp": { "variant": "on", "share": 100, "unit": "user" } }"#).as_deref(),
        Some("on")
    );
    assert_eq!(decided(r#"{ "split": { "on": 50, "off": 50 }, "unit": "user" }"#), None);
}

/// What `moves` says of a split, against asking both plans about many users.
#[test]
fn moves_are_what_users_see() {
    let split = |weights: &str| {
        with(&format!(
            r#""flags": {{ "f": {{ "variants": {{ "a": 1, "b": 2, "c": 3 }}, "defaultVariant": "a",
                 "rules": [ {{ "split": {weights}, "unit": "user" }} ] }} }}"#
        ))
    };
    let old = read(&split(r#"{ "a": 50, "b": 25, "c": 25 }"#));
    let new = read(&split(r#"{ "a": 40, "b": 25, "c": 35 }"#));
    let found = moves((&old.0, &old.1), (&new.0, &new.1), NOW);
    let [found] = found.as_slice() else { panic!("{found:?}") };
    assert_eq!(found.change, Change::Moved);
    let listed: Vec<(&str, &str, u64)> =
        found.list.iter().map(|moved| (&*moved.from, &*moved.to, moved.share / 100_000)).collect();
    assert_eq!(listed, [("a", "b", 10_000), ("b", "c", 10_000)]);
    let past = "past: [ { a: 50, b: 25, c: 25 } ]";
    assert_eq!(found.past, Some((1_000_000_000, past.to_owned())));
    let variant = |plan: &Plan, user: &str| {
        let headers: [(&[u8], &[u8]); 4] = [
            (b":method", b"GET"),
            (b":authority", b"x"),
            (b":path", b"/"),
            (b"x-user", user.as_bytes()),
        ];
        let facts = serin_core::Facts::gather(plan, headers);
        let flag = plan.flag_named("f").unwrap();
        let decision = serin_core::evaluate_flag(plan, &facts, flag);
        plan.flag(flag).unwrap().variant(decision.variant).unwrap().name().to_owned()
    };
    const USERS: u32 = 20_000;
    let mut seen = std::collections::BTreeMap::new();
    for user in 0..USERS {
        let user = format!("user-{user}");
        let (before, after) = (variant(&old.1, &user), variant(&new.1, &user));
        *seen.entry((before, after)).or_insert(0_u32) += 1;
    }
    seen.retain(|(before, after), _| before != after);
    let pairs: Vec<(&str, &str)> = seen.keys().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(pairs, [("a", "b"), ("b", "c")], "nobody moves otherwise");
    for count in seen.values() {
        // 10 % of 20,000, six standard deviations.
        assert!(count.abs_diff(USERS / 10) < 6 * 43, "{count}");
    }
}

#[test]
fn rules_are_found_again_and_redrawn_ones_are_said_to_be() {
    let rules = |rules: &str, kind: &str| {
        read(&with(&format!(
            r#""flags": {{ "f": {{ "kind": "{kind}", "variants": {{ "on": 1, "off": 2 }}, "defaultVariant": "off", "rules": [ {rules} ] }} }}"#
        )))
    };
    let ramp = |name: &str, share: u32, unit: &str| {
        format!(
            r#"{{ "name": "{name}", "ramp": {{ "variant": "on", "share": {share}, "unit": "{unit}" }} }}"#
        )
    };
    let found = |old: &(Spec, Plan), new: &(Spec, Plan)| {
        let found = moves((&old.0, &old.1), (&new.0, &new.1), NOW);
        let line = |moves: &serin_core::lint::Moves| {
            format!(
                "{} {:?} {} {:?}",
                moves.path,
                moves.change,
                moves.total() / 100_000,
                moves.also
            )
        };
        found.iter().map(line).collect::<Vec<_>>()
    };
    let (a5, a6, b) = (ramp("a", 5, "user"), ramp("a", 6, "user"), ramp("b", 20, "user"));
    let old = rules(&format!("{a5}, {a6}, {b}"), "ops");
    assert_eq!(found(&old, &old), [""; 0], "rules of one name are kept apart");
    assert_eq!(
        found(&old, &rules(&format!("{b}, {a5}"), "ops")),
        [
            r#"flags.f.rules[0] Nobody 0 ["it has another place in the order of rules"]"#,
            r#"flags.f.rules[1] Nobody 0 ["it has another place in the order of rules"]"#,
            "flags.f.rules[1] Removed 0 []",
        ]
    );
    let tenants = rules(&format!("{a5}, {a6}, {}", ramp("b", 30, "tenant")), "permission");
    // 20 % × 70 % leave, 80 % × 30 % come.
    assert_eq!(found(&old, &tenants), ["flags.f.rules[2] Redrawn 38000 []"]);
    let mut other = with(r#""flags": {}"#);
    other = other.replace("x-user", "x-user-id");
    let (spec, plan) = read(&other);
    assert_eq!(found(&(spec, plan), &old), ["flags.f Added 0 []"]);
}
