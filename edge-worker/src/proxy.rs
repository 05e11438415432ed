//! Sending a request to its target: the arm, the shadow, the fallback to the baseline.

use std::rc::Rc;

use serin_core::gate::{Exposure, Outcome};
use serin_core::plan::{Rollout, RolloutId, Trial};
use serin_core::spec::Compare;
use serin_core::{Decision, RolloutDecision};
use wasm_bindgen::JsValue;
use worker::{Context, Env};

use crate::actions::{self, DecidedFields, OutgoingRequest};
use crate::active_plan::ActivePlan;
use crate::cache;
use crate::endpoints;
use crate::host::{self, Attempt, PendingMirror, Request, Response, WatchedBody};
use crate::isolate::Isolate;
use crate::request_head::RequestHead;
use crate::settings::Target;
use crate::shadow::{self, ComparedResponse, CopyMode, InFlightSlot};

/// A request in the Worker, with its surroundings.
pub(crate) struct Exchange<'e> {
    pub(crate) isolate: &'e Rc<Isolate>,
    pub(crate) env: &'e Env,
    pub(crate) context: &'e Context,
    pub(crate) head: &'e RequestHead,
    /// The time when the request arrived, in ms since 1970.
    pub(crate) now: u64,
}

/// A decision, with the plan that it was made by.
#[derive(Clone, Copy)]
pub(crate) struct PlanDecision<'d> {
    pub(crate) active: &'d Rc<ActivePlan>,
    pub(crate) decision: &'d Decision,
    /// `Some` if the outcome is counted in a trial.
    pub(crate) exposure: Option<Exposure>,
    /// Whether the response may be stored.
    pub(crate) is_cached: bool,
    /// The value of the field with the ids that were minted for the request.
    pub(crate) ids: Option<&'d str>,
}

impl<'d> PlanDecision<'d> {
    fn fields(self) -> DecidedFields<'d> {
        DecidedFields { plan: &self.active.plan, decision: self.decision, ids: self.ids }
    }
}

/// Why there is no response from a target.
enum TargetError {
    /// The settings have no address of the target, or its service is not bound.
    Unmapped(String),
    /// The target could not be reached, with a reason for people.
    Unreachable(String),
    /// The client has broken off its upload.
    ClientLeft,
}

/// Sends a request that belongs to no rollout: to the baseline of the settings.
pub(crate) async fn pass_through(
    exchange: &Exchange<'_>,
    request: &Request,
    decided: Option<PlanDecision<'_>>,
) -> Response {
    let target = exchange.isolate.settings.baseline();
    let fields = decided.map(PlanDecision::fields);
    let outgoing = actions::outgoing(exchange.head, fields, None, target);
    match send(exchange, request, target, &outgoing).await {
        Ok(response) => response,
        Err(error) => bad_gateway(&error, "baseline"),
    }
}

/// Sends a decided request to its arm, with a copy to the shadow. If the arm cannot be reached, the request goes to
/// the baseline where the spec allows it.
pub(crate) async fn respond(
    exchange: &Exchange<'_>,
    request: &Request,
    decided: PlanDecision<'_>,
) -> Response {
    let PlanDecision { active, decision, .. } = decided;
    let rollout = decision.rollout().and_then(|of| Some((of, active.plan.rollout(of.rollout)?)));
    let Some((chosen, rollout)) = rollout else {
        return pass_through(exchange, request, Some(decided)).await;
    };
    let shadow = send_copy(exchange, request, decided, rollout, chosen);
    // A body that is compared or stored is read as it is, not in its compressed form.
    let is_read = shadow.as_ref().is_some_and(|shadow| shadow.compare == Compare::Body);
    let watches_body = !is_read && !decided.is_cached;
    let result = send_to_arm(exchange, request, decided, rollout, chosen, watches_body).await;
    let result = match result {
        Ok(response) => Ok(response),
        Err(error) => fall_back(exchange, request, decided, rollout, chosen, error).await,
    };
    let arm = arm_name(rollout, chosen);
    let response = result.unwrap_or_else(|error| bad_gateway(&error, arm));
    if let Some(shadow) = shadow {
        shadow.compare_later(exchange, &response);
    }
    response
}

