//! The facts of a request: the values that a plan's decisions read.

mod context;
pub(crate) mod cookie;
mod host;
mod needs;
pub(crate) mod path;
pub(crate) mod query;
mod request;
pub(crate) mod spelling;
mod token;

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::anonymous;
use crate::gate::ActiveLatches;
use crate::id_keys::IdKeys;
use crate::overrides::{Forced, OverrideError};
use crate::plan::{HostInput, Input, InputId, Plan, Source, UnitId};
use crate::value::cidr::parse_address;
use crate::value::timestamp::Timestamp;

pub use host::{EarlierIds, FixedHost, RequestHost};

/// The facts of one request, borrowed from the host where possible. They are valid for one plan only.
///
/// A host makes them with one call: [`Facts::of_request`] for a request that it routes,
/// [`Facts::from_context`] for an evaluation of flags without a request.
#[derive(Clone, Debug, Default)]
pub struct Facts<'a> {
    method: Cow<'a, str>,
    host: Cow<'a, str>,
    path: Cow<'a, str>,
    secure: bool,
    now: Option<Timestamp>,
    /// The values of inputs, sorted by input. `None` is a value that is not UTF-8: it counts as missing,
    /// and no later one replaces it.
    values: Vec<(InputId, Option<Cow<'a, str>>)>,
    /// The values of units that a caller gives explicitly; they go before any source.
    explicit_units: Vec<(UnitId, Cow<'a, str>)>,
    /// The value of units that have no other.
    targeting_key: Option<Cow<'a, str>>,
    /// The anonymous ids that were minted for this request.
    minted: Vec<MintedId>,
    /// The value of [`crate::headers::IDS`], not verified.
    received_ids: Option<&'a [u8]>,
    /// The ids that this host has minted for the request before.
    earlier_ids: Option<String>,
    /// The signatures of the request's anonymous ids, valid or not, by the cookie's input.
    signatures: Vec<(InputId, &'a str)>,
    id_keys: Option<&'a IdKeys>,
    token: Option<(token::Location, Cow<'a, [u8]>)>,
    pub(crate) forced: Option<Box<Forced>>,
    latches: Option<&'a ActiveLatches>,
    override_outcome: Option<Result<(), OverrideError>>,
}

/// An anonymous id that a host has minted for this request.
#[derive(Clone, Debug)]
struct MintedId {
    unit: UnitId,
    id: String,
    /// Whether this host has minted it, now or on an earlier pass of the request.
    is_own: bool,
    /// Whether the response to this decision sets the cookie. Otherwise another response does.
    sets_cookie: bool,
}

impl<'a> Facts<'a> {
    pub(crate) fn latches(&self) -> Option<&'a ActiveLatches> {
        self.latches
    }

    /// Sets the host's value of an input. An address may have a port. An empty value and an invalid address
    /// count as missing.
    fn set(&mut self, input: HostInput<'_>, value: Cow<'a, str>) {
        let value = match input.kind {
            Input::Ip => {
                parse_address(&value).map(|address| Cow::Owned(alloc::format!("{address}")))
            }
            _ if value.is_empty() => None,
            _ => Some(value),
        };
        self.put(input.id, value);
    }

    /// The `Set-Cookie` values of the anonymous ids whose cookies this response sets.
    pub(crate) fn set_cookies<'f>(&'f self, plan: &'f Plan) -> impl Iterator<Item = String> + 'f {
        self.minted.iter().filter(|minted| minted.sets_cookie).filter_map(|minted| {
            let (cookie, signature) = self.signed(plan, minted)?;
            Some(anonymous::set_cookie(cookie, &minted.id, signature.as_deref(), self.secure))
        })
    }

    /// The anonymous ids that this host has minted for this request, for [`EarlierIds`]; `None` if there are none. A
    /// host that may decide the request again keeps them where no client can write.
    pub fn minted_ids(&self, plan: &Plan) -> Option<String> {
        let mut list = self.list_ids(plan, |minted| minted.is_own)?;
        // Another filter may have other units.
        for (name, id) in self.earlier_ids.iter().flat_map(|ids| anonymous::pairs(ids)) {
            if anonymous::find_pair(list.as_bytes(), name).is_none() {
                anonymous::push_pair(&mut list, name, id, None);
            }
        }
        Some(list)
    }

    /// The value of [`crate::headers::IDS`] for the upstream; `None` if no id was minted for this request, or if the
    /// host has no keys.
    pub fn ids_header(&self, plan: &Plan) -> Option<String> {
        self.id_keys.and_then(|_| self.list_ids(plan, |_| true))
    }

    fn list_ids(&self, plan: &Plan, is_listed: impl Fn(&MintedId) -> bool) -> Option<String> {
        let mut list = String::new();
        for minted in self.minted.iter().filter(|minted| is_listed(minted)) {
            // Several units may share a cookie.
            if let Some((cookie, signature)) = self.signed(plan, minted)
                && anonymous::find_pair(list.as_bytes(), cookie).is_none()
            {
                anonymous::push_pair(&mut list, cookie, &minted.id, signature.as_deref());
            }
        }
        (!list.is_empty()).then_some(list)
    }

    /// The name of a minted id's cookie, and the id's signature if the host has keys.
    fn signed<'p>(&self, plan: &'p Plan, minted: &MintedId) -> Option<(&'p str, Option<String>)> {
        let cookie = plan.unit(minted.unit)?.anonymous_cookie()?;
        Some((cookie, self.id_keys.and_then(|keys| keys.sign(cookie, &minted.id))))
    }

    /// The request's method.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The request's host in lower case, without a port.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The normalised path, without the query.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Whether the request's scheme is https.
    pub fn is_secure(&self) -> bool {
        self.secure
    }

    /// The time of the decision, if the plan needs it and the host has a clock.
    pub fn now(&self) -> Option<Timestamp> {
        self.now
    }

    /// The value of an input.
    #[inline]
    pub(crate) fn get(&self, input: InputId) -> Option<&str> {
        let (id, value) = self.values.iter().find(|(id, _)| *id >= input)?;
        if *id != input {
            return None;
        }
        value.as_deref()
    }

    /// A unit's value: the first of its sources that is present and not empty.
    #[inline]
    pub(crate) fn unit(&self, plan: &Plan, id: UnitId) -> Option<&str> {
        let unit = plan.unit(id)?;
        if let Some((_, value)) = self.explicit_units.iter().find(|(known, _)| *known == id) {
            return Some(unit.id_of(value));
        }
        for source in unit.sources() {
            let value = match source {
                Source::Input(input) => self.get(*input),
                Source::Anonymous { cookie, .. } => {
                    self.get(*cookie).filter(|value| !value.is_empty()).or_else(|| self.minted(id))
                }
            };
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                return Some(value);
            }
        }
        let key = self.targeting_key.as_deref().filter(|value| !value.is_empty());
        key.map(|value| unit.id_of(value))
    }

    /// Whether a unit's value is verified, so that the client has not chosen it: it comes from a verified
    /// token, or it is an anonymous id that a host with the same keys has minted.
    pub(crate) fn is_verified(&self, plan: &Plan, id: UnitId) -> bool {
        let Some(unit) = plan.unit(id) else { return false };
        if self.explicit_units.iter().any(|(known, _)| *known == id) {
            return false;
        }
        let value = |input| self.get(input).filter(|value| !value.is_empty());
        for source in unit.sources() {
            match source {
                Source::Input(input) => {
                    if value(*input).is_some() {
                        let kind = plan.inputs.host_input(*input).map(|input| input.kind);
                        return matches!(kind, Some(Input::Jwt(_)));
                    }
                }
                Source::Anonymous { cookie, name } => {
                    let Some(keys) = self.id_keys else { return false };
                    let Some(value) = value(*cookie) else { return self.minted(id).is_some() };
                    let signature = self.signatures.iter().find(|(input, _)| input == cookie);
                    return signature
                        .is_some_and(|(_, given)| keys.verifies(name, value, given.as_bytes()));
                }
            }
        }
        false
    }

    fn minted(&self, unit: UnitId) -> Option<&str> {
        let minted = self.minted.iter().find(|minted| minted.unit == unit)?;
        Some(minted.id.as_str())
    }

    /// The index of an input's value, or the index at which to insert it.
    fn slot(&self, input: InputId) -> Result<usize, usize> {
        self.values.binary_search_by_key(&input, |(id, _)| *id)
    }

    fn put(&mut self, input: InputId, value: Option<Cow<'a, str>>) {
        match self.slot(input) {
            Ok(index) => {
                if let Some(slot) = self.values.get_mut(index) {
                    slot.1 = value;
                }
            }
            Err(index) => self.values.insert(index, (input, value)),
        }
    }
}
