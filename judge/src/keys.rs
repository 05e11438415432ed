//! The judge's keys in its store. Stores outlive versions of Serin, so these names never change.

use alloc::format;
use alloc::string::String;

/// The latches of all rollouts.
pub(crate) const LATCHES: &str = "latches";
/// The log of audit records.
pub(crate) const AUDITS: &str = "audits";
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