/// [`respond`], with the cache: a stored response is returned, and a storable one is stored.
pub(crate) async fn respond_cached(
    exchange: &Exchange<'_>,
    request: &Request,
    decided: PlanDecision<'_>,
    key: String,
) -> Response {
    let counters = &exchange.isolate.counters;
    if let Some(response) = host::cache_get(&key).await {
        counters.cache_hits.increment();
        return response;
    }
    counters.cache_misses.increment();
    let response = respond(exchange, request, decided).await;
    let field = |name: &str| host::response_field(&response, name);
    let (has_set_cookie, vary) = (field("set-cookie").is_some(), field("vary"));
    if cache::is_storable(response.status(), has_set_cookie, vary.as_deref())
        && let Ok(copy) = Response::clone(&response)
    {
        exchange.context.wait_until(async move {
            // The cache refuses a response that forbids storing: no failure.
            let _ = host::cache_put(&key, &copy).await;
        });
    }
    response
}

async fn send_to_arm(
    exchange: &Exchange<'_>,
    request: &Request,
    decided: PlanDecision<'_>,
    rollout: &Rollout,
    chosen: &RolloutDecision,
    watches_body: bool,
) -> Result<Response, TargetError> {
    let name = rollout.arm(chosen.arm).map_or("", |arm| arm.target());
    let Some(target) = exchange.isolate.settings.target(name) else {
        return Err(TargetError::Unmapped(name.to_owned()));
    };
    let PlanDecision { active, exposure, .. } = decided;
    let outgoing = actions::outgoing(exchange.head, Some(decided.fields()), None, Some(target));
    match exposure.zip(rollout.trial()).filter(|_| exchange.isolate.has_judge) {
        Some((exposure, trial)) => {
            let observed = ObservedRequest { exchange, request, active, exposure, trial };
            observed.send(target, &outgoing, watches_body).await
        }
        None => send(exchange, request, Some(target), &outgoing).await,
    }
}

/// The outcome of a request without a response.
const FAILED: Outcome = Outcome { status: 0, failed: true, micros: None, kpi_header: false };

/// A request whose outcome is counted in a trial.
struct ObservedRequest<'r> {
    exchange: &'r Exchange<'r>,
    request: &'r Request,
    active: &'r Rc<ActivePlan>,
    exposure: Exposure,
    trial: &'r Trial,
}

impl ObservedRequest<'_> {
    /// Sends the request and counts its outcome once: at the time limit, at an error, or at the end of the response.
    /// A client that breaks off its upload is no outcome of the arm.
    async fn send(
        &self,
        target: &Target,
        outgoing: &OutgoingRequest,
        watches_body: bool,
    ) -> Result<Response, TargetError> {
        let Exchange { env, context, .. } = *self.exchange;
        let service = service(env, Some(target))?;
        let wire = (outgoing.url.as_deref(), outgoing.changes.as_str());
        let limit = u32::try_from(self.trial.timeout_ms()).unwrap_or(u32::MAX);
        let started = Attempt::start(&service, self.request, wire, limit, watches_body, context);
        let attempt = started.map_err(|thrown| unreachable(&thrown))?;
        let result = match attempt.header().await {
            Ok(Some(response)) => reachable(response),
            Ok(None) => return self.wait_for_late(&attempt).await,
            Err(thrown) => Err(self.error(&attempt, &thrown)),
        };
        match result {
            Ok(response) => Ok(self.count_response(response, &attempt, limit, watches_body)),
            Err(error) => {
                if !matches!(error, TargetError::ClientLeft) {
                    self.record(FAILED);
                }
                Err(error)
            }
        }
    }

    /// Counts a request whose time limit is over as failed, and waits for its response.
    async fn wait_for_late(&self, attempt: &Attempt) -> Result<Response, TargetError> {
        self.exchange.isolate.counters.timeouts.increment();
        self.record(FAILED);
        let response = attempt.response().await;
        reachable(response.map_err(|thrown| self.error(attempt, &thrown))?)
    }

    fn error(&self, attempt: &Attempt, thrown: &host::Thrown) -> TargetError {
        if attempt.is_upload_broken() {
            self.exchange.isolate.counters.uploads_broken.increment();
            return TargetError::ClientLeft;
        }
        unreachable(thrown)
    }

    /// Counts the outcome of a response: at its end if its body is watched, else now.
    fn count_response(
        &self,
        response: Response,
        attempt: &Attempt,
        limit: u32,
        watches_body: bool,
    ) -> Response {
        let Exchange { isolate, env, context, .. } = *self.exchange;
        let kpi = self.trial.kpi_header();
        let outcome = Outcome {
            status: response.status(),
            failed: false,
            micros: attempt.ms().map(|ms| ms.saturating_mul(1000)),
            kpi_header: kpi.is_some_and(|name| host::response_field(&response, name).is_some()),
        };
        let watch =
            if watches_body { WatchedBody::new(&response, self.request, limit) } else { None };
        let Some(watch) = watch else {
            self.record(outcome);
            return response;
        };
        let response = watch.response();
        let (isolate, env, active) = (Rc::clone(isolate), env.clone(), Rc::clone(self.active));
        let exposure = self.exposure;
        context.wait_until(async move {
            let failed = watch.breaks_off().await;
            if failed {
                isolate.counters.bodies_broken.increment();
            }
            let outcome = Outcome { failed, ..outcome };
            if let Some(flush) = isolate.record(&env, &active, &exposure, &outcome) {
                flush.send_later().await;
            }
        });
        response
    }

    /// Counts the outcome. The batch is sent after the response.
    fn record(&self, outcome: Outcome) {
        let Exchange { isolate, env, context, .. } = *self.exchange;
        if let Some(flush) = isolate.record(env, self.active, &self.exposure, &outcome) {
            context.wait_until(flush.send_later());
        }
    }
}

