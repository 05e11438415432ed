//! The keys with which a host signs the anonymous ids that it mints.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{self, Write as _};

use crate::error::{ErrorKind, Errors, Path};
use crate::overrides::keys::decode_secret;
use crate::overrides::mac::{Secret, is_equal};

/// The maximum number of keys: a forged signature costs one computation for each.
const MAX_KEYS: usize = 4;
/// The bytes of the message authentication code that a signature has: 96 bits.
const SIGNATURE_BYTES: usize = 12;
/// The length of a signature, in characters.
pub(crate) const SIGNATURE_LENGTH: usize = SIGNATURE_BYTES * 2;

/// The keys of anonymous ids. The first one signs, all verify, so that a key can be replaced without any
/// id losing its signature.
///
/// A signature is the first 96 bits of HMAC-SHA-256 over the cookie's name and the id, in hexadecimal
/// digits. The name is part of it so that an id of one unit is not valid for another.
pub struct IdKeys(Vec<Secret>);

impl IdKeys {
    /// Reads keys: 1 to 4 secrets of at least 32 bytes in base64url, separated by commas. Blanks around
    /// a secret are ignored.
    ///
    /// # Errors
    /// Every mistake. No message contains a secret.
    pub fn from_text(text: &str) -> Result<IdKeys, Errors> {
        let mut errors = Errors::new();
        let root = Path::Root;
        let parts: Vec<&str> = text.split(',').collect();
        if parts.len() > MAX_KEYS {
            let message = format_args!("has {} keys, at most {MAX_KEYS} are allowed", parts.len());
            errors.add(&root, ErrorKind::Limit, &message);
            return Err(errors);
        }
        let secret = |(index, part): (usize, &&str)| {
            decode_secret(part.trim(), &root.index(index), &mut errors)
        };
        let secrets = parts.iter().enumerate().filter_map(secret).collect();
        if errors.is_empty() { Ok(IdKeys(secrets)) } else { Err(errors) }
    }

    /// The number of keys.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The signature of an id.
    pub(crate) fn sign(&self, cookie: &str, id: &str) -> Option<String> {
        Some(signature(self.0.first()?, &message(cookie, id)))
    }

    /// Whether one of the keys made the signature. Each comparison takes constant time.
    pub(crate) fn verifies(&self, cookie: &str, id: &str, received: &[u8]) -> bool {
        let message = message(cookie, id);
        self.0.iter().any(|secret| is_equal(signature(secret, &message).as_bytes(), received))
    }
}

/// Writes the number of keys only.
impl fmt::Debug for IdKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IdKeys").field("count", &self.count()).finish()
    }
}

/// The signed message. No cookie name and no id contains a zero byte.
fn message(cookie: &str, id: &str) -> Vec<u8> {
    [b"serin id\0", cookie.as_bytes(), b"\0", id.as_bytes()].concat()
}

fn signature(secret: &Secret, message: &[u8]) -> String {
    let mut text = String::with_capacity(SIGNATURE_LENGTH);
    for byte in secret.mac(message).iter().take(SIGNATURE_BYTES) {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::format;
    use alloc::string::ToString;
    use proptest::prelude::*;

    const A: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
    const B: &str = "BBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBBA";

    fn keys(text: &str) -> IdKeys {
        IdKeys::from_text(text).unwrap()
    }

    #[test]
    fn every_key_verifies_and_the_first_signs() {
        let (old, both, new) = (keys(A), keys(&format!(" {B} ,\n{A}\n")), keys(B));
        let signed = |keys: &IdKeys| keys.sign("serin_id", "07").unwrap();
        assert_eq!(signed(&both), signed(&new));
        assert_ne!(signed(&both), signed(&old));
        for (keys, by, verifies) in [
            (&both, &old, true),
            (&both, &new, true),
            (&new, &both, true),
            (&new, &old, false),
            (&old, &new, false),
        ] {
            assert_eq!(keys.verifies("serin_id", "07", signed(by).as_bytes()), verifies);
        }
    }

    #[test]
    fn mistakes_are_listed_without_the_secret() {
        for (text, wanted) in [
            ("", "[0]: is a secret of 0 bytes, at least 32 are needed"),
            ("secret!", "[0]: is not base64url (A-Z, a-z, 0-9, - and _, without =)"),
            (&format!("{A},c2hvcnQ"), "[1]: is a secret of 5 bytes, at least 32 are needed"),
            ("a,b,c,d,e", "has 5 keys, at most 4 are allowed"),
        ] {
            let errors = IdKeys::from_text(text).unwrap_err().to_string();
            assert!(errors.ends_with(wanted), "{errors}");
            assert!(!errors.contains("secret!") && !errors.contains("c2hvcnQ"), "{errors}");
        }
        assert_eq!(format!("{:?}", keys(A)), "IdKeys { count: 1 }");
    }

    proptest! {
        /// A signature is valid for its cookie and id only, and no other text is one.
        #[test]
        fn a_signature_is_valid_for_its_cookie_and_id_only(
            id in "[0-9a-f]{32}",
            other in "[0-9a-f]{32}",
            at in 0..SIGNATURE_LENGTH,
            bit in 0_u32..7,
        ) {
            let keys = keys(A);
            let signed = keys.sign("serin_id", &id).unwrap().into_bytes();
            prop_assert_eq!(signed.len(), SIGNATURE_LENGTH);
            prop_assert!(keys.verifies("serin_id", &id, &signed));
            prop_assert!(!keys.verifies("tenant", &id, &signed));
            prop_assert!(id == other || !keys.verifies("serin_id", &other, &signed));
            prop_assert!(!keys.verifies("serin_id", &id, &signed[..at]));
            let mut changed = signed;
            changed[at] ^= 1 << bit;
            prop_assert!(!keys.verifies("serin_id", &id, &changed));
        }
    }
}
