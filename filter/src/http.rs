//! One request's callbacks.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use serin_core::gate::Probe;
use serin_core::{Facts, decide, headers};

use crate::active::Active;
use crate::facts::Envoy;
use crate::shadow::{Copy, Pair};
use crate::{actions, host};

/// The state of one request.
pub(crate) struct Http {
    active: Option<Rc<Active>>,
    /// For ids minted on this request; request facts are gone when the response comes.
    set_cookies: Vec<String>,
    /// The decision, for a tester whose token asks for it.
    told: Option<String>,
    /// What the outcome is waited for; behind a pointer, because most requests have none.
    awaited: Option<Box<Awaited>>,
}

/// What is done once the outcome is known.
struct Awaited {
    /// It is counted, if it says something of a trial.
    probe: Option<Probe>,
    /// It is compared with the shadow's.
    pair: Option<Rc<Pair>>,
}

impl Http {
    pub(crate) fn new(active: Option<Rc<Active>>) -> Http {
        Http { active, set_cookies: Vec::new(), told: None, awaited: None }
    }
}

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _count: usize, ended: bool) -> Action {
        let Some(block) = host::request_headers() else {
            return Action::Continue;
        };
        let Some(active) = &self.active else {
            actions::strip(&block, |_| false);
            return Action::Continue;
        };
        let active_latches =
            active.gates.as_ref().and_then(|gates| gates.active_latches(&active.plan));
        let mut envoy = Envoy { active, latches: active_latches.as_deref() };
        let facts = Facts::of_request(&active.plan, block.pairs(), &mut envoy);
        if let Some(overrides) = &active.overrides {
            overrides.count(facts.override_outcome());
        }
        let Ok(mut decision) = active.decision.try_borrow_mut() else {
            actions::strip(&block, |_| false);
            return Action::Continue;
        };
        decide(&active.plan, &facts, &mut decision);
        let probe = active.gates.as_ref().and_then(|_| decision.probe(&active.plan, &facts));
        let shadowed = decision.shadow(&active.plan).is_some();
        let copy = if shadowed {
            active.shadows.copy(active, &decision, &block, ended)
        } else {
            Copy::Mirrored
        };
        let mirrored = shadowed && matches!(copy, Copy::Mirrored);
        let pair = if let Copy::Sent(pair) = copy { pair } else { None };
        if probe.is_some() || pair.is_some() {
            self.awaited = Some(Box::new(Awaited { probe, pair }));
        }
        self.set_cookies = decision.set_cookies(&active.plan, &facts);
        let told = facts.wants_decision();
        self.told = actions::apply(active, &decision, &block, told, mirrored).filter(|_| told);
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        for cookie in self.set_cookies.drain(..) {
            host::add_response_header("set-cookie", &cookie);
        }
        if let Some(record) = self.told.take() {
            host::set_response_header(headers::DECISION, &record);
        }
        Action::Continue
    }

    fn on_log(&mut self) {
        let Some(awaited) = self.awaited.take() else { return };
        if let Some(pair) = awaited.pair {
            pair.log();
        }
        let Some(active) = &self.active else { return };
        if let (Some(gates), Some(probe)) = (&active.gates, awaited.probe) {
            gates.record(&active.plan, &probe);
        }
    }
}
