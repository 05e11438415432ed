//! An encoder from JSON to `google.protobuf.Struct`, the form in which Envoy passes configuration.

use serde_json::Value;

/// The bytes of a `Struct`.
///
/// # Panics
/// If the value is not an object.
pub fn encode(object: &Value) -> Vec<u8> {
    let entries = object.as_object().expect("a Struct is an object");
    let entry = |(key, value): (&String, &Value)| {
        field(1, &[field(1, key.as_bytes()), field(2, &encode_value(value))].concat())
    };
    entries.iter().flat_map(entry).collect()
}

/// The bytes of a `google.protobuf.Value`.
fn encode_value(value: &Value) -> Vec<u8> {
    match value {
        Value::Null => vec![0x08, 0],
        Value::Bool(truth) => vec![0x20, u8::from(*truth)],
        Value::Number(number) => {
            let bits = number.as_f64().unwrap_or_default().to_bits();
            [&[0x11][..], &bits.to_le_bytes()].concat()
        }
        Value::String(text) => field(3, text.as_bytes()),
        Value::Object(_) => field(5, &encode(value)),
        Value::Array(items) => {
            let items: Vec<u8> =
                items.iter().flat_map(|item| field(1, &encode_value(item))).collect();
            field(6, &items)
        }
    }
}

/// A field with length-delimited content.
fn field(number: u8, content: &[u8]) -> Vec<u8> {
    let mut bytes = vec![number << 3 | 2];
    let mut length = content.len();
    while length >= 0x80 {
        bytes.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes.extend_from_slice(content);
    bytes
}
