//! A request to its target and the answer back.

use std::rc::Rc;

use serin_core::gate::Exposure;
use serin_core::plan::{Rollout, RolloutId};
use serin_core::spec::Compare;
use serin_core::{Decision, RolloutDecision};
use wasm_bindgen::JsValue;
use worker::{Context, Env};

use crate::actions::{self, Outgoing};
use crate::active::Active;
use crate::cache;
use crate::endpoints;
use crate::head::Head;
use crate::host::{self, Mirrored, Request, Response};
use crate::isolate::Isolate;
use crate::settings::Target;
use crate::shadow::{self, Answer, Place};

/// What a request carries through the Worker.
pub(crate) struct Exchange<'e> {
    pub(crate) isolate: &'e Rc<Isolate>,
    pub(crate) env: &'e Env,
    pub(crate) context: &'e Context,
    pub(crate) head: &'e Head,
    pub(crate) now: u64,
}

/// A plan and what it decided.
#[derive(Clone, Copy)]
pub(crate) struct Decided<'d> {
    pub(crate) active: &'d Rc<Active>,
    pub(crate) decision: &'d Decision,
    /// What gates want of the outcome.
    pub(crate) probe: Option<Exposure>,
}

/// Why there is no answer from a target.
enum Lost {
    /// The settings don't say where the target is.
    Unmapped(String),
    /// It could not be reached.
    Unreachable(String),
}

/// A request that belongs to no rollout.
pub(crate) async fn pass(
    exchange: &Exchange<'_>,
    request: &Request,
    decided: Option<Decided<'_>>,
) -> Response {
    let target = exchange.isolate.settings.baseline();
    let plan = decided.map(|of| (&of.active.plan, of.decision));
    let outgoing = actions::outgoing(exchange.head, plan, None, target);
    match send(exchange, request, target, &outgoing).await {
        Ok(response) => response,
        Err(lost) => exchange.bad_gateway(&lost, "baseline"),
    }
}

/// A request that was decided: to its arm, with a copy to the shadow, and to the baseline if the arm
/// can't be reached and the spec allows it.
pub(crate) async fn decided(
    exchange: &Exchange<'_>,
    request: &Request,
    decided: Decided<'_>,
) -> Response {
    let Decided { active, decision, probe } = decided;
    let rollout = decision.rollout().and_then(|of| Some((of, active.plan.rollout(of.rollout)?)));
    let Some((chosen, rollout)) = rollout else {
        return pass(exchange, request, Some(decided)).await;
    };
    let shadow = shadow(exchange, request, decided, rollout, chosen);
    let began = probe.map(|_| host::now_ms());
    let answered = to_arm(exchange, request, decided, rollout, chosen).await;
    // That the settings lack a target says nothing of the arm.
    let said = !matches!(answered, Err(Lost::Unmapped(_)));
    if let Some((probe, began)) = probe.zip(began).filter(|_| said) {
        exchange.record(active, &probe, answered.as_ref().ok(), began);
    }
    let outcome = match answered {
        Ok(response) => Ok(response),
        Err(lost) => fall_back(exchange, request, decided, rollout, chosen, lost).await,
    };
    let arm = rollout.arm(chosen.arm).map_or("", |arm| arm.name());
    let response = outcome.unwrap_or_else(|lost| exchange.bad_gateway(&lost, arm));
    if let Some(shadow) = shadow {
        shadow.follow(exchange, &response);
    }
    response
}

/// As [`decided`], asking the cache first.
pub(crate) async fn cached(
    exchange: &Exchange<'_>,
    request: &Request,
    of: Decided<'_>,
    key: String,
) -> Response {
    let counters = &exchange.isolate.counters;
    if let Some(response) = host::cached(&key).await {
        counters.cache_hits.increment();
        return response;
    }
    counters.cache_misses.increment();
    let response = decided(exchange, request, of).await;
    let field = |name: &str| host::response_field(&response, name);
    let (set_cookie, vary) = (field("set-cookie").is_some(), field("vary"));
    if cache::may_keep(response.status(), set_cookie, vary.as_deref())
        && let Ok(copy) = Response::clone(&response)
    {
        exchange.context.wait_until(async move {
            // An answer that says it may not be kept is refused here, and that is all.
            let _ = host::keep(&key, &copy).await;
        });
    }
    response
}

