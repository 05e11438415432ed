//! JSON Web Tokens for tests, and the key set that a host verifies them with.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;
use std::collections::BTreeMap;

/// The issuer of the tokens.
pub const ISSUER: &str = "conformance";

const KEY: &[u8] = b"a key that is secret to nobody, for tests only";

/// The id of the key.
const KEY_ID: &str = "test";

/// A token with the claims and the issuer, signed with HS256.
pub fn token(claims: &BTreeMap<String, Value>) -> String {
    let mut claims = claims.clone();
    claims.insert("iss".into(), ISSUER.into());
    let header = URL_SAFE_NO_PAD.encode(json!({"alg": "HS256", "kid": KEY_ID}).to_string());
    let payload = URL_SAFE_NO_PAD.encode(json!(claims).to_string());
    let signed = format!("{header}.{payload}");
    let mut mac = Hmac::<Sha256>::new_from_slice(KEY).expect("HMAC takes keys of any length");
    mac.update(signed.as_bytes());
    let signature = URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
    format!("{signed}.{signature}")
}

/// The key as a JSON Web Key Set.
pub fn key_set() -> String {
    let key = URL_SAFE_NO_PAD.encode(KEY);
    json!({"keys": [{"kty": "oct", "alg": "HS256", "kid": KEY_ID, "k": key}]}).to_string()
}
