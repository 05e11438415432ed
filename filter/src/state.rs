//! Latches of earlier lives and of other hosts, read from a URL.

use core::cell::Cell;

use std::rc::Rc;

use serin_core::Plan;
use serin_core::gate::Latches;

use crate::calls;
use crate::host::{self, Level};
use crate::latches::SharedLatches;
use crate::settings::{Endpoint, Settings};

/// An answer takes no longer.
const TIMEOUT_MS: u32 = 5000;
/// An answer is no larger: what is kept of it, every guarded request reads.
const MOST_BYTES: usize = 256 << 10;
/// So soon it is asked again while nothing is known.
const RETRY_MS: u64 = 1000;

/// When the URL is read next.
#[derive(Default)]
pub(crate) struct State {
    next: Rc<Cell<u64>>,
    /// Whether the last reading failed, so that it is told once.
    failing: Rc<Cell<bool>>,
}

impl State {
    /// Reads the URL if it is time.
    pub(crate) fn tick(
        &self,
        settings: &Settings,
        plan: &Plan,
        latches: &Rc<SharedLatches>,
        now: u64,
    ) {
        let Some(endpoint) = settings.state.as_ref().filter(|_| now >= self.next.get()) else {
            return;
        };
        self.next.set(now.saturating_add(settings.state_ms));
        let (next, failing, latches) =
            (Rc::clone(&self.next), Rc::clone(&self.failing), Rc::clone(latches));
        let names: Vec<String> =
            plan.rollouts().iter().map(|rollout| rollout.name().to_owned()).collect();
        let retry = now.saturating_add(settings.state_ms.min(RETRY_MS));
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
        let sent = calls::send(cluster, &headers, &[], TIMEOUT_MS, move |answer| {
            let status = answer.map_or(0, |answer| answer.status);
            if status != 200 {
                return failed(&next, &failing, &format!("the answer's status is {status}"));
            }
            let body = host::call_body(MOST_BYTES.saturating_add(1)).unwrap_or_default();
            if body.len() > MOST_BYTES {
                return failed(&next, &failing, "it is larger than 256 KiB");
            }
            let Some(known) = Latches::from_json(&body) else {
                return failed(&next, &failing, "it is no document of latches");
            };
            failing.set(false);
            let known = of_use(&known, &names);
            latches.change(|latches| latches.merge(&known));
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

/// Aborts of any rollout, because a spec to come may have it, and whatever is known of the plan's own: every
/// request reads what is kept.
fn of_use(known: &Latches, names: &[String]) -> Latches {
    let mut kept = Latches::default();
    for latch in known.list() {
        if latch.abort.is_some() || names.contains(&latch.rollout) {
            kept.update(&latch.rollout, |place| *place = latch.clone());
        }
    }
    kept
}
