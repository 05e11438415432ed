//! Copies of requests that the filter sends itself, to compare the shadow's answer with the arm's.
//!
//! A router can mirror, but nobody sees what comes of it. Of a request that is safe to repeat and has no
//! body the filter sends the copy, so many at once at most. Seeing bodies of all responses would cost every
//! request of every plan; so where bodies are compared, the arm is asked once more as well, and the two
//! answers to the filter's own requests are compared.

use core::cell::Cell;

use std::rc::Rc;

use serin_core::gate::Tally;
use serin_core::plan::RolloutId;
use serin_core::spec::Compare;
use serin_core::{Decision, Plan, digest, headers, is_reserved_header};

use crate::active::Active;
use crate::host::{self, HeaderBlock, Level, Metric};
use crate::http_client;
use crate::outcome;

/// An answer takes no longer.
const TIMEOUT_MS: u32 = 5000;
/// Larger bodies are not compared.
const MOST_BYTES: usize = 256 << 10;
/// Methods that are safe to repeat (RFC 9110, 9.2.1).
const SAFE: [&[u8]; 3] = [b"GET", b"HEAD", b"OPTIONS"];
/// What belongs to one connection and not to the request (RFC 9110, 7.6.1), and what asks for a body.
const NOT_COPIED: [&[u8]; 7] = [
    b"connection",
    b"keep-alive",
    b"proxy-connection",
    b"te",
    b"transfer-encoding",
    b"upgrade",
    b"expect",
];

/// What a plan compares.
pub(crate) struct Shadows(Vec<Rc<Shadow>>);

/// A rollout whose shadow is compared.
struct Shadow {
    rollout: RolloutId,
    bodies: bool,
    most_open: u32,
    open: Cell<u32>,
    compared: Option<Metric>,
    diverged: Option<Metric>,
    dropped: Option<Metric>,
    /// Since the last tick, for the gate.
    tally: Cell<Tally>,
    /// Whether the log has been told that there is no such cluster.
    told: Cell<bool>,
}

/// Who sees to a request's copy.
pub(crate) enum Copy {
    /// The router, by the header field.
    Mirrored,
    /// Nobody: as many are under way as may be.
    Dropped,
    /// The filter.
    Sent(Option<Rc<Pair>>),
}

impl Shadows {
    pub(crate) fn new(plan: &Plan) -> Shadows {
        let compared = plan.rollouts().iter().filter_map(|rollout| {
            let shadow = rollout.shadow().filter(|shadow| shadow.compare() != Compare::Nothing)?;
            let name = rollout.name();
            let (id, _) = plan.arm_named(name, rollout.arm(shadow.arm())?.name())?;
            let counter = |what: &str| Metric::counter(&format!("serin.shadow.{name}.{what}"));
            Some(Rc::new(Shadow {
                rollout: id,
                bodies: shadow.compare() == Compare::Body,
                most_open: shadow.max_in_flight(),
                open: Cell::new(0),
                compared: counter("compared"),
                diverged: counter("diverged"),
                dropped: counter("dropped"),
                tally: Cell::default(),
                told: Cell::new(false),
            }))
        });
        Shadows(compared.collect())
    }

    /// Takes what has been compared of a rollout since the last time.
    pub(crate) fn take(&self, rollout: RolloutId) -> Tally {
        let shadow = self.0.iter().find(|shadow| shadow.rollout == rollout);
        shadow.map(|shadow| shadow.tally.take()).unwrap_or_default()
    }

    /// Sends the copy of a request that has one, if it is the filter's to send.
    pub(crate) fn copy(
        &self,
        active: &Active,
        decision: &Decision,
        block: &HeaderBlock,
        ended: bool,
    ) -> Copy {
        let plan = &active.plan;
        let decided = decision.rollout();
        let shadow =
            self.0.iter().find(|shadow| decided.is_some_and(|to| to.rollout == shadow.rollout));
        let (Some(shadow), Some(decided)) = (shadow, decided) else { return Copy::Mirrored };
        let targets = plan.rollout(decided.rollout).and_then(|rollout| rollout.arm(decided.arm));
        let (Some(own), Some(other)) = (targets, decision.shadow(plan)) else {
            return Copy::Mirrored;
        };
        if !ended || !is_safe(block) {
            return Copy::Mirrored;
        }
        let Some(place) = Place::of(shadow) else {
            count(shadow.dropped);
            return Copy::Dropped;
        };
        let request = Request::new(plan, decision, block);
        let pair = Rc::new(Pair {
            shadow: Rc::clone(shadow),
            own: Cell::default(),
            other: Cell::default(),
        });
        let place = Rc::new(place);
        let seen = Rc::clone(&pair);
        let (bodies, held) = (shadow.bodies, Rc::clone(&place));
        let sent = request.send(other.target(), move |answer| {
            drop(held);
            seen.other.set(Some(Seen::of(answer, bodies)));
            seen.settle();
        });
        if !sent {
            pair.forget();
            if !shadow.told.replace(true) {
                let target = other.target();
                host::log(
                    Level::Warn,
                    &format!("shadow: there is no cluster {target} to compare with"),
                );
            }
            return Copy::Mirrored;
        }
        if !shadow.bodies {
            return Copy::Sent(Some(pair));
        }
        let seen = Rc::clone(&pair);
        request.send(own.target(), move |answer| {
            drop(place);
            seen.own.set(Some(Seen::of(answer, true)));
            seen.settle();
        });
        Copy::Sent(None)
    }
}

