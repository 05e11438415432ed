//! Anonymous ids: units for clients that send none.

use alloc::string::String;
use core::fmt::Write as _;
use core::str::from_utf8;

use crate::facts::cookie;
use crate::id_keys::SIGNATURE_LENGTH;

/// The lifetime of an id's cookie, in seconds: a year. Browsers allow at most 400 days.
const MAX_AGE_SECONDS: u32 = 31_536_000;
/// The length of an id, in hexadecimal digits.
const ID_LENGTH: usize = 32;

/// An id from 128 bits of entropy: 32 hex digits.
pub(crate) fn id(entropy: [u8; 16]) -> String {
    let mut id = String::with_capacity(ID_LENGTH);
    for byte in entropy {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// The id and the signature of a cookie's value `ID.SIGNATURE`, by its form alone. `None` for a value of
/// another form.
pub(crate) fn split(value: &str) -> Option<(&str, &str)> {
    if value.len() != ID_LENGTH.saturating_add(SIGNATURE_LENGTH).saturating_add(1) {
        return None;
    }
    let (id, signature) = value.split_once('.')?;
    (is_id(id) && signature.bytes().all(is_digit)).then_some((id, signature))
}

/// Whether a string has the form of an id.
fn is_id(text: &str) -> bool {
    text.len() == ID_LENGTH && text.bytes().all(is_digit)
}

fn is_digit(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b'a'..=b'f')
}

/// Adds the id of a cookie to a list of ids, in the form of a `cookie` field.
pub(crate) fn push_pair(list: &mut String, name: &str, id: &str, signature: Option<&str>) {
    let (mark, signature) = signature.map_or(("", ""), |signature| (".", signature));
    for part in [if list.is_empty() { "" } else { "; " }, name, "=", id, mark, signature] {
        list.push_str(part);
    }
}

/// The names and the values in a list of ids.
pub(crate) fn pairs(list: &str) -> impl Iterator<Item = (&str, &str)> {
    cookie::pairs(list.as_bytes())
        .filter_map(|(name, value)| Some((from_utf8(name).ok()?, from_utf8(value).ok()?)))
}

/// The id of a cookie in a list of ids, with its signature if it has one. The first pair with the cookie's
/// name counts.
pub(crate) fn find_pair<'l>(list: &'l [u8], name: &str) -> Option<(&'l str, Option<&'l str>)> {
    let (_, value) = cookie::pairs(list).find(|(given, _)| *given == name.as_bytes())?;
    let value = from_utf8(value).ok()?;
    match split(value) {
        Some((id, signature)) => Some((id, Some(signature))),
        None => is_id(value).then_some((value, None)),
    }
}

/// The value without its signature, if it has the form of one with it.
pub(crate) fn without_signature(value: &str) -> &str {
    split(value).map_or(value, |(id, _)| id)
}

/// The `Set-Cookie` value that stores an id in the browser, with its signature if there is one.
pub(crate) fn set_cookie(name: &str, id: &str, signature: Option<&str>, secure: bool) -> String {
    let (mark, signature) = signature.map_or(("", ""), |signature| (".", signature));
    let secure = if secure { "; Secure" } else { "" };
    alloc::format!(
        "{name}={id}{mark}{signature}; Path=/; Max-Age={MAX_AGE_SECONDS}; HttpOnly; SameSite=Lax{secure}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;

    #[test]
    fn a_list_has_the_ids_of_several_cookies() {
        let (a, b, signature) = ("0a".repeat(16), "0b".repeat(16), "bc".repeat(12));
        let mut list = String::new();
        push_pair(&mut list, "a", &a, Some(&signature));
        push_pair(&mut list, "b", &b, None);
        assert_eq!(list, format!("a={a}.{signature}; b={b}"));
        assert_eq!(find_pair(list.as_bytes(), "a"), Some((&*a, Some(&*signature))));
        assert_eq!(find_pair(list.as_bytes(), "b"), Some((&*b, None)));
        for other in ["", "c", "=", "a=", "a=ada", "a=0A", "a=\u{e9}; a"] {
            assert_eq!(find_pair(other.as_bytes(), "a"), None, "{other}");
        }
        assert_eq!(find_pair(format!("a=ada; a={a}").as_bytes(), "a"), None);
        assert_eq!(find_pair(b"a=\xff", "a"), None);
    }

    #[test]
    fn only_an_id_with_a_signature_is_split() {
        let (id, signature) = ("0a".repeat(16), "bc".repeat(12));
        let signed = format!("{id}.{signature}");
        assert_eq!(split(&signed), Some((&*id, &*signature)));
        for other in [
            String::new(),
            id.clone(),
            format!("{id}."),
            format!("{id}.{signature}0"),
            format!("{}.{signature}0", &id[1..]),
            format!("{id}.{}", signature.to_uppercase()),
            format!("{}.{signature}", id.to_uppercase()),
            signed.replace('.', "-"),
            "\u{e9}".repeat(28) + ".",
        ] {
            assert_eq!(split(&other), None, "{other}");
            assert_eq!(without_signature(&other), other);
        }
    }
}
