//! The messages for a spec with mistakes: all at once, each with its path.

use serin_core::Plan;

#[track_caller]
fn errors(spec: &str) -> String {
    Plan::from_json(spec.as_bytes()).expect_err("the spec should be refused").to_string()
}

/// A spec around a fragment of flags, rollouts or cohorts.
fn with(fragment: &str) -> String {
    format!(
        r#"{{ "formatVersion": 1, "units": {{ "user": [ {{ "header": "x-user" }} ] }}, {fragment} }}"#
    )
}

#[track_caller]
fn refused(fragment: &str, wanted: &[&str]) {
    assert_eq!(errors(&with(fragment)), wanted.join("\n"));
}

#[test]
fn document_that_is_not_a_spec_is_refused() {
    assert_eq!(errors("{"), "not a JSON document: EOF while parsing an object at line 1 column 1");
    assert_eq!(
        errors("[]"),
        "the document is a list, must be an object, write formatVersion: 1 and the sections below it"
    );
    assert_eq!(errors("{}"), "the field formatVersion is missing");
    assert_eq!(
        errors(r#"{"formatVersion": 2}"#),
        "formatVersion: is 2, this version of Serin reads format 1 only"
    );
    assert!(
        errors(r#"{"formatVersion":1,"flags":{"a":1,"a":2}}"#).contains("\"a\" is given twice")
    );
}

#[test]
fn document_beyond_4_mib_is_refused() {
    let of_size = |size: usize| format!("{{\"formatVersion\":1}}{}", " ".repeat(size - 19));
    assert!(Plan::from_json(of_size(4 << 20).as_bytes()).is_ok());
    assert_eq!(
        errors(&of_size((4 << 20) + 1)),
        "the document is 4194305 bytes long, at most 4194304 are allowed"
    );
}

#[test]
fn target_that_cannot_be_a_header_field_is_refused() {
    let with_target = |target: &str| {
        format!(
            r#""rollouts": {{ "web": {{ "arms": {{ "stable": {{ "target": "{target}" }} }}, "baseline": "stable" }} }}"#
        )
    };
    assert!(Plan::from_json(with(&with_target(&"x".repeat(1024))).as_bytes()).is_ok());
    for (target, wrong) in [
        (String::new(), "is empty, name an upstream"),
        ("x".repeat(1025), "is 1025 bytes long, at most 1024 are allowed"),
        ("a\\nb".into(), "has a control character, name an upstream without one"),
    ] {
        refused(&with_target(&target), &[&format!("rollouts.web.arms.stable.target: {wrong}")]);
    }
}

#[test]
fn gates_without_buckets_are_refused_with_the_reason() {
    let rollout = |canary: &str, unit: &str| {
        format!(
            r#""rollouts": {{ "web": {{ "arms": {{ "stable": {{ "target": "a" }}, "canary": {{ "target": "b" }} }},
                 "baseline": "stable", {unit} "canary": {canary}, "gates": {{}} }} }}"#
        )
    };
    for canary in
        [r#"{ "share": 0 }"#, r#"{ "rings": [ { "attribute": "path", "exists": true } ] }"#]
    {
        refused(
            &rollout(canary, ""),
            &[
                "rollouts.web.gates: gates compare a canary with its baseline: they need canary with \
               steps or a share, and at a share of 0 a unit",
            ],
        );
    }
    let with_unit = with(&rollout(r#"{ "share": 0 }"#, r#""unit": "user","#));
    assert!(Plan::from_json(with_unit.as_bytes()).is_ok());
}

#[test]
fn all_mistakes_of_a_flag_are_reported() {
    refused(
        r#""flags": { "New": {
            "kind": "relase", "variants": { "on": true, "off": "no" }, "defaultVariant": "of",
            "rules": [
                { "when": { "cohort": "beta" }, "serve": "onn" },
                { "split": { "on": 60, "off": 30 }, "unit": "usr" },
                { "ramp": { "variant": "on", "share": 100.5 } },
                { "serve": "on", "split": { "on": 100 } },
                { "ramp": { "variant": "on", "share": 1 }, "unit": "user" } ],
            "delivr": {} } }"#,
        &[
            "flags.New: \"New\" is not the name of a flag, use 1 to 64 of a-z, 0-9, _, -, . and *, starting with a letter or *",
            "flags.New.delivr: unknown field, did you mean deliver?",
            "flags.New.kind: \"relase\" is not allowed, use release, experiment, ops or permission, did you mean release?",
            "flags.New.variants.on: is a boolean, but off is a string: all variants of a flag have the same type",
            "flags.New.rules[1].split: the weights sum to 90, they must sum to 100",
            "flags.New.rules[2].ramp.share: 100.5 is not a share, allowed are 0 to 100 per cent in steps of 0.001",
            "flags.New.rules[3]: has both serve and split, exactly one is allowed",
            "flags.New.rules[4].unit: must be inside ramp, write ramp: { unit: … }",
            "flags.New.defaultVariant: there is no variant \"of\", did you mean off?",
            "flags.New.rules[0].when.cohort: there is no cohort \"beta\", and none is defined",
            "flags.New.rules[0].serve: there is no variant \"onn\", did you mean on?",
            "flags.New.rules[1].unit: there is no unit \"usr\", did you mean user?",
        ],
    );
}

