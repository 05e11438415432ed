//! Copies of requests that the filter sends itself, to compare the shadow's response with the arm's.
//!
//! A router can mirror a request, but it discards the response to the copy. So the filter sends the copy of
//! a request that is safe to repeat and has no body, up to a limit of copies in flight. Reading the bodies of
//! all responses would cost every request of every plan. Where bodies are compared, the filter therefore
//! repeats the request to the arm as well, and compares the responses to its own two requests.

use core::cell::Cell;

use std::rc::Rc;

use serin_core::gate::Tally;
use serin_core::plan::RolloutId;
use serin_core::spec::Compare;
use serin_core::{Decision, Plan, digest, headers, is_reserved_header};

use crate::active_plan::ActivePlan;
use crate::host::{self, HeaderBlock, Level, Metric};
use crate::http_client::{self, Response};
use crate::outcome;

/// The time limit of a copy, in ms.
const TIMEOUT_MS: u32 = 5000;
/// The size of the largest body that is compared, in bytes.
const MAX_BODY_BYTES: usize = 256 << 10;
/// Methods that are safe to repeat (RFC 9110, section 9.2.1).
const SAFE_METHODS: [&[u8]; 3] = [b"GET", b"HEAD", b"OPTIONS"];
/// Header fields that belong to one connection (RFC 9110, section 7.6.1), and `expect`, which asks for a
/// body.
const NOT_COPIED: [&[u8]; 7] = [
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"transfer-encoding",
    b"upgrade",
    b"expect",
];

/// The shadows of a plan whose responses are compared.
pub(crate) struct ComparedShadows(Vec<Rc<ComparedShadow>>);

/// A rollout's shadow whose responses are compared.
struct ComparedShadow {
    rollout: RolloutId,
    compares_bodies: bool,
    max_in_flight: u32,
    in_flight: Cell<u32>,
    compared: Option<Metric>,
    diverged: Option<Metric>,
    dropped: Option<Metric>,
    /// The comparisons since the last tick, for the gate.
    tally: Cell<Tally>,
    /// Whether the log says already that the shadow's cluster is missing.
    missing_cluster_logged: Cell<bool>,
}

/// Who sends the copy of a request.
pub(crate) enum CopyHandling {
    /// The router, which mirrors requests that have the shadow's header field.
    Router,
    /// Nobody: the limit of copies in flight is reached.
    Dropped,
    /// The filter. A comparison is given if it still needs the response to the request itself.
    Filter(Option<Rc<Comparison>>),
}

impl ComparedShadows {
    pub(crate) fn new(plan: &Plan) -> ComparedShadows {
        let shadows = plan.rollouts().iter().filter_map(|rollout| {
            let shadow = rollout.shadow().filter(|shadow| shadow.compare() != Compare::Nothing)?;
            let name = rollout.name();
            let (id, _) = plan.arm_named(name, rollout.arm(shadow.arm())?.name())?;
            let counter = |event: &str| Metric::counter(&format!("serin.shadow.{name}.{event}"));
            Some(Rc::new(ComparedShadow {
                rollout: id,
                compares_bodies: shadow.compare() == Compare::Body,
                max_in_flight: shadow.max_in_flight(),
                in_flight: Cell::new(0),
                compared: counter("compared"),
                diverged: counter("diverged"),
                dropped: counter("dropped"),
                tally: Cell::default(),
                missing_cluster_logged: Cell::new(false),
            }))
        });
        ComparedShadows(shadows.collect())
    }

    /// Takes the tally of a rollout's comparisons since the last call.
    pub(crate) fn take(&self, rollout: RolloutId) -> Tally {
        let shadow = self.0.iter().find(|shadow| shadow.rollout == rollout);
        shadow.map(|shadow| shadow.tally.take()).unwrap_or_default()
    }

    /// Sends the copy of a request that has a shadow, unless the router has to mirror it.
    pub(crate) fn copy(
        &self,
        active: &ActivePlan,
        decision: &Decision,
        ids: Option<&str>,
        block: &HeaderBlock,
        end_of_stream: bool,
    ) -> CopyHandling {
        let plan = &active.plan;
        let decided = decision.rollout();
        let shadow =
            self.0.iter().find(|shadow| decided.is_some_and(|to| to.rollout == shadow.rollout));
        let (Some(shadow), Some(decided)) = (shadow, decided) else { return CopyHandling::Router };
        let arm = plan.rollout(decided.rollout).and_then(|rollout| rollout.arm(decided.arm));
        let (Some(arm), Some(shadow_arm)) = (arm, decision.shadow(plan)) else {
            return CopyHandling::Router;
        };
        if !end_of_stream || !is_repeatable(block) {
            return CopyHandling::Router;
        }
        let Some(slot) = InFlightSlot::acquire(shadow) else {
            increment(shadow.dropped);
            return CopyHandling::Dropped;
        };
        let request = RequestCopy::new(plan, decision, ids, block);
        let comparison = Rc::new(Comparison {
            shadow: Rc::clone(shadow),
            primary_response: Cell::default(),
            shadow_response: Cell::default(),
        });
        let slot = Rc::new(slot);
        let pending = Rc::clone(&comparison);
        let (with_body, held_slot) = (shadow.compares_bodies, Rc::clone(&slot));
        let sent = request.send(shadow_arm.target(), move |response| {
            drop(held_slot);
            pending.shadow_response.set(Some(ComparedResponse::new(response, with_body)));
            pending.finish();
        });
        if !sent {
            comparison.clear();
            if !shadow.missing_cluster_logged.replace(true) {
                let target = shadow_arm.target();
                let text = format!("shadow: there is no cluster {target}, so nothing is compared");
                host::log(Level::Warn, &text);
            }
            return CopyHandling::Router;
        }
        if !shadow.compares_bodies {
            return CopyHandling::Filter(Some(comparison));
        }
        let pending = Rc::clone(&comparison);
        request.send(arm.target(), move |response| {
            drop(slot);
            pending.primary_response.set(Some(ComparedResponse::new(response, true)));
            pending.finish();
        });
        CopyHandling::Filter(None)
    }
}

