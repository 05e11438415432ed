//! No bytes are an override but those that the key has signed; and of what it has signed, every bit
//! counts.
//!
//! The bytes are a token, and once more a token's claims: the first byte says which bit to change.

use serde_json::Value;
use serin_conformance::token::{KEY, is_signed, keys, signed};
use serin_core::{OverrideError, OverrideKeys, Timestamp};
use std::sync::OnceLock;

const HOST: &str = "shop.example.com";
/// The secret of the corpus's tokens.
const SECRET: &[u8; 32] = b"a secret of thirty-two bytes. ok";

pub(crate) fn holds(bytes: &[u8]) {
    as_a_token(bytes);
    let (first, claims) = bytes.split_first().unwrap_or((&0, bytes));
    let header = format!(r#"{{"alg":"HS256","kid":"{KEY}"}}"#);
    let token = signed(SECRET, header.as_bytes(), claims);
    as_a_token(token.as_bytes());
    // A good signature over anything says nothing but that.
    assert_ne!(verified(token.as_bytes()).err(), Some(OverrideError::Signature), "{token}");
    let other = signed(b"another secret, of the same size", header.as_bytes(), claims);
    assert!(verified(other.as_bytes()).is_err(), "{other}");
    let mut changed = token.into_bytes();
    let bit = usize::from(*first) * 7 % (changed.len() * 8);
    changed[bit / 8] ^= 1 << (bit % 8);
    assert!(verified(&changed).is_err(), "bit {bit} of {}", String::from_utf8_lossy(&changed));
}

/// What is accepted is signed, names the time and the host, and asks for what its claims say.
fn as_a_token(token: &[u8]) {
    let Ok(by) = verified(token) else { return };
    assert!(is_signed(SECRET, token), "{}", String::from_utf8_lossy(token));
    assert_eq!(by.key(), KEY);
    let claims =
        token.split(|byte| *byte == b'.').nth(1).and_then(serin_conformance::token::decode);
    let claims: Value = claims.and_then(|json| serde_json::from_slice(&json).ok()).expect("JSON");
    assert!(claims["exp"].as_f64() > Some(seconds()), "{claims}");
    assert!(claims["nbf"].is_null() || claims["nbf"].as_f64() < Some(seconds() + 1.0), "{claims}");
    for (claim, names) in [("arms", by.arms()), ("variants", by.variants())] {
        let asked = claims[claim].as_object().map_or(0, serde_json::Map::len);
        assert_eq!(asked, names.len(), "{claims}");
        assert!(names.iter().all(|(name, value)| claims[claim][name] == **value), "{claims}");
    }
    assert_eq!(by.wants_decision(), claims["decision"] == true, "{claims}");
}

fn verified(token: &[u8]) -> Result<serin_core::Override, OverrideError> {
    static KEYS: OnceLock<OverrideKeys> = OnceLock::new();
    KEYS.get_or_init(|| keys(SECRET)).verify(token, HOST, now())
}

fn now() -> Timestamp {
    Timestamp::from_unix_ms(serin_conformance::random::START)
}

fn seconds() -> f64 {
    (serin_conformance::random::START / 1000) as f64
}