#[test]
fn all_mistakes_of_a_rollout_are_reported() {
    refused(
        r#""rollouts": { "shop": {
            "match": { "hosts": [ "https://shop" ], "paths": [ "feed", { "prefx": "/x" } ] },
            "arms": { "stable": { "target": "v1" }, "canary": {} }, "baseline": "stabel",
            "canary": { "share": "5" }, "blueGreen": { "active": "canary" } } }"#,
        &[
            "rollouts.shop.match.paths[0]: \"feed\" is not a path, write /feed: a path starts with /, has no ?, # or * and at most 2048 bytes",
            "rollouts.shop.match.paths[1].prefx: unknown field, did you mean prefix?",
            "rollouts.shop.match.hosts[0]: \"https://shop\" is not a host, write shop.example.com or *.example.com, without scheme, port or path",
            "rollouts.shop.arms.canary: the field target is missing",
            "rollouts.shop: has both canary and blueGreen, exactly one is allowed",
            "rollouts.shop.baseline: there is no arm \"stabel\", did you mean stable?",
        ],
    );
}

#[test]
fn all_mistakes_of_gates_are_reported() {
    refused(
        r#""cohorts": { "big": { "attribute": "header.x-plan", "equals": "big" } },
        "flags": { "new": { "kind": "ops", "variants": { "on": true, "off": false }, "defaultVariant": "off" } },
        "rollouts": { "shop": {
            "unit": "user", "arms": { "a": { "target": "a" }, "b": { "target": "b" } }, "baseline": "a",
            "canary": { "start": "2026-11-21T09:00:00Z", "steps": [ { "share": 5, "hold": "1h" }, { "share": 100, "mode": "gate" } ] },
            "gates": {
                "alpha": 0, "minSample": 5,
                "errors": { "unit": "user", "status": [], "timeout": "11m", "tolerate": 0.5, "minRatio": 0 },
                "latency": { "tolerate": 301 },
                "kpi": { "methods": [ "post" ], "paths": [ "shop/*" ], "header": "x order", "tolerate": 2 },
                "promotion": { "exclude": 1 }, "shadow": { "maxDivergence": 0 },
                "cohorts": [ "big", "huge", "big" ] },
            "onAbort": { "disable": [ "new", "nope" ] } } }"#,
        &[
            "rollouts.shop.canary.steps[1].mode: gate needs a hold that is a duration, such as hold: 10m",
            "rollouts.shop.gates.minSample: unknown field, did you mean minSamples?",
            "rollouts.shop.gates.alpha: is 0 %, allowed are 0.001 to 50 per cent",
            "rollouts.shop.gates.errors.timeout: is \"11m\", allowed are 1s to 10m",
            "rollouts.shop.gates.errors.unit: \"user\" is not allowed, use bucket or request",
            "rollouts.shop.gates.errors.tolerate: is 0.5, allowed are 1 to 100 in steps of 0.001",
            "rollouts.shop.gates.errors.minRatio: is 0, allowed are 1 to 100 in steps of 0.001",
            "rollouts.shop.gates.errors.status: is an empty list, name a class such as 5xx or a status such as 429",
            "rollouts.shop.gates.latency.tolerate: is 301, allowed are 0 to 300 per cent in steps of 0.001",
            "rollouts.shop.gates.kpi.methods: \"post\" is not a method, write it in upper case such as GET",
            "rollouts.shop.gates.kpi.paths[0]: \"shop/*\" is not a path, write /feed: a path starts with /, has no ?, # or * and at most 2048 bytes",
            "rollouts.shop.gates.kpi.header: \"x order\" is not the name of a header field, write x-order",
            "rollouts.shop.gates.kpi.tolerate: is 2, allowed are 0.051 to 1 in steps of 0.001",
            "rollouts.shop.gates.promotion.exclude: is 1, allowed are 1.001 to 200 in steps of 0.001",
            "rollouts.shop.gates.shadow.maxDivergence: is 0 %, allowed are 0.001 to 50 per cent",
            "rollouts.shop.onAbort.disable[1]: there is no flag \"nope\", use new",
            "rollouts.shop.gates.cohorts[1]: there is no cohort \"huge\", use big",
            "rollouts.shop.gates.cohorts[2]: \"big\" is listed twice",
        ],
    );
}

