//! Override keys: the mistakes that are refused, and that no message contains a secret.

use serin_core::OverrideKeys;

const SECRET: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY";

fn refused(json: &str) -> String {
    let errors = OverrideKeys::from_json(json.as_bytes()).expect_err("refused").to_string();
    assert!(!errors.contains(&SECRET[..8]), "{errors}");
    errors
}

#[test]
fn valid_keys_are_read_and_only_ids_are_printed() {
    let json = format!(
        r#"{{"qa": "{SECRET}", "b": {{"secret": "{SECRET}", "rollouts": ["web"], "flags": ["*"]}},
            "a_1": {{"secret": "{SECRET}", "decision": true}}}}"#
    );
    let keys = OverrideKeys::from_json(json.as_bytes()).expect("good keys");
    assert!(keys.ids().eq(["a_1", "b", "qa"]));
    assert_eq!(format!("{keys:?}"), r#"["a_1", "b", "qa"]"#);
}

#[test]
fn every_mistake_is_reported_without_a_secret() {
    for (json, wanted) in [
        ("", "is not JSON, or names a key twice, at line 1 column 0"),
        ("[]", "the document is a list, must be an object"),
        ("{}", "names no key, at least one is needed"),
        (r#"{"qa": 1}"#, "qa: is a number, must be an object"),
        (r#"{"flags": 1}"#, "flags: is a number, must be an object"),
        (
            r#"{"qa": "MDEy", "b": "MDEy="}"#,
            "b: is not base64url (A-Z, a-z, 0-9, - and _, without =)\n\
             qa: is a secret of 3 bytes, at least 32 are needed",
        ),
        (
            &format!(r#"{{"{SECRET}": "qa"}}"#),
            "[0]: has an id that is not allowed, use 1 to 32 letters, digits, - and _",
        ),
        (&format!("{{\"qa\": {SECRET}}}"), "is not JSON, or names a key twice, at line 1 column 8"),
        (
            &format!(r#"{{"qa": "{SECRET}", "qa": "{SECRET}"}}"#),
            "is not JSON, or names a key twice, at line 1 column 106",
        ),
        (
            r#"{"qa": {"decision": 1, "rollouts": ["*", 2], "flags": "*", "scope": []}}"#,
            "qa: has an unknown field, allowed are secret, rollouts, flags and decision\n\
             qa: the field secret is missing\n\
             qa.rollouts[1]: is a number, must be a string\n\
             qa.flags: is a string, must be a list\n\
             qa.decision: is a number, must be true or false",
        ),
        (
            &format!(r#"{{"qa": {{"{SECRET}": true, "decision": true, "secret": ""}}}}"#),
            "qa: has an unknown field, allowed are secret, rollouts, flags and decision\n\
             qa.secret: is a secret of 0 bytes, at least 32 are needed",
        ),
        (
            &format!(r#"{{"qa": {{"secret": "{SECRET}", "rollouts": []}}}}"#),
            "qa: grants nothing, list rollouts or flags (\"*\" for all), or set decision",
        ),
    ] {
        assert_eq!(refused(json), wanted, "{json}");
    }
}
