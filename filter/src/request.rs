//! The callbacks of one request.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use serin_core::gate::Exposure;
use serin_core::{Facts, decide, headers};

use crate::actions::RequestIds;
use crate::active_plan::ActivePlan;
use crate::facts::EnvoyHost;
use crate::gates::Gates;
use crate::host::HeaderBlock;
use crate::in_flight::{Upload, WatchId};
use crate::shadow::{Comparison, CopyHandling};
use crate::{actions, host, vm};

/// The proxy-wasm context of one request.
pub(crate) struct RequestContext {
    /// The host's id of this context.
    context: u32,
    active: Option<Rc<ActivePlan>>,
    /// The cookies of ids minted on this request. They are made at once: the facts are gone when the
    /// response arrives.
    set_cookies: Vec<String>,
    /// The decision record for the response, if a tester's token asks for it.
    debug_record: Option<String>,
    /// Boxed, because most requests have none.
    pending: Option<Box<PendingOutcome>>,
}

/// What is done with the outcome once it is known.
struct PendingOutcome {
    /// The outcome is counted in a trial.
    exposure: Option<Exposure>,
    /// The watch for a missing response.
    watch: Option<WatchId>,
    /// The response is compared with the shadow's.
    comparison: Option<Rc<Comparison>>,
}

impl RequestContext {
    pub(crate) fn new(context: u32, active: Option<Rc<ActivePlan>>) -> RequestContext {
        RequestContext {
            context,
            active,
            set_cookies: Vec::new(),
            debug_record: None,
            pending: None,
        }
    }
}

impl Context for RequestContext {}

impl HttpContext for RequestContext {
    fn on_http_request_headers(&mut self, _count: usize, end_of_stream: bool) -> Action {
        let Some(block) = host::request_headers() else {
            return Action::Continue;
        };
        let Some(active) = &self.active else {
            actions::strip(&block, |_| false);
            return Action::Continue;
        };
        let active_latches =
            active.gates.as_ref().and_then(|gates| gates.active_latches(&active.plan));
        let mut envoy = EnvoyHost { active, latches: active_latches.as_deref() };
        let facts = Facts::of_request(&active.plan, block.pairs(), &mut envoy);
        if let Some(overrides) = &active.overrides {
            overrides.count(facts.override_outcome());
        }
        let Ok(mut decision) = active.decision.try_borrow_mut() else {
            actions::strip(&block, |_| false);
            return Action::Continue;
        };
        decide(&active.plan, &facts, &mut decision);
        let exposure = active.gates.as_ref().and_then(|gates| {
            decision.exposure(&active.plan, &facts).filter(|exposure| gates.admits(exposure))
        });
        let has_shadow = decision.shadow(&active.plan).is_some();
        let ids = RequestIds::new(&active.plan, &facts);
        let copy = if has_shadow {
            active.shadows.copy(active, &decision, ids.field(), &block, end_of_stream)
        } else {
            CopyHandling::Router
        };
        let router_mirrors = has_shadow && matches!(copy, CopyHandling::Router);
        let comparison =
            if let CopyHandling::Filter(comparison) = copy { comparison } else { None };
        if exposure.is_some() || comparison.is_some() {
            let watch = active.gates.as_ref().zip(exposure).and_then(|(gates, exposure)| {
                gates.watch(exposure, upload(self.context, &block, end_of_stream))
            });
            self.pending = Some(Box::new(PendingOutcome { exposure, watch, comparison }));
        }
        self.set_cookies = decision.set_cookies(&active.plan, &facts);
        let debug_requested = facts.wants_decision();
        self.debug_record =
            actions::apply(active, &decision, &ids, &block, debug_requested, router_mirrors)
                .filter(|_| debug_requested)
                .map(|record| decision.response_record(&active.plan, record));
        Action::Continue
    }

    /// A router or an upstream that merges trailers into the header fields must not take a client's for
    /// Serin's.
    fn on_http_request_trailers(&mut self, _count: usize) -> Action {
        if let Some(block) = host::request_trailers() {
            actions::strip_trailers(&block);
        }
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let watch = self.pending.as_ref().and_then(|pending| pending.watch);
        if let Some((watch, gates)) = watch.zip(self.gates()) {
            gates.respond(watch);
        }
        if !self.set_cookies.is_empty() && vm::settings().makes_private {
            actions::make_private();
        }
        for cookie in self.set_cookies.drain(..) {
            host::add_response_header("set-cookie", &cookie);
        }
        if let Some(record) = self.debug_record.take() {
            host::set_response_header(headers::DECISION, &record);
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        let Some(pending) = self.pending.take() else { return };
        if let Some(comparison) = pending.comparison {
            comparison.on_log();
        }
        let Some(active) = &self.active else { return };
        if let (Some(gates), Some(exposure)) = (&active.gates, pending.exposure) {
            let has_timed_out = pending.watch.is_some_and(|watch| gates.end_watch(watch));
            if !has_timed_out {
                gates.record(&active.plan, &exposure);
            }
        }
    }
}

impl RequestContext {
    fn gates(&self) -> Option<&Gates> {
        self.active.as_ref()?.gates.as_ref()
    }
}

impl Drop for RequestContext {
    /// Ends the watch of a request whose log the host has not written.
    fn drop(&mut self) {
        let watch = self.pending.take().and_then(|pending| pending.watch);
        if let Some((watch, gates)) = watch.zip(self.gates()) {
            gates.end_watch(watch);
        }
    }
}

/// The upload of a request with a body.
fn upload(context: u32, block: &HeaderBlock, end_of_stream: bool) -> Option<Upload> {
    if end_of_stream {
        return None;
    }
    let length = block.pairs().find(|(name, _)| *name == b"content-length").map(|(_, value)| value);
    let content_length = length
        .and_then(|value| core::str::from_utf8(value).ok())
        .and_then(|text| text.parse().ok());
    Some(Upload { context, content_length })
}
