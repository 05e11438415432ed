//! A JSON value that refuses keys given twice, which `serde_json::Value` accepts.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt::{self, Write as _};
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::Number;

use crate::name_map::NameMap;

/// A JSON object. Its keys borrow from the text, as the strings of a [`Node`] do.
pub type Members<'t> = NameMap<Node<'t>, Cow<'t, str>>;

/// A JSON value. Keys are sorted: a protobuf `Struct` does not keep their order, and a spec must
/// mean the same in both forms. Strings without escapes borrow from the text that was read: a spec has
/// hundreds of thousands, and allocating each took a quarter of the time of reading.
#[derive(Clone, Debug, PartialEq)]
pub enum Node<'t> {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A number.
    Number(Number),
    /// A string.
    String(Cow<'t, str>),
    /// An array.
    List(Vec<Node<'t>>),
    /// An object.
    Object(Members<'t>),
}

impl Node<'_> {
    /// The value's type with its article, for a message: `a string`, `an object`.
    pub fn kind(&self) -> &'static str {
        match self {
            Node::Null => "null",
            Node::Bool(_) => "a boolean",
            Node::Number(_) => "a number",
            Node::String(_) => "a string",
            Node::List(_) => "a list",
            Node::Object(_) => "an object",
        }
    }

    /// The value with strings of its own, which do not borrow.
    pub fn into_owned(self) -> Node<'static> {
        match self {
            Node::Null => Node::Null,
            Node::Bool(value) => Node::Bool(value),
            Node::Number(number) => Node::Number(number),
            Node::String(text) => Node::String(Cow::Owned(text.into_owned())),
            Node::List(items) => Node::List(items.into_iter().map(Node::into_owned).collect()),
            Node::Object(members) => Node::Object(
                members.map(|key, value| (Cow::Owned(key.into_owned()), value.into_owned())),
            ),
        }
    }

    /// Appends canonical JSON: sorted keys, no spaces, whole numbers without a fraction.
    pub(crate) fn write_canonical(&self, out: &mut String) {
        match self {
            Node::Null => out.push_str("null"),
            Node::Bool(true) => out.push_str("true"),
            Node::Bool(false) => out.push_str("false"),
            Node::Number(number) => write_canonical_number(number, out),
            Node::String(text) => write_json_string(text, out),
            Node::List(items) => {
                out.push('[');
                for (index, item) in items.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    item.write_canonical(out);
                }
                out.push(']');
            }
            Node::Object(entries) => {
                out.push('{');
                for (index, (key, value)) in entries.iter().enumerate() {
                    if index > 0 {
                        out.push(',');
                    }
                    write_json_string(key, out);
                    out.push(':');
                    value.write_canonical(out);
                }
                out.push('}');
            }
        }
    }

    /// Canonical JSON as a new string.
    pub(crate) fn canonical(&self) -> String {
        self.canonical_within(0)
    }

    /// Canonical JSON as a new string that has room for `bytes` from the start.
    pub(crate) fn canonical_within(&self, bytes: usize) -> String {
        let mut out = String::with_capacity(bytes);
        self.write_canonical(&mut out);
        out
    }
}

/// Appends a number in canonical JSON. Most are small and whole, which are written without a string of
/// their own.
fn write_canonical_number(number: &Number, out: &mut String) {
    match number.as_u64().filter(|_| is_exact(number)) {
        Some(whole) => {
            let _ = write!(out, "{whole}");
        }
        None => out.push_str(&canonical_number(number)),
    }
}

/// A number in canonical JSON. A whole number and the double that a protobuf `Struct` has in its
/// place give the same string: `42.0` is `42`, doubles below 2⁶⁴ are written without an exponent,
/// and a whole number that no double holds is the nearest double.
pub fn canonical_number(number: &Number) -> String {
    let double = number.as_f64().filter(|_| number.is_f64() || !is_exact(number));
    if let Some(double) = double
        && let Some(whole) = large_magnitude(double)
    {
        let sign = if double.is_sign_negative() { "-" } else { "" };
        return format!("{sign}{whole}");
    }
    let nearest = double.and_then(Number::from_f64);
    let mut written = nearest.as_ref().unwrap_or(number).to_string();
    if let Some(whole) = written.strip_suffix(".0") {
        written.truncate(whole.len());
    }
    written
}

