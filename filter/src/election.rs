//! The election of one VM per process. Only the elected VM judges trials and sends requests for gates.

use serin_judge::Store;

use crate::shared_data::SharedData;

/// The key of the lease.
const LEASE: &str = "lease";
/// The duration of a lease beyond the next two ticks, in ms.
const LEASE_MS: u64 = 2000;
/// The longest remaining duration of a valid lease, in ms. A longer one was written by another clock.
const MAX_LEASE_MS: u64 = 300_000;

/// Whether this VM holds the lease. It renews its own lease, and takes one that has expired.
pub(crate) fn is_elected(shared: &SharedData, vm: u64, uptime: u64, tick_ms: u32) -> bool {
    let (bytes, version) = shared.get(LEASE);
    if let Some((owner, until)) = bytes.as_deref().and_then(lease)
        && owner != vm
        && uptime < until
        && until < uptime.saturating_add(MAX_LEASE_MS)
    {
        return false;
    }
    let until =
        uptime.saturating_add(LEASE_MS).saturating_add(u64::from(tick_ms).saturating_mul(2));
    let mut value = [0; 16];
    let (left, right) = value.split_at_mut(8);
    left.copy_from_slice(&vm.to_le_bytes());
    right.copy_from_slice(&until.to_le_bytes());
    // Two VMs may both write the very first lease: the VM whose lease was overwritten notices it here.
    shared.set(LEASE, &value, &version).is_ok()
        && shared.get(LEASE).0.as_deref().and_then(lease).is_some_and(|(owner, _)| owner == vm)
}

/// Reads a lease: its owner, and its end as an uptime in ms.
fn lease(bytes: &[u8]) -> Option<(u64, u64)> {
    let (owner, until) = bytes.split_at_checked(8)?;
    Some((u64::from_le_bytes(owner.try_into().ok()?), u64::from_le_bytes(until.try_into().ok()?)))
}
