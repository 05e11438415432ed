//! The latch source: a URL that has the latches of previous processes and of other hosts.

use core::cell::Cell;

use std::rc::Rc;

use serin_core::Plan;
use serin_core::gate::Latches;

use crate::host::{self, Level};
use crate::http_client;
use crate::settings::{Endpoint, FilterSettings};
use crate::shared_latches::SharedLatches;

/// The time limit of a read, in ms.
const TIMEOUT_MS: u32 = 5000;
/// The size of the largest document, in bytes. Every request of a plan with gates reads the stored latches.
const MAX_BYTES: usize = 256 << 10;
/// The time between a failed read and the next one, in ms.
const RETRY_MS: u64 = 1000;

/// The schedule of reading the latch source. A VM has one, across its configs.
#[derive(Default)]
pub(crate) struct LatchSource {
    /// The uptime of the next read, in ms.
    next: Rc<Cell<u64>>,
    /// Whether the last read failed: of several failures in a row the first is logged.
    failing: Rc<Cell<bool>>,
}

impl LatchSource {
    /// Reads the latch source if a read is due.
    pub(crate) fn tick(
        &self,
        settings: &FilterSettings,
        plan: &Plan,
        latches: &Rc<SharedLatches>,
        uptime: u64,
    ) {
        let Some(endpoint) = settings.latch_source.as_ref().filter(|_| uptime >= self.next.get())
        else {
            return;
        };
        self.next.set(uptime.saturating_add(settings.latch_source_ms));
        let (next, failing, latches) =
            (Rc::clone(&self.next), Rc::clone(&self.failing), Rc::clone(latches));
        let names: Vec<String> =
            plan.rollouts().iter().map(|rollout| rollout.name().to_owned()).collect();
        let retry = uptime.saturating_add(settings.latch_source_ms.min(RETRY_MS));
        let failed = move |next: &Cell<u64>, failing: &Cell<bool>, why: &str| {
            next.set(retry);
            if !failing.replace(true) {
                host::log(Level::Warn, &format!("gates: SERIN_STATE_URL could not be read: {why}"));
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
        let sent = http_client::send(cluster, &headers, &[], TIMEOUT_MS, move |response| {
            let status = response.map_or(0, |response| response.status);
            if status != 200 {
                let why = match status {
                    0 => "there is no response".to_owned(),
                    _ => format!("the response has status {status}"),
                };
                return failed(&next, &failing, &why);
            }
            let body = host::response_body(MAX_BYTES.saturating_add(1)).unwrap_or_default();
            if body.len() > MAX_BYTES {
                return failed(&next, &failing, "the response is larger than 256 KiB");
            }
            let Some(source) = Latches::from_json(&body) else {
                return failed(&next, &failing, "the response is not a latch document");
            };
            failing.set(false);
            let relevant = relevant(&source, &names);
            latches.change(|latches| latches.merge(&relevant));
        });
        if sent {
            return;
        }
        self.next.set(retry);
        if !self.failing.replace(true) {
            host::log(
                Level::Warn,
                &format!("gates: SERIN_STATE_CLUSTER: there is no cluster {cluster}"),
            );
        }
    }
}

/// The latches that are stored: all latches of the plan's rollouts, and aborts of other rollouts, because a
/// later spec may have them. The rest is dropped, because every request reads the stored latches.
fn relevant(source: &Latches, names: &[String]) -> Latches {
    let mut relevant = Latches::default();
    for latch in source.list() {
        if latch.abort.is_some() || names.contains(&latch.rollout) {
            relevant.update(&latch.rollout, |slot| *slot = latch.clone());
        }
    }
    relevant
}
