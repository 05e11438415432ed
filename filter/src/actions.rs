//! The changes that a decision makes to a request.

use serin_core::{Decision, headers, is_reserved_header};

use crate::active_plan::ActivePlan;
use crate::host::{self, HeaderBlock};

/// The name of the filter state: Envoy's access log prints it as `%FILTER_STATE(wasm.serin:PLAIN)%`.
const FILTER_STATE: &str = "serin";

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
    };
    strip(block, is_replaced);
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
