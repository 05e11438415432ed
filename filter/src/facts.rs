//! The facts of a request: Envoy as the core's `RequestHost`.

use std::borrow::Cow;

use serin_core::gate::ActiveLatches;
use serin_core::plan::Input;
use serin_core::{EarlierIds, IdKeys, OverrideKeys, RequestHost};

use crate::actions;
use crate::active_plan::ActivePlan;
use crate::decision_clock;
use crate::host;
use crate::overrides::Overrides;

/// The property in which Envoy's `jwt_authn` filter stores the claims of a verified token, if it is
/// configured with `payload_in_metadata: payload`.
const JWT_PAYLOAD: [&str; 4] =
    ["metadata", "filter_metadata", "envoy.filters.http.jwt_authn", "payload"];

/// The proxy that handles the request.
pub(crate) struct EnvoyHost<'a> {
    pub(crate) active: &'a ActivePlan,
    pub(crate) latches: Option<&'a ActiveLatches>,
}

impl<'a> RequestHost<'a> for EnvoyHost<'a> {
    fn now(&self) -> Option<u64> {
        decision_clock::now()
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

    fn id_keys(&self) -> Option<&'a IdKeys> {
        self.active.id_keys.as_deref()
    }

    fn earlier_ids(&self) -> Option<EarlierIds> {
        actions::earlier_ids()
    }
}

/// Fetches an input. Envoy has the client's address and the token's claims, but no location: a spec for
/// Envoy reads the fields that its geoip filter sets, as `header.NAME`.
fn fetch(input: &Input) -> Option<String> {
    match input {
        Input::Ip => String::from_utf8(host::property(&["source", "address"])?).ok(),
        Input::Jwt(claim) => {
            let [a, b, c, d] = JWT_PAYLOAD;
            claim_string(host::property(&[a, b, c, d, claim])?)
        }
        _ => None,
    }
}

/// A claim as a string. The host returns bytes without their type: a string as it is, a number as a
/// little-endian double, a boolean as one byte. The control characters tell them apart: no string has any,
/// while every double that is a whole number below 2⁴⁴ has zero bytes.
fn claim_string(bytes: Vec<u8>) -> Option<String> {
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

/// A whole number in decimal digits. `None` for a fraction: hosts write fractions in different ways.
fn whole_number(value: f64) -> Option<String> {
    const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;
    if value.fract() != 0.0 || value.abs() > MAX_SAFE_INTEGER {
        return None;
    }
    #[allow(clippy::cast_possible_truncation)]
    Some((value as i64).to_string())
}
