//! A change from YAML to JSON moves no unit, and a change and its reverse move the same number.
//!
//! The bytes are the choices for a spec; the first three quarters of them are those for another.

use serde_json::Value;
use serin_conformance::random::{self, Random, START};
use serin_core::Timestamp;
use serin_fleet::diff::{Comparison, Diff, made_up_ids};
use serin_fleet::yaml::{self, DuplicateKeys};

pub(crate) fn holds(bytes: &[u8]) {
    let spec = random::spec(&mut Random::from_bytes(bytes));
    let text = yaml::document(&spec);
    let again = yaml::read(&text, DuplicateKeys::Refuse).expect(&text);
    let same = diff(&again, &spec);
    assert!(same.changed.is_empty(), "{:?}", same.changed);
    assert!(same.groups.iter().all(|group| group.moved == 0), "{:?}", same.groups);

    let edited = random::spec(&mut Random::from_bytes(&bytes[..bytes.len() * 3 / 4]));
    let (forward, reverse) = (diff(&spec, &edited), diff(&edited, &spec));
    assert_eq!(forward.changed.len(), reverse.changed.len());
    let all_units = |diff: &Diff| diff.groups.first().map(|all| (all.size, all.moved));
    assert_eq!(all_units(&forward), all_units(&reverse), "{spec}\n{edited}");
}

fn diff(old: &Value, new: &Value) -> Diff {
    let (old, new) = (crate::Loaded::new(old.clone()), crate::Loaded::new(new.clone()));
    let at = Timestamp::from_unix_ms(START);
    Comparison::new(old.side(), new.side(), at).units(&made_up_ids(2), true)
}