/// Whether a whole number is at most 2⁵³, below which doubles hold every whole number.
fn is_exact(number: &Number) -> bool {
    const EXACT: u64 = 1 << 53;
    let magnitude = number.as_u64().or_else(|| number.as_i64().map(i64::unsigned_abs));
    magnitude.is_some_and(|magnitude| magnitude <= EXACT)
}

/// The magnitude of a double from 2⁵³ to below 2⁶⁴, all of which are whole; `None` for others.
fn large_magnitude(double: f64) -> Option<u64> {
    let bits = double.to_bits();
    let shift = u32::try_from(((bits >> 52) & 0x7ff).checked_sub(1075)?).ok()?;
    let mantissa = (bits & 0x000f_ffff_ffff_ffff) | 0x0010_0000_0000_0000;
    if (1..=11).contains(&shift) { mantissa.checked_shl(shift) } else { None }
}

/// Appends `text` as a JSON string.
pub fn write_json_string(text: &str, out: &mut String) {
    out.push('"');
    write_escaped(text, out);
    out.push('"');
}

/// Appends what stands between the quotes of a JSON string. Runs without escapes are copied in one piece.
pub(crate) fn write_escaped(text: &str, out: &mut String) {
    let mut rest = text;
    while let Some((plain, escaped, behind)) = split_at_escape(rest) {
        out.push_str(plain);
        write_escape(escaped, out);
        rest = behind;
    }
    out.push_str(rest);
}

/// Splits at the first byte that needs an escape: the part before it, the byte, and the part after
/// it.
fn split_at_escape(text: &str) -> Option<(&str, u8, &str)> {
    let index = first_escape(text.as_bytes())?;
    let (plain, rest) = text.split_at_checked(index)?;
    let (_, behind) = rest.split_at_checked(1)?;
    Some((plain, *rest.as_bytes().first()?, behind))
}

/// The index of the first byte that needs an escape. Most texts have none, so eight bytes at once are
/// tested first: byte by byte, the strings of a record cost the filter a third of a request's fuel.
fn first_escape(bytes: &[u8]) -> Option<usize> {
    let (words, _) = bytes.as_chunks::<8>();
    let plain =
        words.iter().take_while(|word| !may_need_escape(u64::from_le_bytes(**word))).count();
    let start = plain.saturating_mul(8);
    let needs_escape = |byte: &u8| matches!(byte, b'"' | b'\\') || byte.is_ascii_control();
    let index = bytes.get(start..)?.iter().position(needs_escape)?;
    index.checked_add(start)
}

/// Whether one of eight bytes is a control character, a quote or a backslash. Bytes that are not ASCII
/// may be reported too.
fn may_need_escape(word: u64) -> bool {
    const ONES: u64 = u64::from_le_bytes([1; 8]);
    let borrows = |from: u64, less: u8| from.wrapping_sub(ONES.wrapping_mul(less.into()));
    let has = |byte: u8| borrows(word ^ ONES.wrapping_mul(byte.into()), 1);
    let found = borrows(word, 0x20) | has(b'"') | has(b'\\') | has(0x7f) | word;
    found & ONES.wrapping_mul(0x80) != 0
}

