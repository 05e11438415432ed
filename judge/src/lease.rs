//! The lease of the VM that judges: of the VMs that share a store, one at a time holds it.

use crate::pair::{get_pair, set_pair};
use crate::store::Store;

/// The key of the lease: its owner, and its end as an uptime in ms.
const KEY: &str = "lease";

/// A VM that asks for the lease.
///
/// Where a store's versions only guard keys that have a value, as in Envoy's shared data, two VMs may both write
/// the very first lease. So [`Lease::open`] gives the key a value before several VMs run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The id of the VM. A VM that starts again has another one.
    pub vm: u64,
    /// The time between two ticks of the VM, in ms.
    pub tick_ms: u32,
}

impl Lease {
    /// The duration of a lease beyond the next two ticks, in ms.
    const EXTRA_MS: u64 = 2000;

    /// Writes a lease that has expired, unless there is a lease.
    pub fn open<S: Store>(store: &S) {
        if let (None, version) = store.get(KEY) {
            // A conflict means that another VM has opened it.
            let _ = set_pair(store, KEY, (0, 0), &version);
        }
    }

    /// Whether the VM holds the lease at an uptime, in ms. It renews its own lease, and takes one that has expired.
    pub fn take<S: Store>(self, store: &S, uptime: u64) -> bool {
        let (lease, version) = get_pair(store, KEY);
        if lease.is_some_and(|(owner, until)| owner != self.vm && self.is_valid(until, uptime)) {
            return false;
        }
        let until = uptime.saturating_add(self.duration_ms());
        // A conflict means that another VM has taken it.
        set_pair(store, KEY, (self.vm, until), &version).is_ok()
    }

    /// Whether a lease that ends at `until` is in force. One that lasts twice as long as any lease was written by a
    /// clock that has been set back since: nobody would judge until that clock reaches its end.
    fn is_valid(self, until: u64, uptime: u64) -> bool {
        let longest = self.duration_ms().saturating_mul(2);
        uptime < until && until <= uptime.saturating_add(longest)
    }

    /// The duration of a lease, in ms.
    fn duration_ms(self) -> u64 {
        Self::EXTRA_MS.saturating_add(u64::from(self.tick_ms).saturating_mul(2))
    }
}
