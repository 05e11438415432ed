//! Findings in specs that compile. Each mistake is tested beside a similar part that is none.

mod util;

use serin_analysis::lint::{Lint, lint};

use util::{NOW, read, with};

/// The ids and paths of the findings, without unused units: no fragment uses them all.
fn found(fragment: &str) -> Vec<String> {
    let (spec, plan) = read(&with(fragment));
    let findings = lint(&spec, &plan, NOW);
    let others = findings.iter().filter(|finding| finding.lint != Lint::UnusedUnit);
    others.map(|finding| format!("{} {}", finding.lint.id(), finding.path)).collect()
}

/// The findings of a flag with these rules and further fields.
fn of_rules(rules: &str, more: &str) -> Vec<String> {
    found(&format!(
        r#""flags": {{ "f": {{ "variants": {{ "on": true, "off": false }}, "defaultVariant": "off",
             "rules": [ {rules} ] {more} }} }}"#
    ))
}

#[test]
fn a_rule_after_one_for_everybody_is_unreachable() {
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
fn flags_that_make_large_requests_are_found() {
    let of_length = |length: usize, path: &str| {
        let flag = |name: &str, path: &str| {
            let text = "x".repeat(length);
            format!(
                r#""{name}": {{ "variants": {{ "v": "{text}" }}, "defaultVariant": "v",
                     "deliver": {{ "paths": [ "{path}" ] }} }}"#
            )
        };
        found(&format!(r#""flags": {{ {}, {} }}"#, flag("a", "/a"), flag("b", path)))
    };
    // `a="…", b="…"`
    assert_eq!(of_length(2043, "/a/b"), [""; 0]);
    assert_eq!(of_length(2044, "/a/b"), ["large-flags-field flags"]);
    assert_eq!(of_length(2044, "/b"), [""; 0], "no request gets both");
}

#[test]
fn steps_that_do_not_grow_are_found() {
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

/// At 0 % the canary has no users to judge, at 100 % the baseline has none to compare with.
#[test]
fn gated_steps_that_no_traffic_ends_are_found() {
    let steps = |steps: &str| {
        found(&format!(
            r#""rollouts": {{ "r": {{ "unit": "user", "gates": {{ "errors": {{}} }},
                 "arms": {{ "a": {{ "target": "a" }}, "b": {{ "target": "b" }} }}, "baseline": "a",
                 "canary": {{ "start": "2026-11-21", "steps": [ {steps} ] }} }} }}"#
        ))
    };
    let gate = |share: &str| format!(r#"{{ "share": {share}, "hold": "1h", "mode": "gate" }}"#);
    let endless = |at: u32| format!("endless-step rollouts.r.canary.steps[{at}]");
    let of = |text: &str| {
        let mut all = steps(text);
        all.retain(|finding| finding.starts_with("endless-step"));
        all
    };
    let with = |share: &str| format!("{}, {{ \"share\": 100 }}", gate(share));
    assert_eq!(of(&with("0")), [endless(0)]);
    assert_eq!(of(&with("100")), [endless(0)]);
    assert_eq!(of(&with("0.001")), [""; 0]);
    assert_eq!(of(&with("99.999")), [""; 0]);
    let manual = r#"{ "share": 0, "hold": "manual" }, { "share": 5, "hold": "1h", "mode": "gate" }, { "share": 100 }"#;
    assert_eq!(of(manual), [""; 0]);
    assert_eq!(
        steps(manual),
        ["steerable-gate rollouts.r.gates"],
        "a person tests the canary at 0 %"
    );
    let ring = r#"{ "attribute": "country", "equals": "DE" }"#;
    let in_rings = found(&format!(
        r#""rollouts": {{ "r": {{ "unit": "user",
             "arms": {{ "a": {{ "target": "a" }}, "b": {{ "target": "b" }} }}, "baseline": "a",
             "canary": {{ "rings": [ {ring} ], "start": "2026-11-21",
                          "steps": [ {{ "share": 0, "hold": "1h" }}, {{ "share": 100 }} ] }} }} }}"#
    ));
    assert_eq!(in_rings, [""; 0], "at 0 % the rings have the canary");
    let second =
        format!("{{ \"share\": 5, \"hold\": \"1h\" }}, {}, {{ \"share\": 100 }}", gate("0"));
    assert_eq!(of(&second), [endless(1)]);
}

#[test]
fn unreachable_arms_and_undelivered_flags_are_found() {
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
    let steerable = "steerable-gate rollouts.r.gates";
    assert_eq!(found(&fragment(r#""cohorts": [ "pro" ]"#)), [steerable]);
    assert_eq!(
        found(&fragment("")),
        ["unused-cohort cohorts.inner", "unused-cohort cohorts.pro", steerable]
    );
}

#[test]
fn gates_on_ids_that_clients_choose_are_steerable() {
    let of = |sources: &str, gates: &str| {
        let text = format!(
            r#"{{ "formatVersion": 1, "units": {{ "u": [ {sources} ] }}, "rollouts": {{ "r": {{ "unit": "u",
               "arms": {{ "a": {{ "target": "a" }}, "b": {{ "target": "b" }} }}, "baseline": "a",
               "canary": {{ "share": 5 }}, "gates": {{ {gates} }} }} }} }}"#
        );
        let (spec, plan) = read(&text);
        let messages = lint(&spec, &plan, NOW).into_iter();
        messages.map(|finding| finding.message).collect::<Vec<_>>()
    };
    let found = of(r#"{ "header": "x-user" }"#, "");
    let wanted = "a client can choose its id of unit u: 3 chosen ids with one error each abort a healthy canary";
    assert_eq!(found, [wanted]);
    assert_eq!(of(r#"{ "jwt": "sub" }, { "anonymous": "id" }"#, "").len(), 1);
    assert_eq!(of(r#"{ "jwt": "sub" }"#, ""), [""; 0]);
    assert_eq!(
        of(r#"{ "header": "h" }, { "anonymous": "id" }"#, r#""count": "verified""#),
        [""; 0]
    );
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
fn overlapping_layers_and_shared_salts_are_found() {
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
