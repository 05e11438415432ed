//! The changes that a decision makes to a request.

use serin_core::{Decision, EarlierIds, Facts, Plan, headers, is_reserved_header, private_fields};

use crate::active_plan::ActivePlan;
use crate::host::{self, HeaderBlock};

/// The name of the filter state: Envoy's access log prints it as `%FILTER_STATE(wasm.serin:PLAIN)%`.
const FILTER_STATE: &str = "serin";
/// The name of the filter state with the ids that were minted for the request. It outlives internal redirects.
const IDS_STATE: &str = "serin_ids";

/// The name of the filter state that is set where a filter sets the ids' cookies in this pass of the request.
const PASS_STATE: &str = "serin_ids_pass";

/// Lets the ids' filter state outlive internal redirects, in Envoy. Only for a root context. A host without Envoy's
/// `declare_property` keeps the state for one pass.
pub(crate) fn declare_state() {
    if let Some(arguments) = request_state(IDS_STATE) {
        host::call_foreign_function("declare_property", &arguments);
    }
}

/// The message `envoy.source.extensions.common.wasm.DeclarePropertyArguments`, in Protocol Buffers' wire format: the
/// name, the type (a string), and the life span (of the downstream request).
fn request_state(name: &str) -> Option<Vec<u8>> {
    const NAME: u8 = 1 << 3 | 2;
    const TYPE: u8 = 3 << 3;
    const STRING: u8 = 1;
    const SPAN: u8 = 5 << 3;
    const DOWNSTREAM_REQUEST: u8 = 1;
    // A length of more than 7 bits has several bytes.
    let length = u8::try_from(name.len()).ok().filter(u8::is_ascii)?;
    let mut message = vec![NAME, length];
    message.extend_from_slice(name.as_bytes());
    message.extend_from_slice(&[TYPE, STRING, SPAN, DOWNSTREAM_REQUEST]);
    Some(message)
}

/// The anonymous ids that were minted for a request.
pub(crate) struct RequestIds {
    /// Those that this filter has minted, for its state.
    minted: Option<String>,
    /// The header field for the next host.
    field: Option<String>,
}

impl RequestIds {
    pub(crate) fn new(plan: &Plan, facts: &Facts<'_>) -> RequestIds {
        RequestIds { minted: facts.minted_ids(plan), field: facts.ids_header(plan) }
    }

    /// The value of the header field for the next host.
    pub(crate) fn field(&self) -> Option<&str> {
        self.field.as_deref()
    }

    fn store(&self) {
        if let Some(ids) = &self.minted {
            host::set_property(IDS_STATE, ids);
            host::set_property(PASS_STATE, "1");
        }
        if let Some(field) = &self.field {
            host::set_request_header(headers::IDS, field);
        }
    }
}

/// The ids of the pass before an internal redirect, whose response does not reach the client, or of another filter in
/// this pass, which sets their cookies.
pub(crate) fn earlier_ids() -> Option<EarlierIds> {
    let ids = String::from_utf8(host::property(&[IDS_STATE])?).ok()?;
    Some(EarlierIds { ids, sets_cookies: host::property(&[PASS_STATE]).is_none() })
}

/// Removes the header fields that a client sent under Serin's names, except those for which `is_replaced`
/// holds: they are about to be overwritten.
pub(crate) fn strip(headers: &HeaderBlock, is_replaced: impl Fn(&[u8]) -> bool) {
    let mut removed: Option<&[u8]> = None;
    for (name, _) in headers.pairs().filter(|(name, _)| is_reserved_header(name)) {
        if removed != Some(name) && !is_replaced(name) {
            host::remove_request_header(name);
            removed = Some(name);
        }
    }
}

/// Removes the trailer fields that a client sent under Serin's names.
pub(crate) fn strip_trailers(trailers: &HeaderBlock) {
    let mut removed: Option<&[u8]> = None;
    for (name, _) in trailers.pairs().filter(|(name, _)| is_reserved_header(name)) {
        if removed != Some(name) {
            host::remove_request_trailer(name);
            removed = Some(name);
        }
    }
}

/// Sets the header fields for the router and the upstream, and the filter state for the log, and counts the
/// request. The router gets the field of the shadow only if `router_mirrors`.
///
/// Returns the decision record if there is a decision to log, or if `debug_requested`.
pub(crate) fn apply(
    active: &ActivePlan,
    decision: &Decision,
    ids: &RequestIds,
    block: &HeaderBlock,
    debug_requested: bool,
    router_mirrors: bool,
) -> Option<String> {
    let plan = &active.plan;
    let (has_rollout, has_flags) = (decision.rollout().is_some(), !decision.flags().is_empty());
    let is_replaced = |name: &[u8]| {
        let is = |reserved: &str| name.eq_ignore_ascii_case(reserved.as_bytes());
        (has_rollout && (is(headers::ARM) || is(headers::ROLLOUT)))
            || (has_flags && is(headers::FLAGS))
            || (router_mirrors && is(headers::SHADOW))
            || (ids.field.is_some() && is(headers::IDS))
    };
    strip(block, is_replaced);
    ids.store();
    if !has_rollout && !has_flags && !debug_requested {
        return None;
    }
    let record = decision.record(plan);
    host::set_property(FILTER_STATE, &record);
    if let Some(decided) = decision.rollout() {
        active.count(decided);
    }
    decision.request_headers(plan, |name, value| {
        if router_mirrors || name != headers::SHADOW {
            host::set_request_header(name, value);
        }
    });
    Some(record)
}

/// Keeps the response, which gets a cookie, out of shared caches.
pub(crate) fn make_private() {
    let block = host::response_headers();
    for (name, value) in private_fields(block.iter().flat_map(HeaderBlock::pairs)) {
        host::set_response_header(&name, &value);
    }
}
