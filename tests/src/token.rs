//! Tokens for overrides, signed by well-known crates, so that the core's own code is measured by theirs.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use serin_core::OverrideKeys;
use sha2::Sha256;

/// The id of the key.
pub const KEY: &str = "qa";

/// A token of the key with these claims.
pub fn token(secret: &[u8], claims: &Value) -> String {
    let header = json!({"alg": "HS256", "kid": KEY}).to_string();
    signed(secret, header.as_bytes(), claims.to_string().as_bytes())
}

/// A token of any header and claims.
pub fn signed(secret: &[u8], header: &[u8], claims: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let code = URL_SAFE_NO_PAD.encode(code(secret, signed.as_bytes()));
    format!("{signed}.{code}")
}

/// Whether a token's last part is the secret's code of the others.
pub fn is_signed(secret: &[u8], token: &[u8]) -> bool {
    let Some(dot) = token.iter().rposition(|byte| *byte == b'.') else { return false };
    let (signed, rest) = token.split_at(dot);
    URL_SAFE_NO_PAD.encode(code(secret, signed)).as_bytes() == &rest[1..]
}

/// The key `qa` with this secret, which may force everything.
pub fn keys(secret: &[u8]) -> OverrideKeys {
    let json = json!({KEY: URL_SAFE_NO_PAD.encode(secret)}).to_string();
    OverrideKeys::from_json(json.as_bytes()).expect("good keys")
}

fn code(secret: &[u8], signed: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(signed);
    mac.finalize().into_bytes().to_vec()
}

/// The bytes behind a token's part.
pub fn decode(part: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
