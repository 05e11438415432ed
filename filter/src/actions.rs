//! A decision as changes to the request.

use serin_core::{Decision, headers, is_reserved_header};

use crate::active::Active;
use crate::host::{self, HeaderBlock};

/// The filter state's name: Envoy's access log prints it as `%FILTER_STATE(wasm.serin:PLAIN)%`.
const FILTER_STATE: &str = "serin";

/// Removes what a client sent under Serin's names, except names that are about to be replaced.
pub(crate) fn strip(headers: &HeaderBlock, replaced: impl Fn(&[u8]) -> bool) {
    let mut removed: Option<&[u8]> = None;
    for (name, _) in headers.pairs().filter(|(name, _)| is_reserved_header(name)) {
        if removed != Some(name) && !replaced(name) {
            host::remove_request_header(name);
            removed = Some(name);
        }
    }
}

/// Tells the router, the upstream, the log and the counters; the router of a shadow only if it is to mirror.
/// Gives the record, if there is one to
/// keep or `told` wants it.
pub(crate) fn apply(
    active: &Active,
    decision: &Decision,
    block: &HeaderBlock,
    told: bool,
    mirrored: bool,
) -> Option<String> {
    let plan = &active.plan;
    let (routed, flagged) = (decision.rollout().is_some(), !decision.flags().is_empty());
    let replaced = |name: &[u8]| {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        (routed && (is(headers::ARM) || is(headers::ROLLOUT)))
            || (flagged && is(headers::FLAGS))
            || (mirrored && is(headers::SHADOW))
    };
    strip(block, replaced);
    if !routed && !flagged && !told {
        return None;
    }
    let record = decision.record(plan);
    host::set_property(FILTER_STATE, &record);
    if let Some(decided) = decision.rollout() {
        active.count(decided);
    }
    decision.request_headers(plan, |name, value| {
        if mirrored || name != headers::SHADOW {
            host::set_request_header(name, value);
        }
    });
    Some(record)
}
