//! The verification of a token: a compact JWS (RFC 7515) with JWT claims (RFC 7519).

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::keys::{Key, OverrideKeys};
use super::{MAX_TOKEN, Override, OverrideError, base64url};
use crate::facts::spelling;
use crate::parse::node::{Members, Node, canonical_number};
use crate::value::timestamp::Timestamp;

use OverrideError as Refused;

impl OverrideKeys {
    /// Verifies a token for a host at the time `now`. Claims are read only after the signature is
    /// verified.
    ///
    /// # Errors
    /// The first reason to ignore the token.
    pub fn verify(&self, token: &[u8], host: &str, now: Timestamp) -> Result<Override, Refused> {
        if token.len() > MAX_TOKEN {
            return Err(Refused::TooLong);
        }
        let mut parts = token.split(|byte| *byte == b'.');
        let mut part = || parts.next();
        let (Some(header), Some(claims), Some(signature), None) = (part(), part(), part(), part())
        else {
            return Err(Refused::Malformed);
        };
        let length = header.len().wrapping_add(claims.len()).wrapping_add(1);
        let signed = token.get(..length).ok_or(Refused::Malformed)?;
        let header = decoded(header)?;
        let key = self.key_for(&object(&header)?)?;
        let signature = base64url::decode(signature).ok_or(Refused::Malformed)?;
        if !key.secret.verifies(signed, &signature) {
            return Err(Refused::Signature);
        }
        let claims = decoded(claims)?;
        let claims = object(&claims)?;
        check_time(&claims, now)?;
        check_audience(&claims, host)?;
        grant(key, &claims)
    }

    fn key_for(&self, header: &Members<'_>) -> Result<&Key, Refused> {
        // `crit` lists extensions that a verifier must support; this one supports none.
        if !is_string(header.get("alg"), "HS256") || header.get("crit").is_some() {
            return Err(Refused::Algorithm);
        }
        match header.get("kid") {
            Some(Node::String(id)) => self.find(id).ok_or(Refused::UnknownKey),
            _ => Err(Refused::UnknownKey),
        }
    }
}

/// The bytes that a part of the token encodes.
fn decoded(part: &[u8]) -> Result<Vec<u8>, Refused> {
    base64url::decode(part).ok_or(Refused::Malformed)
}

/// The JSON object in a decoded part of the token.
fn object(json: &[u8]) -> Result<Members<'_>, Refused> {
    match serde_json::from_slice::<Node<'_>>(json) {
        Ok(Node::Object(entries)) => Ok(entries),
        _ => Err(Refused::Malformed),
    }
}

fn is_string(node: Option<&Node<'_>>, wanted: &str) -> bool {
    matches!(node, Some(Node::String(text)) if text == wanted)
}

/// Checks that `now` is at or after `nbf` and before `exp`.
fn check_time(claims: &Members<'_>, now: Timestamp) -> Result<(), Refused> {
    let expires = time_claim(claims, "exp")?.ok_or(Refused::Malformed)?;
    let begins = time_claim(claims, "nbf")?;
    time_claim(claims, "iat")?;
    if now >= expires {
        return Err(Refused::Expired);
    }
    if begins.is_some_and(|begins| now < begins) {
        return Err(Refused::NotYetValid);
    }
    Ok(())
}

/// A claim that is a time in seconds since 1970, rounded down; `None` without the claim.
fn time_claim(claims: &Members<'_>, claim: &str) -> Result<Option<Timestamp>, Refused> {
    let Some(node) = claims.get(claim) else { return Ok(None) };
    let Node::Number(number) = node else { return Err(Refused::Malformed) };
    // A token is JSON alone, so a whole number keeps each digit.
    let number =
        number.as_u64().map_or_else(|| canonical_number(number), |whole| whole.to_string());
    let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(Refused::Malformed);
    }
    let seconds: u64 = whole.parse().map_err(|_| Refused::Malformed)?;
    Ok(Some(Timestamp::from_unix_ms(seconds.saturating_mul(1000))))
}

/// Checks that `aud`, a host or a list of hosts, contains the host. Without it a token is valid for
/// every host.
fn check_audience(claims: &Members<'_>, host: &str) -> Result<(), Refused> {
    let named = match claims.get("aud") {
        None => return Ok(()),
        Some(Node::List(named)) => named,
        Some(one) => core::slice::from_ref(one),
    };
    let mut found = false;
    for name in named {
        let Node::String(name) = name else { return Err(Refused::Malformed) };
        found |= spelling::host(name) == spelling::host(host);
    }
    if found { Ok(()) } else { Err(Refused::Audience) }
}

/// The override in the claims, all of which the key must grant.
fn grant(key: &Key, claims: &Members<'_>) -> Result<Override, Refused> {
    let arms = string_map(claims, "arms")?;
    let variants = string_map(claims, "variants")?;
    let decision = match claims.get("decision") {
        None => false,
        Some(Node::Bool(decision)) => *decision,
        Some(_) => return Err(Refused::Malformed),
    };
    let granted = arms.iter().all(|(rollout, _)| key.rollouts.covers(rollout))
        && variants.iter().all(|(flag, _)| key.flags.covers(flag))
        && (key.decision || !decision);
    if !granted {
        return Err(Refused::Scope);
    }
    Ok(Override { key: key.id.clone(), arms, variants, decision })
}

/// A claim that is an object of strings; empty without the claim.
fn string_map(claims: &Members<'_>, claim: &str) -> Result<Vec<(String, String)>, Refused> {
    let entries = match claims.get(claim) {
        None => return Ok(Vec::new()),
        Some(Node::Object(entries)) => entries,
        Some(_) => return Err(Refused::Malformed),
    };
    let mut names = Vec::with_capacity(entries.len());
    for (name, node) in entries {
        let Node::String(text) = node else { return Err(Refused::Malformed) };
        names.push((name.as_ref().into(), text.as_ref().into()));
    }
    Ok(names)
}