/// Sends a request to the baseline after an error of its arm: if the arm has no address, or if the spec says so and
/// the request may be sent twice. Else returns the error.
async fn fall_back(
    exchange: &Exchange<'_>,
    request: &Request,
    decided: PlanDecision<'_>,
    rollout: &Rollout,
    chosen: &RolloutDecision,
    error: TargetError,
) -> Result<Response, TargetError> {
    let counters = &exchange.isolate.counters;
    let may_fall_back = match &error {
        TargetError::Unmapped(target) => {
            counters.unmapped.increment();
            host::log("error", &format!("serin: SERIN_TARGETS has no target {target}"));
            true
        }
        TargetError::Unreachable(why) => {
            counters.unreachable.increment();
            let (name, arm) = (rollout.name(), arm_name(rollout, chosen));
            let text = format!("serin: rollout {name}: the arm {arm} could not be reached: {why}");
            host::log("warn", &text);
            rollout.falls_back() && exchange.head.is_repeatable() && !host::has_body(request)
        }
        TargetError::ClientLeft => false,
    };
    let Some(baseline) = rollout.arm(rollout.baseline()) else { return Err(error) };
    if !may_fall_back || chosen.arm == rollout.baseline() {
        return Err(error);
    }
    let Some(target) = exchange.isolate.settings.target(baseline.target()) else {
        return Err(error);
    };
    counters.fallbacks.increment();
    let fields = Some(decided.fields());
    let outgoing = actions::outgoing(exchange.head, fields, Some(baseline.name()), Some(target));
    send(exchange, request, Some(target), &outgoing).await
}

async fn send(
    exchange: &Exchange<'_>,
    request: &Request,
    target: Option<&Target>,
    outgoing: &OutgoingRequest,
) -> Result<Response, TargetError> {
    let service = service(exchange.env, target)?;
    let (url, changes) = (outgoing.url.as_deref(), outgoing.changes.as_str());
    let response = host::forward(&service, request, url, changes).await;
    reachable(response.map_err(|thrown| unreachable(&thrown))?)
}

fn unreachable(thrown: &host::Thrown) -> TargetError {
    TargetError::Unreachable(host::thrown_message(thrown))
}

/// The response, unless it is Cloudflare's own for an origin that it cannot connect to.
fn reachable(response: Response) -> Result<Response, TargetError> {
    match response.status() {
        status @ (521..=523) => Err(TargetError::Unreachable(format!("status {status}"))),
        _ => Ok(response),
    }
}

/// The service's binding; undefined for an origin.
fn service(env: &Env, target: Option<&Target>) -> Result<JsValue, TargetError> {
    let Some(Target::Service(name)) = target else { return Ok(JsValue::UNDEFINED) };
    let service = host::binding(env, name);
    if service.is_undefined() { Err(TargetError::Unmapped(name.clone())) } else { Ok(service) }
}

/// The response for a request whose target has not responded.
fn bad_gateway(error: &TargetError, arm: &str) -> Response {
    let reason = match error {
        TargetError::Unmapped(_) => "target-unmapped",
        TargetError::Unreachable(_) => "target-unreachable",
        TargetError::ClientLeft => "client-left",
    };
    error_response(&format!("{reason}; arm={arm}"))
}

/// The response after a fault for a request that has been sent and must not be sent twice.
pub(crate) fn fault_response() -> Response {
    error_response("fault")
}

