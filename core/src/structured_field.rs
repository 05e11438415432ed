//! Structured Field Values for HTTP (RFC 9651): the bare items of `serin-flags`.

use alloc::string::String;
use core::fmt::Write as _;

use crate::parse::node::{Node, canonical_number};

/// A JSON value as a bare item; `None` for objects, lists, null and numbers outside the format's range.
pub(crate) fn bare_item(node: &Node<'_>) -> Option<String> {
    match node {
        Node::Bool(true) => Some("?1".into()),
        Node::Bool(false) => Some("?0".into()),
        Node::Number(number) => number_item(&canonical_number(number)),
        Node::String(text) => Some(text_item(text)),
        Node::Null | Node::List(_) | Node::Object(_) => None,
    }
}

/// An Integer (at most 15 digits) or a Decimal (at most 12 and 3): sections 3.3.1 and 3.3.2.
fn number_item(text: &str) -> Option<String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let plain = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    let fits = match digits.split_once('.') {
        None => plain(digits) && digits.len() <= 15,
        Some((whole, fraction)) => {
            plain(whole) && plain(fraction) && whole.len() <= 12 && fraction.len() <= 3
        }
    };
    fits.then(|| text.into())
}

/// A String where ASCII suffices (section 3.3.3), else a Display String (section 3.3.8).
fn text_item(text: &str) -> String {
    let printable = |b: u8| (0x20..0x7f).contains(&b);
    let mut item = String::new();
    if text.bytes().all(printable) {
        item.push('"');
        for c in text.chars() {
            if matches!(c, '"' | '\\') {
                item.push('\\');
            }
            item.push(c);
        }
    } else {
        item.push_str("%\"");
        for byte in text.bytes() {
            if printable(byte) && !matches!(byte, b'%' | b'"') {
                item.push(char::from(byte));
            } else {
                // Writing to a String cannot fail.
                let _ = write!(item, "%{byte:02x}");
            }
        }
    }
    item.push('"');
    item
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(json: &str) -> Option<String> {
        bare_item(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn json_values_become_bare_items() {
        assert_eq!(item("true").unwrap(), "?1");
        assert_eq!(item("-42.0").unwrap(), "-42");
        assert_eq!(item("999999999999999").unwrap(), "999999999999999");
        assert_eq!(item("1000000000000000"), None);
        assert_eq!(item("0.125").unwrap(), "0.125");
        assert_eq!(item("0.1234"), None);
        assert_eq!(item(r#""a\"b\\c""#).unwrap(), r#""a\"b\\c""#);
        assert_eq!(item(r#""für""#).unwrap(), r#"%"f%c3%bcr""#);
        assert_eq!(item(r#""100%\n""#).unwrap(), r#"%"100%25%0a""#);
        assert_eq!(item("[1]"), None);
        assert_eq!(item("1e30"), None);
    }
}