#[test]
fn all_mistakes_of_conditions_are_reported() {
    refused(
        r#""cohorts": {
            "a": { "attribute": "contry", "equals": "CH" },
            "b": { "attribute": "ip", "cidr": [ "10.0.0.0/33", "10.0.0.0/8" ] },
            "c": { "attribute": "header.x", "equls": "1" },
            "d": { "all": [] },
            "e": { "attribute": "time", "equals": 5 },
            "f": { "attribute": "header.x", "semver": "latest", "before": "tomorrow", "lt": "5" },
            "g": { "any": [ { "cohort": "a" } ], "equals": "x" },
            "h": { "attribute": "unit.tenant", "exists": true },
            "i": { "attribute": "header.x", "prefix": "" } }"#,
        &[
            "cohorts.a.attribute: \"contry\" is not an attribute, did you mean country?",
            "cohorts.b.cidr[0]: \"10.0.0.0/33\" is not a network such as 10.0.0.0/8 or 2001:db8::/32",
            "cohorts.c.equls: unknown field, did you mean equals?",
            "cohorts.d.all: is an empty list, at least one condition is needed",
            "cohorts.e.equals: the attribute time can only be tested with before, after and exists",
            "cohorts.f.semver: \"latest\" is not a range of versions such as >=1.2.0 <2.0.0, ^1.2 or ~1.2.3",
            "cohorts.f.lt: is a string, must be a number",
            "cohorts.f.before: \"tomorrow\" is not a timestamp, write 2026-11-21T09:00:00Z (RFC 3339)",
            "cohorts.g.equals: operators test an attribute, they cannot be combined with any",
            "cohorts.i.prefix: an empty string matches every value, use exists: true",
            "cohorts.h.attribute: there is no unit \"tenant\", use user",
        ],
    );
}

