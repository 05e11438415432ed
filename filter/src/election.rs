//! The election of one VM per process. Only the elected VM judges trials and sends requests for gates.

use crate::shared_data::SharedData;

/// The key of the lease: its owner, and its end as an uptime in ms.
const LEASE: &str = "lease";
/// The duration of a lease beyond the next two ticks, in ms.
const LEASE_MS: u64 = 2000;
/// The longest remaining duration of a valid lease, in ms. A longer one was written by another clock.
const MAX_LEASE_MS: u64 = 300_000;

/// Whether this VM holds the lease. It renews its own lease, and takes one that has expired.
pub(crate) fn is_elected(shared: &SharedData, vm: u64, uptime: u64, tick_ms: u32) -> bool {
    let (lease, version) = shared.pair(LEASE);
    if let Some((owner, until)) = lease
        && owner != vm
        && uptime < until
        && until < uptime.saturating_add(MAX_LEASE_MS)
    {
        return false;
    }
    let until =
        uptime.saturating_add(LEASE_MS).saturating_add(u64::from(tick_ms).saturating_mul(2));
    // Two VMs may both write the very first lease: the VM whose lease was overwritten notices it here.
    shared.set_pair(LEASE, (vm, until), &version).is_ok()
        && shared.pair(LEASE).0.is_some_and(|(owner, _)| owner == vm)
}