async fn to_arm(
    exchange: &Exchange<'_>,
    request: &Request,
    Decided { active, decision, .. }: Decided<'_>,
    rollout: &Rollout,
    chosen: &RolloutDecision,
) -> Result<Response, Lost> {
    let name = rollout.arm(chosen.arm).map_or("", |arm| arm.target());
    let Some(target) = exchange.isolate.settings.target(name) else {
        return Err(Lost::Unmapped(name.to_owned()));
    };
    let plan = Some((&active.plan, decision));
    let outgoing = actions::outgoing(exchange.head, plan, None, Some(target));
    send(exchange, request, Some(target), &outgoing).await
}

/// One more try, on the baseline: when the arm is not mapped at all, or when the spec says so and
/// nothing of the request has been used up.
async fn fall_back(
    exchange: &Exchange<'_>,
    request: &Request,
    Decided { active, decision, .. }: Decided<'_>,
    rollout: &Rollout,
    chosen: &RolloutDecision,
    lost: Lost,
) -> Result<Response, Lost> {
    let counters = &exchange.isolate.counters;
    let may = match &lost {
        Lost::Unmapped(target) => {
            counters.unmapped.increment();
            host::log("error", &format!("serin: SERIN_TARGETS has no target {target}"));
            true
        }
        Lost::Unreachable(why) => {
            counters.unreachable.increment();
            host::log(
                "warn",
                &format!("serin: an arm of {} is out of reach: {why}", rollout.name()),
            );
            rollout.falls_back() && exchange.head.is_repeatable() && !host::has_body(request)
        }
    };
    let Some(baseline) = rollout.arm(rollout.baseline()) else { return Err(lost) };
    if !may || chosen.arm == rollout.baseline() {
        return Err(lost);
    }
    let Some(target) = exchange.isolate.settings.target(baseline.target()) else {
        return Err(lost);
    };
    counters.fallbacks.increment();
    let plan = Some((&active.plan, decision));
    let outgoing = actions::outgoing(exchange.head, plan, Some(baseline.name()), Some(target));
    send(exchange, request, Some(target), &outgoing).await
}

async fn send(
    exchange: &Exchange<'_>,
    request: &Request,
    target: Option<&Target>,
    outgoing: &Outgoing,
) -> Result<Response, Lost> {
    let unreachable = |thrown: host::Thrown| Lost::Unreachable(host::why(&thrown));
    let service = service(exchange.env, target)?;
    let (url, changes) = (outgoing.url.as_deref(), outgoing.changes.as_str());
    let response = host::forward(&service, request, url, changes).await.map_err(unreachable)?;
    // Cloudflare's own answers for an origin that it could not connect to.
    match response.status() {
        status @ (521..=523) => Err(Lost::Unreachable(format!("status {status}"))),
        _ => Ok(response),
    }
}

/// The service's binding; undefined for an origin.
fn service(env: &Env, target: Option<&Target>) -> Result<JsValue, Lost> {
    let Some(Target::Service(name)) = target else { return Ok(JsValue::UNDEFINED) };
    let service = host::binding(env, name);
    if service.is_undefined() { Err(Lost::Unmapped(name.clone())) } else { Ok(service) }
}