#[test]
fn cycles_and_contradictions_are_refused() {
    refused(
        r#""cohorts": { "a": { "cohort": "b" }, "b": { "not": { "cohort": "c" } }, "c": { "cohort": "a" } }"#,
        &["cohorts.a: the cohort refers to itself: a → b → c → a"],
    );
    refused(
        r#""rollouts": {
            "one": { "match": { "paths": [ "/x" ] }, "arms": { "a": { "target": "t" } }, "baseline": "a" },
            "two": { "match": { "paths": [ "/y", "/x/" ] }, "arms": { "a": { "target": "t" } }, "baseline": "a" } }"#,
        &["rollouts.two.match: matches the same host and path as rollouts.one"],
    );
    refused(
        r#""rollouts": { "r": { "arms": { "a": { "target": "t" }, "b": { "target": "u" }, "c": { "target": "w" } },
            "baseline": "a", "canary": { "share": 5 } } }"#,
        &["rollouts.r.canary: needs arm to name the canary: b or c"],
    );
    refused(
        r#""flags": { "f": { "kind": "release", "variants": { "on": true }, "defaultVariant": "on", "expires": "soon" } }"#,
        &[
            "flags.f.expires: \"soon\" is not a date, write 2026-12-31",
            "flags.f: the field owner is missing, a flag of kind release needs it",
        ],
    );
}

#[test]
fn all_mistakes_of_units_are_reported() {
    assert_eq!(
        errors(
            r#"{ "formatVersion": 1,
                 "units": { "a": [ { "anonymous": "id" }, { "header": "x" } ], "b": [], "c": [ { "cookie": "a b" } ] },
                 "flags": { "f": { "variants": { "on": true }, "defaultVariant": "on",
                                   "rules": [ { "ramp": { "variant": "on", "share": 1 } } ] } } }"#
        ),
        [
            "units.a[0]: anonymous always finds an id, so it must be the last source",
            "units.b: has 0 sources, allowed are 1 to 16",
            "units.c[0].cookie: \"a b\" is not the name of a header field or cookie, use 1 to 256 letters, digits and !#$%&'*+-.^_`|~",
            "flags.f.rules[0].ramp: needs a unit: a, b or c",
        ]
        .join("\n")
    );
}

