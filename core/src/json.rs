//! The JSON reader and writer of the core. Shells use it too, so that they link no second JSON library.
//!
//! [`object`] writes a document; its writers insert commas and escape strings.
//!
//! ```
//! use serin_core::json;
//!
//! let document = json::object(|object| {
//!     object.string("rollout", "shop");
//!     object.number("epoch", 3_u64);
//!     object.list("shares", |list| [1, 25, 100].into_iter().for_each(|share: u64| list.number(share)));
//! });
//! assert_eq!(document, r#"{"rollout":"shop","epoch":3,"shares":[1,25,100]}"#);
//! ```

use alloc::string::String;

use crate::parse::node::write_escaped;

pub use crate::parse::node::{Members, Node, write_json_string};

/// Parses a document; `None` if it is not JSON. The caller limits its size.
pub fn parse(json: &[u8]) -> Option<Node<'_>> {
    serde_json::from_slice(json).ok()
}

/// Writes a document: an object with the members that `write` adds, in their order.
pub fn object(write: impl FnOnce(&mut ObjectWriter<'_>)) -> String {
    let mut out = String::with_capacity(256);
    write_object(&mut out, write);
    out
}

fn write_object(out: &mut String, write: impl FnOnce(&mut ObjectWriter<'_>)) {
    out.push('{');
    write(&mut ObjectWriter { out, is_empty: true });
    out.push('}');
}

fn write_list(out: &mut String, write: impl FnOnce(&mut ListWriter<'_>)) {
    out.push('[');
    write(&mut ListWriter { out, is_empty: true });
    out.push(']');
}

/// The writer of an object's members. Keys are escaped, but not checked for duplicates.
#[derive(Debug)]
pub struct ObjectWriter<'o> {
    out: &'o mut String,
    is_empty: bool,
}

impl ObjectWriter<'_> {
    fn key(&mut self, key: &str) {
        self.key_and(key, "\":");
    }

    /// Writes a key and what follows it, from the key's closing quote on. Each append costs the filter
    /// fuel, so these texts are joined.
    fn key_and(&mut self, key: &str, then: &str) {
        self.open_key();
        write_escaped(key, self.out);
        self.out.push_str(then);
    }

    fn plain_key(&mut self, key: &str, then: &str) {
        self.open_key();
        self.out.push_str(key);
        self.out.push_str(then);
    }

    fn open_key(&mut self) {
        let is_first = core::mem::replace(&mut self.is_empty, false);
        self.out.push_str(if is_first { "\"" } else { ",\"" });
    }

    /// The size of the document so far, in bytes.
    pub(crate) fn written(&self) -> usize {
        self.out.len()
    }

    /// Adds a string.
    pub fn string(&mut self, key: &str, value: &str) {
        self.key_and(key, "\":\"");
        write_escaped(value, self.out);
        self.out.push('"');
    }

    /// Adds a string that needs no escape, such as a name of a spec or a text of this crate. To look for
    /// escapes in each string of a record costs the filter a tenth of a request's fuel.
    pub(crate) fn plain_string(&mut self, key: &str, value: &str) {
        self.plain_key(key, "\":\"");
        self.out.push_str(value);
        self.out.push('"');
    }

    /// Adds a whole number, under a key that needs no escape.
    pub(crate) fn plain_number(&mut self, key: &str, value: impl Into<u64>) {
        self.plain_key(key, "\":");
        write_number(value.into(), self.out);
    }

    /// Adds an object, under a key that needs no escape.
    pub(crate) fn plain_object(&mut self, key: &str, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.plain_key(key, "\":");
        write_object(self.out, write);
    }

    /// Adds a whole number.
    pub fn number(&mut self, key: &str, value: impl Into<u64>) {
        self.key(key);
        write_number(value.into(), self.out);
    }

    /// Adds a signed whole number.
    pub fn signed(&mut self, key: &str, value: i64) {
        self.key(key);
        write_signed(value, self.out);
    }

    /// Adds an object.
    pub fn object(&mut self, key: &str, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        self.key(key);
        write_object(self.out, write);
    }

    /// Adds a list.
    pub fn list(&mut self, key: &str, write: impl FnOnce(&mut ListWriter<'_>)) {
        self.key(key);
        write_list(self.out, write);
    }

    /// Adds a list of whole numbers.
    pub fn numbers(&mut self, key: &str, values: impl IntoIterator<Item = u64>) {
        self.list(key, |list| values.into_iter().for_each(|value| list.number(value)));
    }

    /// Adds a value that is JSON already.
    pub fn raw(&mut self, key: &str, json: &str) {
        self.key(key);
        self.out.push_str(json);
    }
}

/// The writer of a list's items.
#[derive(Debug)]
pub struct ListWriter<'o> {
    out: &'o mut String,
    is_empty: bool,
}

impl ListWriter<'_> {
    fn item(&mut self) -> &mut String {
        separate(self.out, &mut self.is_empty);
        self.out
    }

    /// Adds a string.
    pub fn string(&mut self, value: &str) {
        write_json_string(value, self.item());
    }

    /// Adds a whole number.
    pub fn number(&mut self, value: impl Into<u64>) {
        write_number(value.into(), self.item());
    }

    /// Adds a signed whole number.
    pub fn signed(&mut self, value: i64) {
        write_signed(value, self.item());
    }

    /// Adds an object.
    pub fn object(&mut self, write: impl FnOnce(&mut ObjectWriter<'_>)) {
        write_object(self.item(), write);
    }

    /// Adds a list.
    pub fn list(&mut self, write: impl FnOnce(&mut ListWriter<'_>)) {
        write_list(self.item(), write);
    }

    /// Adds an item that is JSON already.
    pub fn raw(&mut self, json: &str) {
        self.item().push_str(json);
    }
}

fn separate(out: &mut String, is_empty: &mut bool) {
    if !core::mem::replace(is_empty, false) {
        out.push(',');
    }
}

fn write_signed(value: i64, out: &mut String) {
    if value < 0 {
        out.push('-');
    }
    write_number(value.unsigned_abs(), out);
}

/// Appends decimal digits. Formatting by `core::fmt` costs the filter several times as much fuel.
fn write_number(value: u64, out: &mut String) {
    let mut digits = [b'0'; MAX_DIGITS];
    let mut rest = value;
    let mut length = 0_usize;
    for digit in digits.iter_mut().rev() {
        *digit = b'0'.saturating_add(u8::try_from(rest % 10).unwrap_or(0));
        rest /= 10;
        length = length.saturating_add(1);
        if rest == 0 {
            break;
        }
    }
    let written = digits.get(MAX_DIGITS.saturating_sub(length)..).unwrap_or_default();
    out.push_str(core::str::from_utf8(written).unwrap_or_default());
}

/// The number of digits of the largest `u64`.
const MAX_DIGITS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use proptest::prelude::*;

    #[test]
    fn members_and_items_are_separated_and_escaped() {
        let json = object(|object| {
            object.object("empty", |_| {});
            object.list("none", |_| {});
            object.string("a\"b", "line\nbreak");
            object.list("list", |list| {
                list.string("x");
                list.signed(-1);
                list.object(|object| object.number("n", 7_u32));
                list.list(|list| list.raw("null"));
            });
            object.signed("low", i64::MIN);
            object.raw("raw", "true");
        });
        assert_eq!(
            json,
            r#"{"empty":{},"none":[],"a\"b":"line\nbreak","list":["x",-1,{"n":7},[null]],"low":-9223372036854775808,"raw":true}"#
        );
    }

    proptest! {
        #[test]
        fn numbers_are_written_as_the_formatter_writes_them(value: u64, signed: i64) {
            let mut out = String::new();
            write_number(value, &mut out);
            out.push(' ');
            write_signed(signed, &mut out);
            prop_assert_eq!(out, format!("{value} {signed}"));
        }
    }
}