fn write_escape(byte: u8, out: &mut String) {
    match byte {
        b'"' => out.push_str("\\\""),
        b'\\' => out.push_str("\\\\"),
        b'\n' => out.push_str("\\n"),
        b'\r' => out.push_str("\\r"),
        b'\t' => out.push_str("\\t"),
        other => {
            out.push_str("\\u00");
            for digit in [other >> 4, other & 0xf] {
                out.push(char::from_digit(digit.into(), 16).unwrap_or('0'));
            }
        }
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Node<'de>, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
        Ok(Node::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node<'de>, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
        Ok(Node::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Node<'de>, E> {
        Number::from_f64(value).map(Node::Number).ok_or_else(|| E::custom("a number out of range"))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Node<'de>, E> {
        Ok(Node::String(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node<'de>, E> {
        Ok(Node::String(Cow::Owned(value.into())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node<'de>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node<'de>, A::Error> {
        let mut entries = Vec::new();
        while let Some((Key(key), value)) = access.next_entry()? {
            entries.push((key, value));
        }
        NameMap::from_unsorted(entries).map(Node::Object).map_err(|key| {
            A::Error::custom(format_args!("the key {} is given twice", crate::error::quoted(&key)))
        })
    }
}

/// The key of an object. Serde's own `Cow` would never borrow.
struct Key<'t>(Cow<'t, str>);

impl<'de> Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Key<'de>, E> {
        Ok(Key(Cow::Owned(value.into())))
    }
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn canonical_json_does_not_depend_on_order_or_spacing() {
        let a: Node<'_> =
            serde_json::from_str(r#"{"b": 42.0, "a": ["x\u0001\"", null, true]}"#).unwrap();
        let b: Node<'_> = serde_json::from_str(r#"{"a":["x\u0001\"",null,true],"b":42}"#).unwrap();
        assert_eq!(a.canonical(), b.canonical());
        assert_eq!(b.canonical(), r#"{"a":["x\u0001\"",null,true],"b":42}"#);
    }

    /// A document that was sent as a `Struct` has the same digest and the same meaning.
    #[test]
    fn whole_numbers_and_their_doubles_have_the_same_canonical_form() {
        let one: u64 = 1;
        let whole = [
            0,
            1,
            42,
            1 << 52,
            one << 53,
            10_000_000_000_000_000,
            1 << 60,
            1 << 63,
            u64::MAX << 11,
        ];
        for whole in [(one << 53) + 1, 11_529_215_046_068_246_976, u64::MAX - 1, u64::MAX] {
            let (number, double) = (Number::from(whole), Number::from_f64(whole as f64).unwrap());
            assert_eq!(canonical_number(&double), canonical_number(&number), "{whole}");
        }
        for whole in [-(1_i64 << 53) - 1, i64::MIN + 1, i64::MIN] {
            let (number, double) = (Number::from(whole), Number::from_f64(whole as f64).unwrap());
            assert_eq!(canonical_number(&double), canonical_number(&number), "{whole}");
        }
        for whole in whole {
            let (number, double) = (Number::from(whole), Number::from_f64(whole as f64).unwrap());
            assert_eq!(canonical_number(&double), canonical_number(&number));
            assert_eq!(canonical_number(&number), whole.to_string());
        }
        for (given, text) in [
            (-1.0, "-1"),
            (-1e16, "-10000000000000000"),
            (1e300, "1e+300"),
            (0.5, "0.5"),
            (18_446_744_073_709_551_616.0, "1.8446744073709552e+19"),
        ] {
            assert_eq!(canonical_number(&Number::from_f64(given).unwrap()), text);
        }
    }

    /// A double is read to its last bit, as the encoder of a `Struct` reads it.
    #[test]
    fn doubles_are_read_as_the_nearest() {
        for text in [
            "0.8333333333333334",
            "1.7976931348623157e+308",
            "5e-324",
            "122.416294033786585",
            "0.1234567890123456789",
            "2.2250738585072011e-308",
            "8.41e+21",
            "9007199254740993.0",
        ] {
            let node: Node<'_> = serde_json::from_str(text).unwrap();
            let double = Number::from_f64(text.parse().unwrap()).unwrap();
            assert_eq!(node.canonical(), canonical_number(&double), "{text}");
        }
    }

    #[test]
    fn a_key_given_twice_is_refused() {
        let error = serde_json::from_str::<Node<'_>>(r#"{"a":1,"a":2}"#).unwrap_err();
        assert!(error.to_string().contains("the key \"a\" is given twice"), "{error}");
    }
}
