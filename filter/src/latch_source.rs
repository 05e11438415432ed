//! The latch source: a URL that has the latches of earlier processes and of other hosts.

use core::cell::Cell;

use std::rc::Rc;

use serin_core::Plan;
use serin_core::gate::Latches;

use crate::host::{self, Level};
use crate::http_client;
use crate::settings::{Endpoint, Settings};
use crate::shared_latches::SharedLatches;

/// How long an answer may take.
const TIMEOUT_MS: u32 = 5000;
/// The largest answer, in bytes: every request of a plan with gates reads what is stored of it.
const MAX_BYTES: usize = 256 << 10;
/// How soon a failed reading is tried again.
const RETRY_MS: u64 = 1000;

/// The readings of the latch source.
#[derive(Default)]
pub(crate) struct LatchSource {
    /// When it is read next, in ms since 1970.
    next: Rc<Cell<u64>>,
    /// Whether the last reading failed, so that a failure is logged once.
    failing: Rc<Cell<bool>>,
}

impl LatchSource {
    /// Reads the URL if it is due.
    pub(crate) fn tick(
        &self,
        settings: &Settings,
        plan: &Plan,
        latches: &Rc<SharedLatches>,
        now: u64,
    ) {
        let Some(endpoint) = settings.latch_source.as_ref().filter(|_| now >= self.next.get())
        else {
            return;
        };
        self.next.set(now.saturating_add(settings.latch_source_ms));
        let (next, failing, latches) =
            (Rc::clone(&self.next), Rc::clone(&self.failing), Rc::clone(latches));
        let names: Vec<String> =
            plan.rollouts().iter().map(|rollout| rollout.name().to_owned()).collect();
        let retry = now.saturating_add(settings.latch_source_ms.min(RETRY_MS));
        let failed = move |next: &Cell<u64>, failing: &Cell<bool>, why: &str| {
            next.set(retry);
            if !failing.replace(true) {
                host::log(Level::Warn, &format!("gates: the state could not be read: {why}"));
            }
        };
        let Endpoint { cluster, scheme, authority, path } = endpoint;
        let headers: [(&[u8], &[u8]); 5] = [
            (b":method", b"GET"),
            (b":scheme", scheme.as_bytes()),
            (b":authority", authority.as_bytes()),
            (b":path", path.as_bytes()),
            (b"accept", b"application/json"),
        ];
        let sent = http_client::send(cluster, &headers, &[], TIMEOUT_MS, move |answer| {
            let status = answer.map_or(0, |answer| answer.status);
            if status != 200 {
                return failed(&next, &failing, &format!("the answer's status is {status}"));
            }
            let body = host::call_body(MAX_BYTES.saturating_add(1)).unwrap_or_default();
            if body.len() > MAX_BYTES {
                return failed(&next, &failing, "it is larger than 256 KiB");
            }
            let Some(known) = Latches::from_json(&body) else {
                return failed(&next, &failing, "it is not a document of latches");
            };
            failing.set(false);
            let relevant = relevant(&known, &names);
            latches.change(|latches| latches.merge(&relevant));
        });
        if sent {
            return;
        }
        self.next.set(retry);
        if !self.failing.replace(true) {
            host::log(
                Level::Warn,
                &format!("gates: there is no cluster {cluster} to read the state from"),
            );
        }
    }
}

/// The latches worth storing: aborts of any rollout, because a later spec may have it, and all that is known
/// of the plan's own rollouts. Every request reads what is stored.
fn relevant(known: &Latches, names: &[String]) -> Latches {
    let mut relevant = Latches::default();
    for latch in known.list() {
        if latch.abort.is_some() || names.contains(&latch.rollout) {
            relevant.update(&latch.rollout, |slot| *slot = latch.clone());
        }
    }
    relevant
}
