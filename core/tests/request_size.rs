//! The bounds of what one request can carry: what is refused, and that no decision exceeds them.

use serin_core::headers::MAX_DECISION_BYTES;
use serin_core::plan::{MAX_FLAGS_BYTES, MAX_RECORD_BYTES};
use serin_core::{Decision, Facts, Plan, decide};

/// A spec of flags, each given as its name and the rest of its fields.
fn spec(flags: &[(String, String)]) -> String {
    let flags: Vec<String> =
        flags.iter().map(|(name, fields)| format!(r#""{name}":{{{fields}}}"#)).collect();
    format!(
        r#"{{"formatVersion":1,"units":{{"user":[{{"header":"x-user"}}]}},
            "holdouts":{{"q4":{{"unit":"user","percent":0}}}},"flags":{{{}}}}}"#,
        flags.join(",")
    )
}

/// `count` flags with the variants `on` and `off`; `path` gives the path of each.
fn booleans(count: usize, path: impl Fn(usize) -> String) -> String {
    let flag = |number: usize| {
        let path = path(number);
        let fields = format!(
            r#""variants":{{"on":true,"off":false}},"defaultVariant":"off",
               "rules":[{{"name":"dogfood","split":{{"on":50,"off":50}}}}],
               "deliver":{{"paths":["{path}"]}}"#
        );
        (format!("flag-{number:05}"), fields)
    };
    spec(&(0..count).map(flag).collect::<Vec<_>>())
}

/// A flag whose only variant is a string of `length` letters.
fn text(name: &str, length: usize, paths: &str) -> (String, String) {
    let fields = format!(
        r#""variants":{{"v":"{}"}},"defaultVariant":"v","deliver":{{"paths":[{paths}]}}"#,
        "x".repeat(length)
    );
    (name.to_owned(), fields)
}

fn compiled(spec: &str) -> Plan {
    Plan::from_json(spec.as_bytes()).expect("the spec is good")
}

#[track_caller]
fn refused(spec: &str) -> String {
    Plan::from_json(spec.as_bytes()).expect_err("the spec should be refused").to_string()
}

/// The decision of a request for a path, with the value of `serin-flags`.
fn decided(plan: &Plan, path: &str) -> (Decision, String) {
    let pairs: [(&[u8], &[u8]); 2] = [(b":path", path.as_bytes()), (b"x-user", b"ada")];
    let mut decision = Decision::new(plan);
    decide(plan, &Facts::gather(plan, pairs), &mut decision);
    let mut flags = String::new();
    decision.request_headers(plan, |name, value| {
        assert_eq!(name, "serin-flags");
        flags = value.to_owned();
    });
    (decision, flags)
}

#[test]
fn too_many_flags_on_one_path_are_refused() {
    assert_eq!(
        refused(&booleans(6000, |_| "/".into())),
        "flags: a request can carry 89998 bytes of serin-flags in 6000 flags, at most 16384 bytes \
         are allowed: shorten the values or deliver fewer flags there, the longest are \
         flag-00000 (15 bytes), flag-00001 (15 bytes), flag-00002 (15 bytes)"
    );
    let on_feed = refused(&booleans(2000, |_| "/feed/hot".into()));
    assert!(
        on_feed.starts_with("flags: a request for /feed/hot can carry 29998 bytes"),
        "{on_feed}"
    );
}

#[test]
fn flags_on_disjoint_paths_do_not_add_up() {
    let plan = compiled(&booleans(6000, |number| format!("/page/{}", number / 10)));
    let (decision, flags) = decided(&plan, "/page/77");
    assert_eq!(decision.flags().len(), 10);
    assert_eq!(flags.len(), plan.request_size().flags);
}

/// The bound of `serin-flags` is exact: one byte more than the limit is refused.
#[test]
fn flags_up_to_the_limit_are_allowed() {
    let fixed = "a=\"\", banner=\"\", theme=\"\"".len();
    let rest = MAX_FLAGS_BYTES - fixed - 1000 - 8;
    let flags = |more: usize| {
        spec(&[
            text("a", 8, r#""/""#),
            // Two patterns of one path count once.
            text("banner", rest + more, r#""/feed", { "exact": "/feed/hot" }"#),
            text("theme", 1000, r#"{ "exact": "/feed/hot" }"#),
            text("elsewhere", 5000, r#""/other""#),
        ])
    };
    let plan = compiled(&flags(0));
    assert_eq!(plan.request_size().flags, MAX_FLAGS_BYTES);
    assert_eq!(decided(&plan, "/feed/hot").1.len(), MAX_FLAGS_BYTES);
    assert_eq!(
        refused(&flags(1)),
        "flags: a request for /feed/hot can carry 16385 bytes of serin-flags in 3 flags, at most \
         16384 bytes are allowed: shorten the values or deliver fewer flags there, \
         the longest are banner (15363 bytes), theme (1010 bytes), a (14 bytes)"
    );
}

/// An isolated flag cannot make up for flags that are too many: the spec is refused.
#[test]
fn isolation_does_not_lift_the_limit() {
    let isolating = booleans(6000, |_| "/".into())
        .replace(r#""formatVersion":1"#, r#""formatVersion":1,"isolation":"flags""#);
    assert!(refused(&isolating).contains("at most 16384 bytes"));
}

/// Long names of variants and rules make records larger than `serin-flags`.
#[test]
fn record_beyond_its_limit_is_refused() {
    let long = |prefix: &str| format!("{prefix:x<64}");
    let flag = |number: usize| {
        let fields = format!(
            r#""variants":{{"{0}":1}},"defaultVariant":"{0}",
               "rules":[{{"name":"{1}","split":{{"{0}":100}}}}]"#,
            long("v"),
            long("r")
        );
        (format!("f{number:04}"), fields)
    };
    let flags = |count: usize| spec(&(0..count).map(flag).collect::<Vec<_>>());
    let plan = compiled(&flags(550));
    let record = decided(&plan, "/").0.record(&plan);
    let bound = plan.request_size().record;
    assert!(record.len() <= bound && bound <= MAX_RECORD_BYTES, "{} {bound}", record.len());
    let refused = refused(&flags(700));
    assert!(refused.contains("can have a decision record of 15"), "{refused}");
    assert!(!refused.contains("serin-flags"), "{refused}");
}

#[test]
fn response_record_leaves_out_what_has_no_room() {
    let small = compiled(&booleans(100, |_| "/".into()));
    let (decision, _) = decided(&small, "/");
    let record = decision.record(&small);
    assert!(record.len() <= MAX_DECISION_BYTES);
    assert_eq!(decision.response_record(&small, record.clone()), record, "it fits");

    let large = compiled(&booleans(900, |_| "/".into()));
    let (decision, _) = decided(&large, "/");
    let record = decision.record(&large);
    assert!(record.len() > MAX_DECISION_BYTES);
    let response = decision.response_record(&large, record.clone());
    assert!((MAX_DECISION_BYTES - 1000..=MAX_DECISION_BYTES).contains(&response.len()));
    let (flags, left_out) = response.split_once("},\"flagsLeftOut\":").expect("some are left out");
    assert!(record.starts_with(flags), "the flags that fit are as they were");
    let kept = flags.matches("\"variant\":").count();
    assert_eq!(left_out, format!("{}}}", 900 - kept));
}
