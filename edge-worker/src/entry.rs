//! The fetch event: one request, from its head to its answer.

use std::cell::RefCell;
use std::rc::Rc;

use serin_core::decide;
use wasm_bindgen::handler;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::head::Head;
use crate::host::{self, Context, Env, Request, Resolve, Response};
use crate::proxy::{self, Exchange};
use crate::refresh::Isolate;
use crate::{cache, facts, own, task};

thread_local! {
    static ISOLATE: RefCell<Option<Rc<Isolate>>> = const { RefCell::new(None) };
}

fn isolate(env: &Env, now: u64) -> Rc<Isolate> {
    ISOLATE.with_borrow_mut(|slot| {
        let isolate = slot.get_or_insert_with(|| Rc::new(Isolate::new(env, now)));
        Rc::clone(isolate)
    })
}

/// After a trap the next request finds a new instance.
#[wasm_bindgen(start)]
fn start() {
    handler::set_on_abort(handler::schedule_reinit);
}

/// The fetch event.
#[wasm_bindgen]
#[allow(unreachable_pub)]
pub fn fetch(request: Request, env: Env, context: Context, resolve: Resolve) {
    task::run(async move {
        resolve.answer(&answer(&request, &env, &context).await);
    });
}

/// The fetch event after a fault in [`fetch`]: to the baseline, without a decision.
#[wasm_bindgen]
#[allow(unreachable_pub)]
pub fn pass(request: Request, env: Env, context: Context, resolve: Resolve) {
    task::run(async move {
        let now = host::now_ms();
        let isolate = isolate(&env, now);
        let head = Head::new(host::head(&request));
        let (isolate, env, context) = (&isolate, &env, &context);
        let exchange = Exchange { isolate, env, context, head: &head, now };
        resolve.answer(&proxy::pass(&exchange, &request, None).await);
    });
}

async fn answer(request: &Request, env: &Env, context: &Context) -> Response {
    let now = host::now_ms();
    let isolate = isolate(env, now);
    let active = isolate.plan(env, context, now).await;
    let head = Head::new(host::head(request));
    let plan = active.as_ref().map(|active| &active.plan);
    if let Some(response) = own::answer(&isolate, plan, request, &head, now).await {
        return response;
    }
    isolate.counters.requests.increment();
    let exchange = Exchange { isolate: &isolate, env, context, head: &head, now };
    let Some(active) = active else {
        isolate.counters.without_plan.increment();
        return proxy::pass(&exchange, request, None).await;
    };
    let facts = facts::gather(&active.plan, &head, now, request);
    // Not kept across a wait: other requests of this isolate decide meanwhile.
    let decision = match active.decision.try_borrow_mut() {
        Ok(mut decision) => {
            decide(&active.plan, &facts, &mut decision);
            decision.clone()
        }
        Err(_) => return proxy::pass(&exchange, request, None).await,
    };
    if let Some(decided) = decision.rollout() {
        active.count(decided);
    }
    let mut fields = String::new();
    for cookie in decision.set_cookies(&active.plan, &facts) {
        own::line(&mut fields, "set-cookie", &cookie);
    }
    if isolate.settings.expose_decision {
        own::line(&mut fields, "serin-decision", &decision.record(&active.plan));
    }
    let key = isolate.settings.cache.then(|| cache::key(&head, &active.plan, &decision)).flatten();
    let response = match key {
        Some(key) => proxy::cached(&exchange, request, (&active, &decision), key).await,
        None => proxy::decided(&exchange, request, (&active, &decision)).await,
    };
    if fields.is_empty() { response } else { host::with_fields(&response, &fields) }
}
