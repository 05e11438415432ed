//! The judge's keys in its store. Stores outlive versions of Serin, so these names never change.

use alloc::format;
use alloc::string::String;

/// The latches of all rollouts.
pub(crate) const LATCHES: &str = "latches";
/// The log of audit records.
pub(crate) const AUDITS: &str = "audits";
/// The numbers of outcomes that were not counted, by reason.
pub(crate) const DROPPED: &str = "dropped";
/// The latch document that was published last.
pub(crate) const PUBLISHED: &str = "published";
/// The rollouts whose evidence is stored.
pub(crate) const EVIDENCE: &str = "evidence";

/// A rollout's tallies.
pub(crate) fn tallies(rollout: &str) -> String {
    format!("tallies/{rollout}")
}

/// A rollout's monitor.
pub(crate) fn monitor(rollout: &str) -> String {
    format!("watch/{rollout}")
}

/// The key of a rollout's monitor in the memory that the VMs of one process share, with the plugin's
/// prefix; see [`KnownLatches::key_prefix`](crate::KnownLatches::key_prefix). The value is read by
/// [`Monitor::from_bytes`](serin_core::gate::Monitor::from_bytes).
pub fn shared_monitor_key(prefix: &str, rollout: &str) -> String {
    format!("{prefix}{}", monitor(rollout))
}
