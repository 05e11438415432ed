//! Isolation: with `isolation: flags`, a mistake in a flag makes that flag alone unusable.

use serin_core::{Decision, Facts, Plan, decide};

/// A spec with more top-level fields and more flags.
fn spec(top: &str, flags: &str) -> String {
    format!(
        r#"{{ {top}, "units": {{ "user": [ {{ "header": "x-user" }} ] }}, "flags": {{
            "good": {{ "variants": {{ "on": true, "off": false }}, "defaultVariant": "off",
                "rules": [ {{ "when": {{ "attribute": "path", "prefix": "/" }}, "serve": "on" }} ] }},
            {flags} }} }}"#
    )
}

const ISOLATED: &str = r#""formatVersion": 1, "isolation": "flags""#;
const NEWER: &str = r#""formatVersion": 2, "isolation": "flags""#;
const STRICT: &str = r#""formatVersion": 1"#;

fn flag(rest: &str) -> String {
    format!(r#""variants": {{ "on": true, "off": false }}, "defaultVariant": "off" {rest}"#)
}

fn record(plan: &Plan) -> String {
    let pairs: [(&[u8], &[u8]); 2] = [(b":path", b"/"), (b"x-user", b"ada")];
    let mut decision = Decision::new(plan);
    decide(plan, &Facts::gather(plan, pairs), &mut decision);
    decision.record(plan)
}

#[track_caller]
fn decided(spec: &str, wanted: &str, mistakes: &[&str]) {
    let plan = Plan::from_json(spec.as_bytes()).expect("isolated");
    let record = record(&plan);
    let flags = record.split_once("\"flags\":").map_or("", |(_, flags)| flags);
    assert_eq!(flags.trim_end_matches("}"), wanted.trim_end_matches("}"));
    let reported: Vec<String> = plan.isolated().iter().map(ToString::to_string).collect();
    assert_eq!(reported, mistakes);
}

const GOOD: &str = r#""good":{"variant":"on","reason":"TARGETING_MATCH","rule":"rules[0]"}"#;

#[test]
fn unknown_operator_isolates_its_flag() {
    let newer = flag(
        r#", "rules": [ { "when": { "attribute": "path", "soundsLike": "x" }, "serve": "on" } ]"#,
    );
    let newer = format!(r#""newer": {{ {newer} }}"#);
    for top in [ISOLATED, NEWER] {
        let plan = Plan::from_json(spec(top, &newer).as_bytes()).expect("isolated");
        assert!(plan.isolated().iter().all(|error| error.flag() == Some("newer")));
        assert!(
            record(&plan).contains(
                r#""newer":{"variant":"off","reason":"ERROR","errorCode":"PARSE_ERROR"}"#
            )
        );
        assert!(record(&plan).contains(GOOD));
    }
    let refused = Plan::from_json(spec(STRICT, &newer).as_bytes()).expect_err("strict");
    assert!(refused.to_string().starts_with("flags.newer.rules[0].when.soundsLike: "), "{refused}");
    assert_eq!(refused.iter().next().and_then(|error| error.flag()), Some("newer"));
}

#[test]
fn newer_format_without_isolation_is_refused() {
    let top = r#""formatVersion": 2"#;
    let whole = format!(r#""fine": {{ {} }}"#, flag(""));
    assert!(Plan::from_json(spec(top, &whole).as_bytes()).is_err());
    decided(
        &spec(NEWER, &whole),
        &format!(r#"{{"fine":{{"variant":"off","reason":"STATIC"}},{GOOD}"#),
        &[],
    );
}

#[test]
fn mistake_outside_of_flags_refuses_the_spec() {
    let top = format!(
        r#"{ISOLATED}, "cohorts": {{ "a": {{ "attribute": "path", "soundsLike": "x" }} }}"#
    );
    let bad = r#""bad": { "variants": 1 }"#;
    let refused = Plan::from_json(spec(&top, bad).as_bytes()).expect_err("refused");
    // All mistakes are reported, including those in flags.
    assert!(refused.iter().any(|error| error.flag() == Some("bad")), "{refused}");
    assert!(refused.iter().any(|error| error.flag().is_none()), "{refused}");
}

#[test]
fn flag_without_a_usable_default_is_missing() {
    for bad in [
        r#""bad": { "variants": { "on": true, "of\"f": false }, "defaultVariant": "on" }"#,
        r#""bad": { "variants": { "on": true, "off": 1 }, "defaultVariant": "on" }"#,
        r#""bad": { "variants": { "on": true }, "defaultVariant": "off" }"#,
        r#""bad": { "variants": { "on": true } }"#,
        r#""bad": []"#,
        r#""Bad Name": { "variants": { "on": true }, "defaultVariant": "on" }"#,
    ] {
        let plan = Plan::from_json(spec(ISOLATED, bad).as_bytes()).expect(bad);
        assert!(!plan.isolated().is_empty());
        let names: Vec<&str> = plan.flags().iter().map(|flag| flag.name()).collect();
        assert_eq!(names, ["good"], "{bad}");
    }
}

#[test]
fn flags_that_require_an_isolated_flag_fail_closed() {
    let bad = flag(r#", "rules": [ { "serve": "onn" } ]"#);
    let needs = flag(
        r#", "requires": [ { "flag": "bad", "variant": "off" } ], "rules": [ { "serve": "on" } ]"#,
    );
    let flags = format!(r#""bad": {{ {bad} }}, "needs": {{ {needs} }}"#);
    decided(
        &spec(ISOLATED, &flags),
        &format!(
            r#"{{"bad":{{"variant":"off","reason":"ERROR","errorCode":"PARSE_ERROR"}},{GOOD},"needs":{{"variant":"off","reason":"DEFAULT"}}"#
        ),
        &["flags.bad.rules[0].serve: there is no variant \"onn\", did you mean on?"],
    );
    // Flags that require a missing flag are isolated, and the flags that require those fail closed.
    let gone = r#""gone": { "variants": { "on": 1, "off": true }, "defaultVariant": "on" }"#;
    let one = flag(r#", "requires": [ { "flag": "gone", "variant": "on" } ]"#);
    let two = flag(
        r#", "requires": [ { "flag": "one", "variant": "off" } ], "rules": [ { "serve": "on" } ]"#,
    );
    let flags = format!(r#"{gone}, "one": {{ {one} }}, "two": {{ {two} }}"#);
    let plan = Plan::from_json(spec(ISOLATED, &flags).as_bytes()).expect("isolated");
    assert!(
        record(&plan)
            .contains(r#""one":{"variant":"off","reason":"ERROR","errorCode":"PARSE_ERROR"}"#)
    );
    assert!(record(&plan).contains(r#""two":{"variant":"off","reason":"DEFAULT"}"#));
}

#[test]
fn isolation_has_two_values() {
    let refused =
        Plan::from_json(br#"{"formatVersion":1,"isolation":"rollouts"}"#).expect_err("refused");
    assert_eq!(refused.to_string(), "isolation: \"rollouts\" is not allowed, use none or flags");
}
