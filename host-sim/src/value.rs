//! Property values and the bytes Envoy makes of them.

use crate::pairs;
use crate::status::Status;
use std::collections::BTreeMap;
use std::time::Duration;

/// A value that a guest can read with `proxy_get_property`.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// Text, as it is.
    String(String),
    /// Bytes, as they are.
    Bytes(Vec<u8>),
    /// Eight bytes, little endian.
    Int(i64),
    /// Eight bytes, little endian.
    Uint(u64),
    /// Eight bytes, little endian.
    Double(f64),
    /// One byte, 0 or 1.
    Bool(bool),
    /// Eight bytes of nanoseconds, little endian.
    Duration(Duration),
    /// Eight bytes of nanoseconds since 1970, little endian.
    Timestamp(u64),
    /// A pairs map when read as a whole.
    Map(BTreeMap<String, Value>),
    /// A pairs map of values and empty strings when read as a whole.
    List(Vec<Value>),
    /// A protobuf message: its fields can be read, the whole cannot be serialised here.
    Message(BTreeMap<String, Value>),
    /// JSON's null. It has no bytes.
    Null,
}

impl Value {
    /// The field or element of that name or index.
    pub(crate) fn field(&self, part: &str) -> Option<&Value> {
        match self {
            Self::Map(fields) | Self::Message(fields) => fields.get(part),
            Self::List(items) => items.get(part.parse::<usize>().ok()?),
            _ => None,
        }
    }

    /// Puts a value at a path, making maps on the way.
    pub(crate) fn insert(&mut self, path: &[&str], value: Value) {
        let Some((head, rest)) = path.split_first() else {
            *self = value;
            return;
        };
        if !matches!(self, Self::Map(_) | Self::Message(_)) {
            *self = Self::Map(BTreeMap::new());
        }
        if let Self::Map(fields) | Self::Message(fields) = self {
            let field = fields.entry((*head).to_owned()).or_insert(Self::Null);
            field.insert(rest, value);
        }
    }

    /// The bytes the guest gets.
    pub(crate) fn to_bytes(&self) -> Result<Vec<u8>, Status> {
        Ok(match self {
            Self::String(text) => text.as_bytes().to_vec(),
            Self::Bytes(bytes) => bytes.clone(),
            Self::Int(number) => number.to_le_bytes().to_vec(),
            Self::Uint(number) => number.to_le_bytes().to_vec(),
            Self::Double(number) => number.to_le_bytes().to_vec(),
            Self::Bool(yes) => vec![u8::from(*yes)],
            Self::Duration(span) => {
                i64::try_from(span.as_nanos()).unwrap_or(i64::MAX).to_le_bytes().to_vec()
            }
            Self::Timestamp(nanos) => nanos.to_le_bytes().to_vec(),
            Self::Map(fields) => {
                let mut entries = Vec::with_capacity(fields.len());
                for (name, value) in fields {
                    entries.push((name.as_bytes().to_vec(), value.to_bytes()?));
                }
                encode(&entries)
            }
            Self::List(items) => {
                let mut entries = Vec::with_capacity(items.len());
                for value in items {
                    entries.push((value.to_bytes()?, Vec::new()));
                }
                encode(&entries)
            }
            Self::Message(_) | Self::Null => return Err(Status::SerializationFailure),
        })
    }
}

fn encode(entries: &[pairs::Pair]) -> Vec<u8> {
    pairs::encode(entries.iter().map(|(name, value)| (name.as_slice(), value.as_slice())))
}

impl From<serde_json::Value> for Value {
    /// As Envoy reads a `google.protobuf.Struct`: every number is a double.
    fn from(json: serde_json::Value) -> Self {
        match json {
            serde_json::Value::Null => Self::Null,
            serde_json::Value::Bool(yes) => Self::Bool(yes),
            serde_json::Value::Number(number) => Self::Double(number.as_f64().unwrap_or_default()),
            serde_json::Value::String(text) => Self::String(text),
            serde_json::Value::Array(items) => {
                Self::List(items.into_iter().map(Self::from).collect())
            }
            serde_json::Value::Object(fields) => {
                Self::Map(fields.into_iter().map(|(name, value)| (name, value.into())).collect())
            }
        }
    }
}

macro_rules! from {
    ($($from:ty => $variant:ident),* $(,)?) => {$(
        impl From<$from> for Value {
            fn from(value: $from) -> Self {
                Self::$variant(value.into())
            }
        }
    )*};
}

from! {
    &str => String,
    String => String,
    Vec<u8> => Bytes,
    &[u8] => Bytes,
    i64 => Int,
    u64 => Uint,
    f64 => Double,
    bool => Bool,
    Duration => Duration,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scalars_are_little_endian() {
        assert_eq!(Value::from(5_i64).to_bytes(), Ok(vec![5, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(Value::from(true).to_bytes(), Ok(vec![1]));
        let two = Value::from(Duration::from_nanos(2));
        assert_eq!(two.to_bytes(), Ok(vec![2, 0, 0, 0, 0, 0, 0, 0]));
        assert_eq!(Value::Null.to_bytes(), Err(Status::SerializationFailure));
    }

    #[test]
    fn paths_reach_into_maps_and_lists() {
        let mut root = Value::Map(BTreeMap::new());
        root.insert(&["a", "b"], serde_json::json!({"list": ["x", "y"], "n": 1}).into());
        let list = root.field("a").and_then(|a| a.field("b")).and_then(|b| b.field("list"));
        assert_eq!(list.and_then(|list| list.field("1")), Some(&Value::from("y")));
        assert_eq!(list.and_then(|list| list.field("2")), None);
        let bytes = list.map(Value::to_bytes);
        let pairs = [(&b"x"[..], &b""[..]), (&b"y"[..], &b""[..])];
        assert_eq!(bytes, Some(Ok(pairs::encode(pairs.into_iter()))));
    }
}
