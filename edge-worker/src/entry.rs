//! The fetch event: the Worker's handling of one request.

use std::cell::RefCell;
use std::convert::Infallible;
use std::rc::Rc;

use serin_core::{Facts, decide, headers};
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen::{JsValue, handler};
use worker::{Context, Env, event, worker_sys};

use crate::actions::HeaderChanges;
use crate::facts::CloudflareHost;
use crate::host::{self, Request, Response};
use crate::isolate::Isolate;
use crate::proxy::{self, Exchange, PlanDecision};
use crate::request_head::RequestHead;
use crate::{actions, cache, endpoints};

thread_local! {
    static ISOLATE: RefCell<Option<Rc<Isolate>>> = const { RefCell::new(None) };
}

/// The state of this isolate. The first call creates it.
pub(crate) fn isolate(env: &Env, now: u64) -> Rc<Isolate> {
    ISOLATE.with_borrow_mut(|slot| {
        let isolate = slot.get_or_insert_with(|| Rc::new(Isolate::new(env, now)));
        Rc::clone(isolate)
    })
}

/// The fetch event.
#[event(fetch)]
async fn fetch(request: Request, env: Env, context: Context) -> Result<Response, Infallible> {
    handler::set_on_abort(on_abort);
    Ok(respond(&request, &env, &context).await)
}

/// Handles a trap. The instance can do nothing more than this one call of the host.
pub(crate) fn on_abort() {
    host::reject_pending_calls();
}

/// Handles a request after a fault in [`fetch`]: sends it to the baseline, without a decision.
///
/// # Errors
///
/// None. An exported `async fn` has to return this type.
#[wasm_bindgen(wasm_bindgen_futures = worker::wasm_bindgen_futures, js_sys = worker::js_sys)]
#[allow(unreachable_pub)]
pub async fn pass_through(
    request: Request,
    env: Env,
    context: worker_sys::Context,
) -> Result<Response, JsValue> {
    let now = host::now_ms();
    let context = Context::new(context);
    let isolate = isolate(&env, now);
    let head = RequestHead::new(host::request_head(&request));
    let exchange = Exchange { isolate: &isolate, env: &env, context: &context, head: &head, now };
    let may_repeat = head.is_repeatable() && !host::has_body(&request);
    if host::was_sent(&request) && !may_repeat {
        return Ok(proxy::fault_response());
    }
    Ok(proxy::pass_through(&exchange, &request, None).await)
}

async fn respond(request: &Request, env: &Env, context: &Context) -> Response {
    let now = host::now_ms();
    let isolate = isolate(env, now);
    let active = isolate.plan(env, context, now).await;
    let head = RequestHead::new(host::request_head(request));
    if let Some(response) =
        endpoints::respond((&isolate, env), active.as_deref(), request, &head, now).await
    {
        return response;
    }
    isolate.counters.requests.increment();
    let exchange = Exchange { isolate: &isolate, env, context, head: &head, now };
    let Some(active) = active else {
        isolate.counters.without_plan.increment();
        return proxy::pass_through(&exchange, request, None).await;
    };
    let claims = isolate.claims(&active, &head, now).await;
    let plan = &active.plan;
    let active_latches = active.active_latches();
    let mut edge = CloudflareHost {
        head: &head,
        clock: &isolate.clock,
        now,
        claims: &claims,
        latches: active_latches.as_deref(),
        override_keys: isolate.settings.override_keys.as_ref(),
        id_keys: isolate.settings.id_keys.as_ref(),
        platform: request,
    };
    let facts = Facts::of_request(plan, head.pairs(), &mut edge);
    isolate.counters.overrides.count(facts.override_outcome());
    // Cloned, because other requests of this isolate decide while this one awaits its target.
    let decision = match active.decision.try_borrow_mut() {
        Ok(mut decision) => {
            decide(&active.plan, &facts, &mut decision);
            decision.clone()
        }
        Err(_) => return proxy::pass_through(&exchange, request, None).await,
    };
    if let Some(decided) = decision.rollout() {
        active.count(decided);
    }
    let mut fields = String::new();
    let ids = facts.ids_header(plan);
    let cookies = decision.set_cookies(&active.plan, &facts);
    let is_made_private = !cookies.is_empty() && isolate.settings.makes_private;
    for cookie in cookies {
        endpoints::push_field(&mut fields, "set-cookie", &cookie);
    }
    if isolate.settings.expose_decision || facts.wants_decision() {
        let record = decision.response_record(&active.plan, decision.record(&active.plan));
        endpoints::push_field(&mut fields, headers::DECISION, &record);
    }
    let has_cache = isolate.settings.caches_responses;
    let key = has_cache.then(|| cache::key(&head, &active.plan, &decision)).flatten();
    let exposure = decision.exposure(plan, &facts).filter(|exposure| active.admits(exposure));
    let is_cached = key.is_some();
    let ids = ids.as_deref();
    let decided = PlanDecision { active: &active, decision: &decision, exposure, is_cached, ids };
    let response = match key {
        Some(key) => proxy::respond_cached(&exchange, request, decided, key).await,
        None => proxy::respond(&exchange, request, decided).await,
    };
    if fields.is_empty() {
        return response;
    }
    let changes = if is_made_private {
        actions::private(&host::response_fields(&response))
    } else {
        HeaderChanges::default()
    };
    host::with_fields(&response, changes.as_str(), &fields)
}
