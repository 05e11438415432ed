//! The decoder of `google.protobuf.Struct`. Envoy passes a plugin's configuration in this form if
//! its own configuration has it as a `Struct`.

use alloc::vec::Vec;
use serde_json::Number;

use super::node::Node;
use crate::name_map::NameMap;

/// The maximum depth, which is the JSON reader's.
const MAX_DEPTH: u32 = 128;

/// The first byte of every Struct that is not empty: field 1, length-delimited.
const FIRST_BYTE: u8 = 0x0a;

/// Decodes a `Struct`; `None` if the bytes are not one. JSON may begin with the same byte, a line
/// feed, so callers try JSON first.
pub(crate) fn decode(bytes: &[u8]) -> Option<Node<'_>> {
    if bytes.first() != Some(&FIRST_BYTE) {
        return None;
    }
    object(bytes, 0)
}

/// `message Struct { map<string, Value> fields = 1; }`
fn object(bytes: &[u8], depth: u32) -> Option<Node<'_>> {
    let mut entries = Vec::new();
    for field in Fields(bytes) {
        let (1, Wire::Bytes(entry)) = field? else { return None };
        let (mut key, mut node) = ("".into(), Node::Null);
        for field in Fields(entry) {
            match field? {
                (1, Wire::Bytes(text)) => key = utf8(text)?.into(),
                (2, Wire::Bytes(bytes)) => node = value(bytes, depth)?,
                _ => return None,
            }
        }
        entries.push((key, node));
    }
    NameMap::from_unsorted(entries).ok().map(Node::Object)
}

/// `message Value`: null 1, number 2, string 3, bool 4, struct 5, list 6.
fn value(bytes: &[u8], depth: u32) -> Option<Node<'_>> {
    let depth = depth.checked_add(1).filter(|depth| *depth <= MAX_DEPTH)?;
    let mut node = Node::Null;
    for field in Fields(bytes) {
        node = match field? {
            (1, Wire::Varint(_)) => Node::Null,
            (2, Wire::Fixed64(bits)) => number(f64::from_bits(bits))?,
            (3, Wire::Bytes(text)) => Node::String(utf8(text)?.into()),
            (4, Wire::Varint(value)) => Node::Bool(value != 0),
            (5, Wire::Bytes(fields)) => object(fields, depth)?,
            (6, Wire::Bytes(items)) => list(items, depth)?,
            _ => return None,
        };
    }
    Some(node)
}

/// `message ListValue { repeated Value values = 1; }`
fn list(bytes: &[u8], depth: u32) -> Option<Node<'_>> {
    let mut items = Vec::new();
    for field in Fields(bytes) {
        let (1, Wire::Bytes(item)) = field? else { return None };
        items.push(value(item, depth)?);
    }
    Some(Node::List(items))
}

fn number(value: f64) -> Option<Node<'static>> {
    Number::from_f64(value).map(Node::Number)
}

fn utf8(bytes: &[u8]) -> Option<&str> {
    core::str::from_utf8(bytes).ok()
}

/// The content of a field, by its wire type.
enum Wire<'b> {
    Varint(u64),
    Fixed64(u64),
    Bytes(&'b [u8]),
}

/// An iterator over field numbers and contents. Its last item is `None` if the bytes are malformed.
struct Fields<'b>(&'b [u8]);

impl<'b> Iterator for Fields<'b> {
    type Item = Option<(u64, Wire<'b>)>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

impl<'b> Fields<'b> {
    fn field(&mut self) -> Option<(u64, Wire<'b>)> {
        let tag = self.varint()?;
        let content = match tag & 7 {
            0 => Wire::Varint(self.varint()?),
            1 => Wire::Fixed64(u64::from_le_bytes(self.take(8)?.try_into().ok()?)),
            2 => {
                let length = usize::try_from(self.varint()?).ok()?;
                Wire::Bytes(self.take(length)?)
            }
            _ => return None,
        };
        Some((tag >> 3, content))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first()?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f).checked_shl(shift)?;
            if *byte < 0x80 {
                return Some(value);
            }
        }
        None
    }

    fn take(&mut self, length: usize) -> Option<&'b [u8]> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::borrow::Cow;

    /// Encodes a `Struct`, which the decoder must decode to the same value.
    fn encode(node: &Node<'_>) -> Vec<u8> {
        fn field(tag: u8, content: &[u8]) -> Vec<u8> {
            let mut bytes = alloc::vec![tag << 3 | 2];
            let mut length = content.len();
            while length >= 0x80 {
                bytes.push((length & 0x7f) as u8 | 0x80);
                length >>= 7;
            }
            bytes.push(length as u8);
            bytes.extend_from_slice(content);
            bytes
        }
        fn value(node: &Node<'_>) -> Vec<u8> {
            match node {
                Node::Null => alloc::vec![0x08, 0],
                Node::Number(number) => {
                    let bits = number.as_f64().unwrap().to_bits();
                    [&[0x11][..], &bits.to_le_bytes()].concat()
                }
                Node::String(text) => field(3, text.as_bytes()),
                Node::Bool(truth) => alloc::vec![0x20, u8::from(*truth)],
                Node::Object(_) => field(5, &encode(node)),
                Node::List(items) => {
                    let items: Vec<u8> =
                        items.iter().flat_map(|item| field(1, &value(item))).collect();
                    field(6, &items)
                }
            }
        }
        let Node::Object(entries) = node else { panic!("a Struct is an object") };
        let entry = |(key, node): &(Cow<'_, str>, Node<'_>)| {
            field(1, &[field(1, key.as_bytes()), field(2, &value(node))].concat())
        };
        entries.iter().flat_map(entry).collect()
    }

    const JSON: &str =
        r#"{"formatVersion":1,"revision":42,"a":{"b":[1.5,"x",true,null,{}],"long":"LONG"}}"#;

    #[test]
    fn encoded_struct_is_decoded_to_the_same_value() {
        let json = JSON.replace("LONG", &"y".repeat(300));
        let node: Node<'_> = serde_json::from_str(&json).unwrap();
        assert_eq!(decode(&encode(&node)).unwrap().canonical(), node.canonical());
    }

    #[test]
    fn malformed_struct_is_refused_without_a_panic() {
        let node: Node<'_> = serde_json::from_str(JSON).unwrap();
        let bytes = encode(&node);
        for cut in 1..bytes.len() {
            let _ = decode(&bytes[..cut]);
        }
        for bad in
            [&b""[..], b"{}", b"\n", b"\n{}", b"\n\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"]
        {
            assert_eq!(decode(bad), None, "{bad:?}");
        }
        let mut deep = Vec::new();
        for _ in 0..300 {
            let length = deep.len() as u8;
            deep = [&[0x32, length.wrapping_add(2), 0x0a, length][..], &deep].concat();
        }
        assert_eq!(decode(&[&[0x0a][..], &deep].concat()), None);
    }
}
