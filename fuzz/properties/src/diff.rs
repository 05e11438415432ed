//! A change that changes nothing, from YAML to JSON for one, moves nobody; and a change that is taken
//! back moves as many as it did.
//!
//! The bytes are the choices that two specs are made of, which begin alike.

use serde_json::Value;
use serin_conformance::random::{self, Random, START};
use serin_core::Timestamp;
use serin_fleet::diff::{Comparison, Diff, made_up_ids};
use serin_fleet::yaml::{self, DuplicateKeys};

pub(crate) fn holds(bytes: &[u8]) {
    let spec = random::spec(&mut Random::from_bytes(bytes));
    let text = yaml::document(&spec);
    let again = yaml::read(&text, DuplicateKeys::Refuse).expect(&text);
    let same = compared(&again, &spec);
    assert!(same.changed.is_empty(), "{:?}", same.changed);
    assert!(same.groups.iter().all(|group| group.moved == 0), "{:?}", same.groups);

    let edited = random::spec(&mut Random::from_bytes(&bytes[..bytes.len() * 3 / 4]));
    let (forth, back) = (compared(&spec, &edited), compared(&edited, &spec));
    assert_eq!(forth.changed.len(), back.changed.len());
    let everybody = |diff: &Diff| diff.groups.first().map(|all| (all.size, all.moved));
    assert_eq!(everybody(&forth), everybody(&back), "{spec}\n{edited}");
}

fn compared(old: &Value, new: &Value) -> Diff {
    let (old, new) = (crate::Loaded::new(old.clone()), crate::Loaded::new(new.clone()));
    let at = Timestamp::from_unix_ms(START);
    Comparison::new(old.side(), new.side(), at).units(&made_up_ids(2), true)
}
