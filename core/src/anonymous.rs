//! Anonymous ids: units for clients that send none.

use alloc::string::String;
use core::fmt::Write as _;

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
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    let is_signed = id.len() == ID_LENGTH && id.bytes().chain(signature.bytes()).all(is_digit);
    is_signed.then_some((id, signature))
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
