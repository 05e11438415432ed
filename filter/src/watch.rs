//! Who looks, and what follows: one VM holds a lease, looks at each trial and tells everybody.

use core::cell::Cell;

use serin_core::Plan;
use serin_core::gate::{Audit, Latch, Monitor, Tallies, Verdict};
use serin_core::plan::RolloutId;

use crate::host::{self, Level};
use crate::latches::SharedLatches;
use crate::tallies::Local;

/// A lease lasts so many ms beyond the next two ticks.
const LEASE_MS: u64 = 2000;
/// Counters that have not changed are looked at again after so many ms: their silence counts too.
const QUIET_MS: u64 = 5000;
/// No lease lasts as long as this.
const TOO_LONG_MS: u64 = 300_000;

/// Whether this VM may look now: the lease is its own, or nobody's.
pub(crate) fn is_elected(key: &str, vm: u64, now: u64, tick_ms: u32) -> bool {
    let (bytes, cas) = host::shared(key).unwrap_or_default();
    if let Some((owner, until)) = lease(&bytes)
        && owner != vm
        && now < until
        // A lease that lasts longer than any does is of a clock that has been put back.
        && until < now.saturating_add(TOO_LONG_MS)
    {
        return false;
    }
    let until = now.saturating_add(LEASE_MS).saturating_add(u64::from(tick_ms).saturating_mul(2));
    let mut value = [0; 16];
    let (left, right) = value.split_at_mut(8);
    left.copy_from_slice(&vm.to_le_bytes());
    right.copy_from_slice(&until.to_le_bytes());
    // Two VMs may both write the first lease of all: the one that was overwritten sees it here.
    host::set_shared(key, &value, cas)
        && host::shared(key)
            .and_then(|(bytes, _)| lease(&bytes))
            .is_some_and(|(owner, _)| owner == vm)
}

fn lease(bytes: &[u8]) -> Option<(u64, u64)> {
    let (owner, until) = bytes.split_at_checked(8)?;
    Some((u64::from_le_bytes(owner.try_into().ok()?), u64::from_le_bytes(until.try_into().ok()?)))
}

/// A trial that is watched.
pub(crate) struct Watched {
    /// Where the memory of whoever looks is kept.
    pub(crate) key: String,
    /// The number and the moment of the counters that were looked at last.
    seen: Cell<(u32, u64)>,
}

impl Watched {
    pub(crate) fn new(key: String) -> Watched {
        Watched { key, seen: Cell::default() }
    }

    /// Looks at a trial. What follows is in the shared latches when this returns; the record is given.
    pub(crate) fn look(
        &self,
        plan: &Plan,
        id: RolloutId,
        local: &Local,
        latches: &SharedLatches,
        now: u64,
    ) -> Option<Audit> {
        let (sum, number) = host::shared(&local.key).unwrap_or_default();
        let (seen, at) = self.seen.get();
        if seen == number && now < at.saturating_add(QUIET_MS) {
            return None;
        }
        self.seen.set((number, now));
        let name = plan.rollout(id)?.name();
        let (bytes, cas) = host::shared(&self.key).unwrap_or_default();
        let before = Monitor::from_bytes(&bytes).unwrap_or_default();
        let known = latches.read().latches;
        let mut latch = known.get(name).cloned().unwrap_or_else(|| Latch::new(name));
        let mut watch = before.clone();
        let sum = Tallies::from_bytes(&sum);
        let audit = watch.evaluate(plan, id, sum.as_ref(), &mut latch, now);
        // Who is not the first to write has looked at what somebody else has looked at.
        if watch != before && !host::set_shared(&self.key, &watch.to_bytes(), cas) {
            return None;
        }
        let audit = audit?;
        latches.change(|latches| {
            latches.update(name, |known| known.adopt(&latch));
        });
        let abort = audit.finding.judgement.verdict == Verdict::Abort;
        host::log(if abort { Level::Warn } else { Level::Info }, &audit.to_json());
        Some(audit)
    }
}
