//! A token is accepted only if the key has signed it, and refused after any bit is changed.
//!
//! The bytes are a token. They are also the claims of another token: the first byte selects the bit to
//! change, the rest are the claims.

use serde_json::Value;
use serin_conformance::override_token::{KEY_ID, is_signed, keys, sign};
use serin_core::{OverrideError, OverrideKeys, Timestamp};
use std::sync::OnceLock;

const HOST: &str = "shop.example.com";
/// The secret of the corpus's tokens.
const SECRET: &[u8; 32] = b"a secret of thirty-two bytes. ok";

pub(crate) fn holds(bytes: &[u8]) {
    check_accepted_token(bytes);
    let (first, claims) = bytes.split_first().unwrap_or((&0, bytes));
    let header = format!(r#"{{"alg":"HS256","kid":"{KEY_ID}"}}"#);
    let token = sign(SECRET, header.as_bytes(), claims);
    check_accepted_token(token.as_bytes());
    // The token may be refused for its claims, but not for its signature.
    assert_ne!(verify(token.as_bytes()).err(), Some(OverrideError::Signature), "{token}");
    let other = sign(b"another secret, of the same size", header.as_bytes(), claims);
    assert!(verify(other.as_bytes()).is_err(), "{other}");
    let mut changed = token.into_bytes();
    let bit = usize::from(*first) * 7 % (changed.len() * 8);
    changed[bit / 8] ^= 1 << (bit % 8);
    assert!(verify(&changed).is_err(), "bit {bit} of {}", String::from_utf8_lossy(&changed));
}

/// Asserts that a token, if it is accepted, is signed and in time, and asks for what its claims hold.
fn check_accepted_token(token: &[u8]) {
    let Ok(accepted) = verify(token) else { return };
    assert!(is_signed(SECRET, token), "{}", String::from_utf8_lossy(token));
    assert_eq!(accepted.key(), KEY_ID);
    let claims = token
        .split(|byte| *byte == b'.')
        .nth(1)
        .and_then(serin_conformance::override_token::decode);
    let claims: Value = claims.and_then(|json| serde_json::from_slice(&json).ok()).expect("JSON");
    assert!(claims["exp"].as_f64() > Some(seconds()), "{claims}");
    assert!(claims["nbf"].is_null() || claims["nbf"].as_f64() < Some(seconds() + 1.0), "{claims}");
    for (claim, names) in [("arms", accepted.arms()), ("variants", accepted.variants())] {
        let count = claims[claim].as_object().map_or(0, serde_json::Map::len);
        assert_eq!(count, names.len(), "{claims}");
        assert!(names.iter().all(|(name, value)| claims[claim][name] == **value), "{claims}");
    }
    assert_eq!(accepted.wants_decision(), claims["decision"] == true, "{claims}");
}

fn verify(token: &[u8]) -> Result<serin_core::Override, OverrideError> {
    static KEYS: OnceLock<OverrideKeys> = OnceLock::new();
    KEYS.get_or_init(|| keys(SECRET)).verify(token, HOST, now())
}

fn now() -> Timestamp {
    Timestamp::from_unix_ms(serin_conformance::random::START)
}

fn seconds() -> f64 {
    (serin_conformance::random::START / 1000) as f64
}
