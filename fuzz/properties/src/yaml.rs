//! Any text is a YAML document or is not; one that is can be written and read again as it was, and a
//! spec is the same spec in YAML and in JSON: the same digest, and a change from one to the other moves
//! nobody. So is every spec that can be made.

use serde_json::Value;
use serin_conformance::random::{self, Random, START};
use serin_core::{Plan, Timestamp};
use serin_fleet::diff::{Comparison, made_up_ids};
use serin_fleet::yaml::{self, DoubledKeys};

pub(crate) fn holds(bytes: &[u8]) {
    if let Ok(text) = std::str::from_utf8(bytes) {
        // Where no key is given twice, it does not matter what becomes of those.
        if let Ok(value) = yaml::read(text, DoubledKeys::Refused) {
            assert_eq!(yaml::read(text, DoubledKeys::LastCounts).ok().as_ref(), Some(&value));
            same(&value);
        }
    }
    let spec = random::spec(&mut Random::from_bytes(bytes));
    moves_nobody(same(&spec), spec);
}

/// Writes a document and reads it again.
fn same(value: &Value) -> Value {
    let text = yaml::document(value);
    let again = yaml::read(&text, DoubledKeys::Refused);
    let again = again.unwrap_or_else(|why| panic!("{why}\n{text}"));
    assert_eq!(&again, value, "{text}");
    let plan = |value: &Value| Plan::from_json(value.to_string().as_bytes());
    match (plan(value), plan(&again)) {
        (Ok(one), Ok(other)) => assert_eq!(one.digest(), other.digest(), "{text}"),
        (one, other) => assert_eq!(one.is_ok(), other.is_ok(), "{text}"),
    }
    again
}

fn moves_nobody(old: Value, new: Value) {
    let (old, new) = (crate::Loaded::new(old), crate::Loaded::new(new));
    let at = Timestamp::from_unix_ms(START);
    let diff = Comparison::new(old.side(), new.side(), at).units(&made_up_ids(2), true);
    assert!(diff.changed.is_empty(), "{:?}", diff.changed);
    assert!(!diff.is_above(0.0), "{:?}", diff.groups);
    assert!(diff.groups.iter().all(|group| group.moved == 0), "{:?}", diff.groups);
}
