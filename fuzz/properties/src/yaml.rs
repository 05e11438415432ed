//! A YAML document can be written and read again without a change, and a spec has the same digest in YAML
//! and in JSON. The bytes are a document, and the choices for a spec.

use serde_json::Value;
use serin_conformance::random::{self, Random};
use serin_core::Plan;
use serin_fleet::yaml::{self, DuplicateKeys};

pub(crate) fn holds(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        // Without duplicate keys both modes read the same.
        if let Ok(value) = yaml::read(text, DuplicateKeys::Refuse) {
            assert_eq!(yaml::read(text, DuplicateKeys::LastWins).ok().as_ref(), Some(&value));
            check_round_trip(&value);
        }
    }
    check_round_trip(&random::spec(&mut Random::from_bytes(bytes)));
}

/// Asserts that a document can be written and read again without a change.
fn check_round_trip(value: &Value) {
    let text = yaml::document(value);
    let again = yaml::read(&text, DuplicateKeys::Refuse);
    let again = again.unwrap_or_else(|why| panic!("{why}\n{text}"));
    assert_eq!(&again, value, "{text}");
    let plan = |value: &Value| Plan::from_json(value.to_string().as_bytes());
    match (plan(value), plan(&again)) {
        (Ok(one), Ok(other)) => assert_eq!(one.digest(), other.digest(), "{text}"),
        (one, other) => assert_eq!(one.is_ok(), other.is_ok(), "{text}"),
    }
}