#[test]
fn cohorts_that_expand_to_too_many_tests_are_refused() {
    let mut cohorts = String::from(r#""c0": { "attribute": "path", "exists": true }"#);
    for number in 1..20 {
        let previous = number - 1;
        cohorts += &format!(
            r#", "c{number}": {{ "any": [ {{ "cohort": "c{previous}" }}, {{ "cohort": "c{previous}" }} ] }}"#
        );
    }
    let errors = errors(&with(&format!(r#""cohorts": {{ {cohorts} }}"#)));
    assert!(
        errors.starts_with(
            "cohorts.c14: expands to 16384 tests including its cohorts, at most 10000 are allowed"
        ),
        "{errors}"
    );
}

#[test]
fn long_chain_of_cohorts_is_refused_without_a_stack_overflow() {
    let mut cohorts = String::from(r#""c00000": { "attribute": "path", "exists": true }"#);
    for number in 1..20_000 {
        cohorts += &format!(r#", "c{number:05}": {{ "cohort": "c{:05}" }}"#, number - 1);
    }
    let errors = errors(&with(&format!(r#""cohorts": {{ {cohorts} }}"#)));
    assert!(
        errors.contains("levels deep including its cohorts, at most 64 are allowed"),
        "{errors:.300}"
    );
}

#[test]
fn what_follows_from_a_mistake_is_not_reported() {
    // A rollout without arms.
    refused(
        r#""rollouts": { "shop": { "baseline": "stable", "canary": { "arm": "next", "share": 5 } } }"#,
        &["rollouts.shop: the field arms is missing"],
    );
    refused(
        r#""rollouts": { "shop": { "arms": {}, "baseline": "stable", "canary": { "share": 5 } } }"#,
        &["rollouts.shop.arms: is empty, at least the baseline's arm is needed"],
    );
    // A section that is misspelt, or is none.
    let flag = r#""flags": { "f": { "variants": { "on": 1 }, "defaultVariant": "on",
        "rules": [ { "when": { "cohort": "beta" }, "serve": "on" } ] } }"#;
    refused(
        &format!(r#""cohort": {{}}, {flag}"#),
        &["cohort: unknown field, did you mean cohorts?"],
    );
    refused(
        &format!(r#""cohorts": 5, {flag}"#),
        &["cohorts: is a number, must be an object, \
           write { internal: { attribute: header.x-beta, equals: \"1\" } }"],
    );
    // A match that cannot be read matches nothing, and not everything.
    refused(
        r#""rollouts": {
            "one": { "match": "shop.example.com", "arms": { "a": { "target": "t" } }, "baseline": "a" },
            "two": { "arms": { "a": { "target": "t" } }, "baseline": "a" } }"#,
        &[
            "rollouts.one.match: is a string, must be an object, write { hosts: [shop.example.com] }",
        ],
    );
    // A weight that is none is not summed.
    refused(
        r#""rollouts": { "shop": { "arms": { "a": { "target": "t" }, "b": { "target": "u" } },
            "baseline": "a", "split": { "a": 150, "b": 50 } } }"#,
        &[
            "rollouts.shop.split.a: 150 is not a share, allowed are 0 to 100 per cent in steps of 0.001",
        ],
    );
}

#[test]
fn fields_of_other_tools_are_understood() {
    refused(
        r#""flags": { "f": { "variations": { "on": 1 }, "default": "on",
            "rules": [ { "if": { "attribute": "country", "is": "DE" }, "value": "on" } ] } },
           "rollouts": { "shop": { "versions": { "a": { "target": "t" } }, "control": "a" } }"#,
        &[
            "flags.f.default: unknown field, did you mean defaultVariant?",
            "flags.f.variations: unknown field, did you mean variants?",
            "flags.f.rules[0].if: unknown field, did you mean when?",
            "flags.f.rules[0].value: unknown field, did you mean serve?",
            "rollouts.shop.control: unknown field, did you mean baseline?",
            "rollouts.shop.versions: unknown field, did you mean arms?",
        ],
    );
}

/// An empty name was taken for the first arm or variant.
#[test]
fn empty_names_are_refused() {
    refused(
        r#""flags": { "f": { "variants": { "on": 1 }, "defaultVariant": "",
            "rules": [ { "serve": "" }, { "split": { "": 100 } },
                       { "ramp": { "variant": "", "share": 1 } } ],
            "requires": [ { "flag": "", "variant": "" } ] } },
           "rollouts": { "shop": { "arms": { "a": { "target": "t" }, "b": { "target": "u" } },
            "baseline": "", "canary": { "arm": "", "share": 5 }, "shadow": { "arm": "", "percent": 1 },
            "onAbort": { "disable": [ "" ] } } }"#,
        &[
            "flags.f.defaultVariant: is empty, write a name",
            "flags.f.requires[0].flag: is empty, write a name",
            "flags.f.requires[0].variant: is empty, write a name",
            "flags.f.rules[0].serve: is empty, write a name",
            "flags.f.rules[1].split[\"\"]: the name is empty, write a name",
            "flags.f.rules[2].ramp.variant: is empty, write a name",
            "rollouts.shop.baseline: is empty, write a name",
            "rollouts.shop.canary.arm: is empty, write a name",
            "rollouts.shop.shadow.arm: is empty, write a name",
            "rollouts.shop.onAbort.disable[0]: is empty, write a name",
        ],
    );
}

#[test]
fn durations_in_other_notations_are_explained() {
    for (hold, wrong) in [
        ("600", "is a number, must be a duration with its unit, such as 600s"),
        ("\"1.5h\"", "\"1.5h\" is not a duration, did you mean 1h30m?"),
        ("\"PT10M\"", "\"PT10M\" is not a duration, did you mean 10m?"),
        ("\"100us\"", "\"100us\" is not a duration, write 10m, 1h30m or 2d"),
        ("\"0s\"", "\"0s\" is no time at all, at least 1ms is needed"),
        ("\"\"", "is empty, write a duration such as 10m"),
    ] {
        refused(
            &format!(
                r#""rollouts": {{ "shop": {{ "arms": {{ "a": {{ "target": "t" }} }}, "baseline": "a",
                    "cooldown": {hold} }} }}"#
            ),
            &[&format!("rollouts.shop.cooldown: {wrong}")],
        );
    }
}
