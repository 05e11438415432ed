//! What the plan needs and only the host knows.

use std::borrow::Cow;

use serin_core::gate::ActiveLatches;
use serin_core::plan::Input;
use serin_core::{OverrideKeys, RequestHost};

use crate::active::Active;
use crate::host;
use crate::overrides::Overrides;

/// Where Envoy's `jwt_authn` filter keeps a verified token, with `payload_in_metadata: payload`.
const JWT: [&str; 4] = ["metadata", "filter_metadata", "envoy.filters.http.jwt_authn", "payload"];

/// The proxy that handles the request.
pub(crate) struct Envoy<'a> {
    pub(crate) active: &'a Active,
    pub(crate) latches: Option<&'a ActiveLatches>,
}

impl<'a> RequestHost<'a> for Envoy<'a> {
    fn now(&self) -> Option<u64> {
        self.active.now()
    }

    fn input(&self, input: &Input) -> Option<Cow<'a, str>> {
        fetch(input).map(Cow::Owned)
    }

    fn entropy(&mut self) -> Option<[u8; 16]> {
        host::entropy()
    }

    fn latches(&self) -> Option<&'a ActiveLatches> {
        self.latches
    }

    fn override_keys(&self) -> Option<&'a OverrideKeys> {
        self.active.overrides.as_deref().map(Overrides::keys)
    }
}

/// Envoy knows the address and the token. Where the client is, it does not know: a spec for Envoy
/// reads what its geoip filter wrote, as `header.NAME`.
fn fetch(input: &Input) -> Option<String> {
    match input {
        Input::Ip => String::from_utf8(host::property(&["source", "address"])?).ok(),
        Input::Jwt(claim) => {
            let [a, b, c, d] = JWT;
            claim_text(host::property(&[a, b, c, d, claim])?)
        }
        _ => None,
    }
}

/// A claim as text. The host hands over bare bytes without their type: a text as it is, a number as
/// a little-endian double, a boolean as one byte. No text has control characters, while every
/// double that is a whole number below 2⁴⁴ has zero bytes.
fn claim_text(bytes: Vec<u8>) -> Option<String> {
    let has_control = bytes.iter().any(u8::is_ascii_control);
    if !has_control {
        return String::from_utf8(bytes).ok();
    }
    match bytes.as_slice() {
        [0] => Some("false".to_owned()),
        [1] => Some("true".to_owned()),
        other => whole_number(f64::from_le_bytes(other.try_into().ok()?)),
    }
}

/// Whole numbers only: fractions have no one text that every host agrees on.
fn whole_number(value: f64) -> Option<String> {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    if value.fract() != 0.0 || value.abs() > LARGEST {
        return None;
    }
    #[allow(clippy::cast_possible_truncation)]
    Some((value as i64).to_string())
}
