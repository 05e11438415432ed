//! One request's callbacks.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext};
use proxy_wasm::types::Action;
use serin_core::decide;

use crate::active::Active;
use crate::{actions, facts, host};

/// The state of one request.
pub(crate) struct Http {
    active: Option<Rc<Active>>,
    /// For ids minted on this request; request facts are gone when the response comes.
    set_cookies: Vec<String>,
}

impl Http {
    pub(crate) fn new(active: Option<Rc<Active>>) -> Http {
        Http { active, set_cookies: Vec::new() }
    }
}

impl Context for Http {}

impl HttpContext for Http {
    fn on_http_request_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        let Some(headers) = host::request_headers() else {
            return Action::Continue;
        };
        let Some(active) = &self.active else {
            actions::strip(&headers, |_| false);
            return Action::Continue;
        };
        let facts = facts::gather(active, &headers);
        let Ok(mut decision) = active.decision.try_borrow_mut() else {
            actions::strip(&headers, |_| false);
            return Action::Continue;
        };
        decide(&active.plan, &facts, &mut decision);
        self.set_cookies = decision.set_cookies(&active.plan, &facts);
        actions::apply(active, &decision, &headers);
        Action::Continue
    }

    fn on_http_response_headers(&mut self, _count: usize, _end_of_stream: bool) -> Action {
        for cookie in self.set_cookies.drain(..) {
            host::add_response_header("set-cookie", &cookie);
        }
        Action::Continue
    }
}
