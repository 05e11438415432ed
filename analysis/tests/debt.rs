//! The expiry of flags, and flags with the same variant for everybody.

mod util;

use serin_analysis::debt::{Expiry, debt};

use util::{NOW, read, with};

#[test]
fn a_date_expires_at_its_end_and_a_timestamp_exactly() {
    let expiry = |date: &str| {
        let (spec, _) = read(&with(&format!(
            r#""flags": {{ "f": {{ "expires": "{date}", "variants": {{ "on": true }}, "defaultVariant": "on" }} }}"#
        )));
        let of = debt(&spec, NOW);
        of[0].expiry
    };
    assert_eq!(expiry("2026-11-21"), Expiry::In(1), "a date lasts until its end");
    assert_eq!(expiry("2026-11-20"), Expiry::Past(1));
    assert_eq!(expiry("2026-11-21T12:00:00Z"), Expiry::Past(1), "a timestamp is exact");
    assert_eq!(expiry("2026-11-21T12:00:01Z"), Expiry::In(1));
    assert_eq!(expiry("2026-12-21"), Expiry::In(31));
}

#[test]
fn flags_with_one_variant_for_everybody_are_decided() {
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
