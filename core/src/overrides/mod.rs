//! Signed overrides: a tester's token that forces an arm or variants.
//!
//! A token is a JWS in compact form (RFC 7515), signed with HS256 by a key that the host was given,
//! never by the spec. It is looked for in a request's header block only where there are keys.
//! Whatever is wrong with it, the request goes on as if it had none.

mod base64url;
mod forced;
mod keys;
mod mac;
mod sha256;
mod token;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

pub(crate) use forced::Forced;
pub use keys::OverrideKeys;

/// The request header that carries a token. Reserved, so it never goes upstream.
pub const HEADER: &str = "x-serin-override";
/// The cookie that carries a token.
pub const COOKIE: &str = "serin_override";
/// The query parameter that carries a token.
pub const QUERY: &str = "serin_override";
/// The longest token, in bytes.
pub const MAX_TOKEN: usize = 4096;

/// What a valid token asks for. Only [`OverrideKeys::verify`] makes one.
#[derive(Clone, Debug)]
pub struct Override {
    key: Arc<str>,
    arms: Vec<(String, String)>,
    variants: Vec<(String, String)>,
    decision: bool,
}

impl Override {
    /// The id of the key that signed it.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// Rollouts and the arms to force, by name.
    pub fn arms(&self) -> &[(String, String)] {
        &self.arms
    }

    /// Flags and the variants to force, by name.
    pub fn variants(&self) -> &[(String, String)] {
        &self.variants
    }

    /// Whether the response is to tell the decision.
    pub fn wants_decision(&self) -> bool {
        self.decision
    }
}

/// Why a token is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum OverrideError {
    /// It is longer than [`MAX_TOKEN`].
    TooLong,
    /// It is not three parts of base64url, a part is not JSON, or a claim has the wrong type.
    Malformed,
    /// It is signed with something other than HS256, or has a `crit` header.
    Algorithm,
    /// No key has its `kid`.
    UnknownKey,
    /// The signature is not the key's.
    Signature,
    /// Its `exp` has come, or the host has no clock.
    Expired,
    /// Its `nbf` has not come yet.
    NotYetValid,
    /// Its `aud` does not name the request's host.
    Audience,
    /// Its key may not force one of the things it asks for.
    Scope,
    /// It asks for nothing that the plan has.
    Nothing,
}

impl OverrideError {
    /// All of them, each at the position that it is as a number.
    pub const ALL: [OverrideError; 10] = [
        OverrideError::TooLong,
        OverrideError::Malformed,
        OverrideError::Algorithm,
        OverrideError::UnknownKey,
        OverrideError::Signature,
        OverrideError::Expired,
        OverrideError::NotYetValid,
        OverrideError::Audience,
        OverrideError::Scope,
        OverrideError::Nothing,
    ];

    /// A word for metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            OverrideError::TooLong => "too_long",
            OverrideError::Malformed => "malformed",
            OverrideError::Algorithm => "algorithm",
            OverrideError::UnknownKey => "unknown_key",
            OverrideError::Signature => "signature",
            OverrideError::Expired => "expired",
            OverrideError::NotYetValid => "not_yet_valid",
            OverrideError::Audience => "audience",
            OverrideError::Scope => "scope",
            OverrideError::Nothing => "nothing",
        }
    }
}

impl fmt::Display for OverrideError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            OverrideError::TooLong => "the token is longer than 4,096 bytes",
            OverrideError::Malformed => "the token is not a compact JWS with the claims it needs",
            OverrideError::Algorithm => "the token is not signed with HS256 alone",
            OverrideError::UnknownKey => "no key has the token's kid",
            OverrideError::Signature => "the signature is not the key's",
            OverrideError::Expired => "the token has expired",
            OverrideError::NotYetValid => "the token is not valid yet",
            OverrideError::Audience => "the token is for another host",
            OverrideError::Scope => "the key may not force what the token asks for",
            OverrideError::Nothing => "the token asks for nothing that the spec has",
        })
    }
}

impl core::error::Error for OverrideError {}
