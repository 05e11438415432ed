//! A YAML document can be written and read again without a change. The bytes are a document; those that
//! begin with a byte that no document has are choices for a JSON value.

use serde_json::{Map, Number, Value};
use serin_fleet::yaml::{self, DuplicateKeys};

/// The deepest list or object of a value.
const MAX_DEPTH: usize = 12;

pub(crate) fn holds(bytes: &[u8]) {
    if let Some((0x80.., choices)) = bytes.split_first() {
        return check_round_trip(&value(&mut choices.iter().copied(), 0));
    }
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // Without duplicate keys both modes read the same.
    if let Ok(value) = yaml::read(text, DuplicateKeys::Refuse) {
        assert_eq!(yaml::read(text, DuplicateKeys::LastWins).ok().as_ref(), Some(&value));
        check_round_trip(&value);
    }
}

/// Asserts that a document can be written and read again without a change: as JSON it has the same bytes,
/// so a spec has the same digest.
fn check_round_trip(value: &Value) {
    let text = yaml::document(value);
    let again = yaml::read(&text, DuplicateKeys::Refuse);
    let again = again.unwrap_or_else(|why| panic!("{why}\n{text}"));
    assert_eq!(again.to_string(), value.to_string(), "{text}");
}

/// A value as the bytes choose it; null when they end.
fn value(bytes: &mut impl Iterator<Item = u8>, depth: usize) -> Value {
    let Some(choice) = bytes.next() else { return Value::Null };
    let count = usize::from(choice / 8);
    match choice % 8 {
        0 => Value::Bool(count > 15),
        1 => Value::from(i64::from_le_bytes(eight(bytes))),
        2 => Value::from(u64::from_le_bytes(eight(bytes))),
        3 => Number::from_f64(f64::from_le_bytes(eight(bytes))).map_or(Value::Null, Value::Number),
        4 if depth < MAX_DEPTH => (0..count).map(|_| value(bytes, depth + 1)).collect(),
        5 if depth < MAX_DEPTH => {
            let entry = |_| (string(bytes, 7), value(bytes, depth + 1));
            Value::Object((0..count).map(entry).collect::<Map<_, _>>())
        }
        _ => Value::String(string(bytes, count)),
    }
}

fn eight(bytes: &mut impl Iterator<Item = u8>) -> [u8; 8] {
    std::array::from_fn(|_| bytes.next().unwrap_or_default())
}

/// A string of up to `count` bytes; what is not UTF-8 is replaced.
fn string(bytes: &mut impl Iterator<Item = u8>, count: usize) -> String {
    let bytes: Vec<u8> = bytes.take(count).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}
