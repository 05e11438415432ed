//! Override tokens that are signed with well-known crates, as a reference for the core's own code.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use serin_core::OverrideKeys;
use sha2::Sha256;

/// The id of the signing key.
pub const KEY_ID: &str = "qa";

/// A token with these claims, signed with the secret of the key [`KEY_ID`].
pub fn token(secret: &[u8], claims: &Value) -> String {
    let header = json!({"alg": "HS256", "kid": KEY_ID}).to_string();
    sign(secret, header.as_bytes(), claims.to_string().as_bytes())
}

/// A signed token with any header and claims.
pub fn sign(secret: &[u8], header: &[u8], claims: &[u8]) -> String {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let signature = URL_SAFE_NO_PAD.encode(hmac(secret, signed.as_bytes()));
    format!("{signed}.{signature}")
}

/// Whether the signature of a token is valid for this secret.
pub fn is_signed(secret: &[u8], token: &[u8]) -> bool {
    let Some(dot) = token.iter().rposition(|byte| *byte == b'.') else { return false };
    let (signed, rest) = token.split_at(dot);
    URL_SAFE_NO_PAD.encode(hmac(secret, signed)).as_bytes() == &rest[1..]
}

/// The keys of a host: [`KEY_ID`] with this secret, which may force everything.
pub fn keys(secret: &[u8]) -> OverrideKeys {
    let json = json!({KEY_ID: URL_SAFE_NO_PAD.encode(secret)}).to_string();
    OverrideKeys::from_json(json.as_bytes()).expect("the keys are valid")
}

fn hmac(secret: &[u8], signed: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes keys of any length");
    mac.update(signed);
    mac.finalize().into_bytes().to_vec()
}

/// The bytes that a part of a token encodes.
pub fn decode(part: &[u8]) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}
