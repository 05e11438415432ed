//! Signed overrides: tokens with which a tester forces arms and variants.
//!
//! A token is a compact JWS (RFC 7515), signed with HS256. The keys are part of the host's
//! configuration, never of the spec. Requests are searched for a token only if there are keys. A
//! request with a bad token is decided as if it had none.

mod base64url;
mod forced;
pub(crate) mod keys;
pub(crate) mod mac;
mod sha256;
mod token;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

pub(crate) use forced::Forced;
pub use keys::OverrideKeys;

/// The request header field with a token. It is reserved, so it is never sent upstream.
pub const HEADER: &str = "x-serin-override";
/// The cookie with a token.
pub const COOKIE: &str = "serin_override";
/// The query parameter with a token.
pub const QUERY: &str = "serin_override";
/// The maximum length of a token, in bytes.
pub const MAX_TOKEN: usize = 4096;

/// A verified override: the content of a valid token. Only [`OverrideKeys::verify`] creates one.
#[derive(Clone, Debug)]
pub struct Override {
    key: Arc<str>,
    arms: Vec<(String, String)>,
    variants: Vec<(String, String)>,
    decision: bool,
}

impl Override {
    /// The id of the key that signed the token.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// The names of rollouts and of the arms to force.
    pub fn arms(&self) -> &[(String, String)] {
        &self.arms
    }

    /// The names of flags and of the variants to force.
    pub fn variants(&self) -> &[(String, String)] {
        &self.variants
    }

    /// Whether the response must contain the decision.
    pub fn wants_decision(&self) -> bool {
        self.decision
    }
}

/// The reason why a token is ignored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(usize)]
#[non_exhaustive]
pub enum OverrideError {
    /// It is longer than [`MAX_TOKEN`].
    TooLong,
    /// It is not three parts of base64url, a part is not JSON, or a claim has the wrong type.
    Malformed,
    /// Its `alg` is not HS256, or it has a `crit` header.
    Algorithm,
    /// No key has its `kid` as id.
    UnknownKey,
    /// The signature does not match the key.
    Signature,
    /// Its `exp` has passed, or the host has no clock.
    Expired,
    /// Its `nbf` is in the future.
    NotYetValid,
    /// Its `aud` does not contain the request's host.
    Audience,
    /// Its key may not force one of the names in it.
    Scope,
    /// The plan has none of the names in it.
    Nothing,
}

impl OverrideError {
    /// All reasons, each at the index that is its number.
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

    /// The name in metrics.
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
            OverrideError::Algorithm => "the token's alg is not HS256, or it has a crit header",
            OverrideError::UnknownKey => "no key has the kid of the token",
            OverrideError::Signature => "the signature does not match the key",
            OverrideError::Expired => "the token has expired",
            OverrideError::NotYetValid => "the token is not valid yet",
            OverrideError::Audience => "the token is for another host",
            OverrideError::Scope => "the key may not force one of the names in the token",
            OverrideError::Nothing => "the spec has none of the names in the token",
        })
    }
}

impl core::error::Error for OverrideError {}