fn error_response(reason: &str) -> Response {
    let mut fields = String::new();
    endpoints::push_field(&mut fields, "x-serin-error", reason);
    endpoints::push_field(&mut fields, "cache-control", "no-store");
    endpoints::push_field(&mut fields, "content-type", "text/plain; charset=utf-8");
    host::respond(502, &fields, "502: the target of this request is out of reach\n")
}

/// The name of the decided arm.
fn arm_name<'r>(rollout: &'r Rollout, chosen: &RolloutDecision) -> &'r str {
    rollout.arm(chosen.arm).map_or("", |arm| arm.name())
}

/// A copy of a request in flight to the shadow arm.
struct ShadowCopy {
    active: Rc<ActivePlan>,
    rollout: RolloutId,
    slot: InFlightSlot,
    compare: Compare,
    mirror: PendingMirror,
}

/// Sends a copy of the request, if the decision has a shadow and the request can be copied.
fn send_copy(
    exchange: &Exchange<'_>,
    request: &Request,
    decided: PlanDecision<'_>,
    rollout: &Rollout,
    chosen: &RolloutDecision,
) -> Option<ShadowCopy> {
    let active = decided.active;
    let arm = rollout.arm(chosen.shadow?)?;
    let settings = &exchange.isolate.settings;
    let counters = &active.rollouts.get(chosen.rollout.index())?.shadow;
    let shadow = rollout.shadow()?;
    let target = settings.target(arm.target())?;
    let service = service(exchange.env, Some(target)).ok()?;
    let has_body = host::has_body(request);
    let mode = shadow::copy_mode(exchange.head, has_body, settings.max_shadow_body);
    let deadline = exchange.now.saturating_add(u64::from(settings.shadow_timeout_ms));
    let acquire = || {
        let mut in_flight = counters.in_flight.try_borrow_mut().ok()?;
        in_flight.acquire(exchange.now, deadline, shadow.max_in_flight())
    };
    let slot = if mode == CopyMode::Impossible { None } else { acquire() };
    let Some(slot) = slot else {
        counters.skipped.increment();
        return None;
    };
    counters.sent.increment();
    let outgoing = actions::outgoing(exchange.head, Some(decided.fields()), None, Some(target));
    let is_buffered = mode == CopyMode::Buffered;
    let OutgoingRequest { url, changes } = outgoing;
    let changes = changes.as_str();
    let timeout = settings.shadow_timeout_ms;
    let mirror =
        host::mirror(&service, request, url.as_deref(), changes, is_buffered, timeout).ok()?;
    let (active, rollout) = (Rc::clone(active), chosen.rollout);
    Some(ShadowCopy { active, rollout, slot, compare: shadow.compare(), mirror })
}

impl ShadowCopy {
    /// Compares the shadow's response with the arm's, after the client has got its response.
    fn compare_later(self, exchange: &Exchange<'_>, response: &Response) {
        let status = response.status();
        let is_upgrade = status == 101;
        let copy = if self.compare == Compare::Body && !is_upgrade {
            Response::clone(response).ok()
        } else {
            None
        };
        let (isolate, env) = (Rc::clone(exchange.isolate), exchange.env.clone());
        exchange.context.wait_until(async move {
            let ShadowCopy { active, rollout, slot, compare, mirror } = self;
            let Some(counters) = active.rollouts.get(rollout.index()).map(|of| &of.shadow) else {
                return;
            };
            let primary = match &copy {
                Some(copy) => host::body_digest(copy).await.ok(),
                None => None,
            };
            let primary = ComparedResponse { status, digest: primary };
            let mut flush = None;
            match shadow_response(mirror, copy.is_some()).await {
                Ok(shadow) if compare != Compare::Nothing => {
                    counters.compared.increment();
                    let differs = shadow != primary;
                    if differs {
                        counters.diverged.increment();
                    }
                    flush = isolate.record_shadow(&env, &active, rollout, differs);
                }
                Ok(_) => {}
                Err(_) => counters.failed.increment(),
            }
            if let Ok(mut in_flight) = counters.in_flight.try_borrow_mut() {
                in_flight.release(slot);
            }
            if let Some(flush) = flush {
                flush.send_later().await;
            }
        });
    }
}

async fn shadow_response(
    mirror: PendingMirror,
    with_body: bool,
) -> Result<ComparedResponse, host::Thrown> {
    let response = mirror.response().await?;
    let status = response.status();
    if with_body {
        return Ok(ComparedResponse { status, digest: Some(host::body_digest(&response).await?) });
    }
    host::discard(&response).await;
    Ok(ComparedResponse { status, digest: None })
}
