//! One request's callbacks.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use serin_core::gate::Probe;
use serin_core::{decide, headers};

use crate::active::Active;
use crate::{actions, facts, host};

/// The state of one request.
pub(crate) struct Http {
    active: Option<Rc<Active>>,
    /// For ids minted on this request; request facts are gone when the response comes.
    set_cookies: Vec<String>,
    /// The decision, for a tester whose token asks for it.
    told: Option<String>,
    /// What the outcome is to be counted under, if it tells something of a trial.
    probe: Option<Probe>,
}

impl Http {
    pub(crate) fn new(active: Option<Rc<Active>>) -> Http {
        Http { active, set_cookies: Vec::new(), told: None, probe: None }
    }
}

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(block) = host::request_headers() else {
            return Action::Continue;
        };
        let Some(active) = &self.active else {
            actions::strip(&block, |_| false);
            return Action::Continue;
        };
        let standing = active.gates.as_ref().and_then(|gates| gates.standing(&active.plan));
        let mut facts = facts::gather(active, &block);
        if let Some(standing) = &standing {
            facts.set_standing(standing);
        }
        let Ok(mut decision) = active.decision.try_borrow_mut() else {
            actions::strip(&block, |_| false);
            return Action::Continue;
        };
        decide(&active.plan, &facts, &mut decision);
        if active.gates.is_some() {
            self.probe = decision.probe(&active.plan, &facts);
        }
        self.set_cookies = decision.set_cookies(&active.plan, &facts);
        let told = facts.wants_decision();
        self.told = actions::apply(active, &decision, &block, told).filter(|_| told);
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
        let Some(probe) = self.probe.take() else { return };
        let Some(active) = &self.active else { return };
        if let Some(gates) = &active.gates {
            gates.record(&active.plan, &probe);
        }
    }
}