/// Whether a request has a safe method and is no upgrade.
fn is_repeatable(block: &HeaderBlock) -> bool {
    let mut is_safe = false;
    for (name, value) in block.pairs() {
        is_safe |= name == b":method" && SAFE_METHODS.contains(&value);
        if name.eq_ignore_ascii_case(b"upgrade") {
            return false;
        }
    }
    is_safe
}

fn increment(metric: Option<Metric>) {
    if let Some(metric) = metric {
        metric.increment();
    }
}

/// One of the copies that may be in flight at once. Dropping it makes room for another one.
struct InFlightSlot(Rc<ComparedShadow>);

impl InFlightSlot {
    fn acquire(shadow: &Rc<ComparedShadow>) -> Option<InFlightSlot> {
        let in_flight = shadow.in_flight.get();
        (in_flight < shadow.max_in_flight).then(|| {
            shadow.in_flight.set(in_flight.saturating_add(1));
            InFlightSlot(Rc::clone(shadow))
        })
    }
}

impl Drop for InFlightSlot {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get().saturating_sub(1));
    }
}

/// The header of a request as the upstream receives it, for a request of the filter's own.
struct RequestCopy<'a> {
    /// The client's fields.
    received: Vec<(&'a [u8], &'a [u8])>,
    /// The decision's fields.
    added: Vec<(&'static str, String)>,
}

impl<'a> RequestCopy<'a> {
    fn new(
        plan: &Plan,
        decision: &Decision,
        ids: Option<&str>,
        block: &'a HeaderBlock,
    ) -> RequestCopy<'a> {
        let is_copied = |(name, _): &(&[u8], &[u8])| {
            !is_reserved_header(name)
                && !NOT_COPIED.iter().any(|field| name.eq_ignore_ascii_case(field))
        };
        let mut added: Vec<_> = ids.map(|ids| (headers::IDS, ids.to_owned())).into_iter().collect();
        decision.request_headers(plan, |name, value| {
            if name != headers::SHADOW {
                added.push((name, value.to_owned()));
            }
        });
        RequestCopy { received: block.pairs().filter(is_copied).collect(), added }
    }

    /// Sends the copy to a cluster. Returns whether the host has accepted it.
    fn send(&self, cluster: &str, done: impl FnOnce(Option<Response>) + 'static) -> bool {
        let mut headers = self.received.clone();
        headers.extend(self.added.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        http_client::send(cluster, &headers, &[], TIMEOUT_MS, done)
    }
}

/// The comparison of an arm's response with the shadow's.
pub(crate) struct Comparison {
    shadow: Rc<ComparedShadow>,
    primary_response: Cell<Option<ComparedResponse>>,
    shadow_response: Cell<Option<ComparedResponse>>,
}

/// The parts of a response that are compared.
#[derive(Clone, Copy, PartialEq, Eq)]
struct ComparedResponse {
    status: u16,
    /// The hash of the body; 0 where bodies are not compared.
    hash: u64,
    is_too_large: bool,
}

impl ComparedResponse {
    /// A missing response has status 0: a shadow that does not respond must differ.
    fn new(response: Option<Response>, with_body: bool) -> ComparedResponse {
        let body = response.as_ref().filter(|_| with_body);
        let body = body.and_then(|_| host::response_body(MAX_BODY_BYTES.saturating_add(1)));
        let body = body.unwrap_or_default();
        ComparedResponse {
            status: response.map_or(0, |response| response.status),
            hash: if with_body { digest(&body) } else { 0 },
            is_too_large: body.len() > MAX_BODY_BYTES,
        }
    }
}

impl Comparison {
    /// Takes the status of the request whose log is being written, unless the client has disconnected before
    /// the response.
    pub(crate) fn on_log(&self) {
        if let Some(status) = outcome::client_status() {
            let response = ComparedResponse { status, hash: 0, is_too_large: false };
            self.primary_response.set(Some(response));
            self.finish();
        }
    }

    /// Compares the two responses once both are known.
    fn finish(&self) {
        let (primary, shadow) = (self.primary_response.get(), self.shadow_response.get());
        let (Some(primary), Some(shadow)) = (primary, shadow) else { return };
        self.clear();
        if primary.is_too_large || shadow.is_too_large {
            return increment(self.shadow.dropped);
        }
        let differs = primary != shadow;
        increment(self.shadow.compared);
        increment(self.shadow.diverged.filter(|_| differs));
        let mut tally = self.shadow.tally.get();
        tally.exposures = tally.exposures.saturating_add(1);
        tally.events = tally.events.saturating_add(differs.into());
        self.shadow.tally.set(tally);
    }

    fn clear(&self) {
        self.primary_response.take();
        self.shadow_response.take();
    }
}
