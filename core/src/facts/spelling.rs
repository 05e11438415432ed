//! The one spelling of each attribute's values. Facts spell the values of requests with it, and the
//! parser the operands of conditions and the hosts of rollouts, so that `/caf%c3%a9` and `/café` are
//! one path in both.

use alloc::borrow::Cow;
use alloc::format;
use core::net::{IpAddr, Ipv6Addr};

use super::path;
use crate::attribute::Attribute;

/// The part of a value that an operand is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Whole,
    Start,
    Middle,
    End,
}

/// Spells a part of an attribute's value as facts spell the value. A text that no value has stays one that no
/// value has: a query is not cut off a path, nor a port off a host.
pub(crate) fn respell<'t>(attribute: &Attribute, part: Part, text: &'t str) -> Cow<'t, str> {
    match (attribute, part) {
        (Attribute::Path, Part::Whole) => path::normalise(text.as_bytes()),
        (Attribute::Path, Part::Start) => path::normalise_start(text),
        (Attribute::Path, Part::Middle | Part::End) => path::normalise_escapes(text.as_bytes()),
        (Attribute::Host, Part::Whole) => host(text),
        (Attribute::Host, Part::End) => lower(without_last_dot(text)),
        (Attribute::Ip, Part::Whole) => match text.parse() {
            Ok(address) => Cow::Owned(format!("{}", IpAddr::to_canonical(&address))),
            Err(_) => lower(text),
        },
        (Attribute::Host | Attribute::Ip, _) => lower(text),
        _ => Cow::Borrowed(text),
    }
}

/// Spells a host without a port: in lower case, without the dot of the DNS root, an IPv6 address as RFC 5952
/// has it.
pub(crate) fn host(name: &str) -> Cow<'_, str> {
    let literal = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    if let Some(address) = literal.and_then(|literal| literal.parse::<Ipv6Addr>().ok()) {
        return Cow::Owned(match address.to_ipv4_mapped() {
            // As the URL Standard has it, which knows no dotted form.
            Some(v4) => {
                let [a, b, c, d] = v4.octets().map(u16::from);
                let (high, low) = (a.wrapping_shl(8) | b, c.wrapping_shl(8) | d);
                format!("[::ffff:{high:x}:{low:x}]")
            }
            None => format!("[{address}]"),
        });
    }
    lower(without_last_dot(name))
}

fn without_last_dot(name: &str) -> &str {
    name.strip_suffix('.').filter(|rest| !rest.is_empty()).unwrap_or(name)
}

fn lower(text: &str) -> Cow<'_, str> {
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Owned(text.to_ascii_lowercase());
    }
    Cow::Borrowed(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_of_a_value_is_spelt_as_the_value() {
        for (attribute, part, text, spelt) in [
            ("path", Part::Whole, "/%61dmin/./caf\u{e9}", "/admin/caf%C3%A9"),
            ("path", Part::Whole, "/a?x=1", "/a?x=1"),
            ("path", Part::Start, "/a%2f", "/a%2F"),
            ("path", Part::Start, "/a/../b/.", "/b/."),
            ("path", Part::Start, "/a/..", "/a/.."),
            ("path", Part::Start, "admin", "admin"),
            ("path", Part::Middle, "a b", "a%20b"),
            ("path", Part::End, "/../b", "/../b"),
            ("host", Part::Whole, "Shop.Example.com.", "shop.example.com"),
            ("host", Part::Whole, "[2001:DB8:0:0::1]", "[2001:db8::1]"),
            ("host", Part::Whole, "[::ffff:192.0.2.7]", "[::ffff:c000:207]"),
            ("host", Part::Whole, "shop.example.com:80", "shop.example.com:80"),
            ("host", Part::Whole, ".", "."),
            ("host", Part::Start, "Shop.", "shop."),
            ("host", Part::End, ".Example.com.", ".example.com"),
            ("ip", Part::Whole, "2001:DB8:0:0::1", "2001:db8::1"),
            ("ip", Part::Whole, "::ffff:192.0.2.7", "192.0.2.7"),
            ("ip", Part::Whole, "192.0.2.7:80", "192.0.2.7:80"),
            ("ip", Part::Start, "2001:DB8:", "2001:db8:"),
            ("method", Part::Whole, "get", "get"),
            ("header.x", Part::Whole, "A%2f", "A%2f"),
        ] {
            let attribute = Attribute::parse(attribute).unwrap();
            assert_eq!(respell(&attribute, part, text), spelt, "{attribute} {part:?} {text}");
        }
    }
}