impl Exchange<'_> {
    fn bad_gateway(&self, lost: &Lost, arm: &str) -> Response {
        let reason = match lost {
            Lost::Unmapped(_) => "target-unmapped",
            Lost::Unreachable(_) => "target-unreachable",
        };
        Exchange::no_answer(&format!("{reason}; arm={arm}"))
    }

    /// A request that a fault caught behind its sending, and that must not be sent twice.
    pub(crate) fn lost(&self) -> Response {
        Exchange::no_answer("fault")
    }

    fn no_answer(reason: &str) -> Response {
        let mut fields = String::new();
        endpoints::line(&mut fields, "x-serin-error", reason);
        endpoints::line(&mut fields, "cache-control", "no-store");
        endpoints::line(&mut fields, "content-type", "text/plain; charset=utf-8");
        host::respond(502, &fields, "502: the target of this request is out of reach\n")
    }
}

/// A copy of the request on its way to the shadow arm.
struct Shadow {
    active: Rc<Active>,
    rollout: RolloutId,
    place: Place,
    compare: Compare,
    mirrored: Mirrored,
}

fn shadow(
    exchange: &Exchange<'_>,
    request: &Request,
    Decided { active, decision, .. }: Decided<'_>,
    rollout: &Rollout,
    chosen: &RolloutDecision,
) -> Option<Shadow> {
    let arm = rollout.arm(chosen.shadow?)?;
    let settings = &exchange.isolate.settings;
    let counters = &active.rollouts.get(chosen.rollout.index())?.shadow;
    let of = rollout.shadow()?;
    let target = settings.target(arm.target())?;
    let service = service(exchange.env, Some(target)).ok()?;
    let copy = shadow::copy(exchange.head, host::has_body(request), settings.shadow_body);
    let deadline = exchange.now.saturating_add(u64::from(settings.shadow_timeout));
    let enter = || {
        let mut in_flight = counters.in_flight.try_borrow_mut().ok()?;
        in_flight.enter(exchange.now, deadline, of.max_in_flight())
    };
    let place = if copy == shadow::Copy::None { None } else { enter() };
    let Some(place) = place else {
        counters.skipped.increment();
        return None;
    };
    counters.sent.increment();
    let plan = Some((&active.plan, decision));
    let outgoing = actions::outgoing(exchange.head, plan, None, Some(target));
    let buffered = copy == shadow::Copy::Buffered;
    let Outgoing { url, changes } = outgoing;
    let changes = changes.as_str();
    let timeout = settings.shadow_timeout;
    let mirrored =
        host::mirror(&service, request, url.as_deref(), changes, buffered, timeout).ok()?;
    let (active, rollout) = (Rc::clone(active), chosen.rollout);
    Some(Shadow { active, rollout, place, compare: of.compare(), mirrored })
}

impl Shadow {
    /// Waits for the shadow's answer behind the client's, and compares the two.
    fn follow(self, exchange: &Exchange<'_>, response: &Response) {
        let status = response.status();
        let is_upgrade = status == 101;
        let copy = if self.compare == Compare::Body && !is_upgrade {
            Response::clone(response).ok()
        } else {
            None
        };
        let (isolate, env) = (Rc::clone(exchange.isolate), exchange.env.clone());
        exchange.context.wait_until(async move {
            let Shadow { active, rollout, place, compare, mirrored } = self;
            let Some(counters) = active.rollouts.get(rollout.index()).map(|of| &of.shadow) else {
                return;
            };
            let primary = match &copy {
                Some(copy) => host::digest(copy).await.ok(),
                None => None,
            };
            let primary = Answer { status, digest: primary };
            let mut flush = None;
            match answer(mirrored, copy.is_some()).await {
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
                in_flight.end_step(place);
            }
            if let Some(flush) = flush {
                flush.later().await;
            }
        });
    }
}

async fn answer(mirrored: Mirrored, with_body: bool) -> Result<Answer, host::Thrown> {
    let response = mirrored.answer().await?;
    let status = response.status();
    if with_body {
        return Ok(Answer { status, digest: Some(host::digest(&response).await?) });
    }
    host::discard(&response).await;
    Ok(Answer { status, digest: None })
}