fn is_safe(block: &HeaderBlock) -> bool {
    let mut safe = false;
    for (name, value) in block.pairs() {
        safe |= name == b":method" && SAFE.contains(&value);
        if name.eq_ignore_ascii_case(b"upgrade") {
            return false;
        }
    }
    safe
}

fn count(metric: Option<Metric>) {
    if let Some(metric) = metric {
        metric.increment();
    }
}

/// A place among the copies that may be under way.
struct Place(Rc<Shadow>);

impl Place {
    fn of(shadow: &Rc<Shadow>) -> Option<Place> {
        let open = shadow.open.get();
        (open < shadow.most_open).then(|| {
            shadow.open.set(open.saturating_add(1));
            Place(Rc::clone(shadow))
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.open.set(self.0.open.get().saturating_sub(1));
    }
}

/// A request as the upstream gets it, in a form to be sent again.
struct Request<'a> {
    given: Vec<(&'a [u8], &'a [u8])>,
    added: Vec<(&'static str, String)>,
}

impl<'a> Request<'a> {
    fn new(plan: &Plan, decision: &Decision, block: &'a HeaderBlock) -> Request<'a> {
        let copied = |(name, _): &(&[u8], &[u8])| {
            !is_reserved_header(name)
                && !NOT_COPIED.iter().any(|known| name.eq_ignore_ascii_case(known))
        };
        let mut added = Vec::new();
        decision.request_headers(plan, |name, value| {
            if name != headers::SHADOW {
                added.push((name, value.to_owned()));
            }
        });
        Request { given: block.pairs().filter(copied).collect(), added }
    }

    fn send(
        &self,
        cluster: &str,
        done: impl FnOnce(Option<http_client::Answer>) + 'static,
    ) -> bool {
        let mut headers = self.given.clone();
        headers.extend(self.added.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())));
        http_client::send(cluster, &headers, &[], TIMEOUT_MS, done)
    }
}

/// Two answers that are to be compared.
pub(crate) struct Pair {
    shadow: Rc<Shadow>,
    own: Cell<Option<Seen>>,
    other: Cell<Option<Seen>>,
}

/// What of an answer is compared.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Seen {
    status: u16,
    /// Of the body; 0 where bodies are not compared.
    hash: u64,
    too_large: bool,
}

impl Seen {
    /// No answer is one of no status: a shadow that does not answer must not look as if it agreed.
    fn of(answer: Option<http_client::Answer>, bodies: bool) -> Seen {
        let body = answer.as_ref().filter(|_| bodies);
        let body =
            body.and_then(|_| host::call_body(MOST_BYTES.saturating_add(1))).unwrap_or_default();
        Seen {
            status: answer.map_or(0, |answer| answer.status),
            hash: if bodies { digest(&body) } else { 0 },
            too_large: body.len() > MOST_BYTES,
        }
    }
}

impl Pair {
    /// The request's log is being written: its own answer is known, if the client has waited for it.
    pub(crate) fn log(&self) {
        if let Some(status) = outcome::answered() {
            self.own.set(Some(Seen { status, hash: 0, too_large: false }));
            self.settle();
        }
    }

    fn settle(&self) {
        let (Some(own), Some(other)) = (self.own.get(), self.other.get()) else { return };
        self.forget();
        if own.too_large || other.too_large {
            return count(self.shadow.dropped);
        }
        let differs = own != other;
        count(self.shadow.compared);
        count(self.shadow.diverged.filter(|_| differs));
        let mut tally = self.shadow.tally.get();
        tally.exposures = tally.exposures.saturating_add(1);
        tally.events = tally.events.saturating_add(differs.into());
        self.shadow.tally.set(tally);
    }

    fn forget(&self) {
        self.own.take();
        self.other.take();
    }
}
