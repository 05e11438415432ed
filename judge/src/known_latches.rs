//! The latches in the memory that the VMs of one process share.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use serin_core::Plan;
use serin_core::gate::{ActiveLatches, Latches};

/// The first byte of the value while previous aborts are unknown. The document follows.
const INCOMPLETE: u8 = b'?';
/// The first byte of the value once previous aborts are known.
const COMPLETE: u8 = b'!';

/// The latches that the VMs of one process know.
///
/// The VMs share them as bytes. A server in the same process that reads these bytes obeys the same aborts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLatches {
    /// The latches.
    pub latches: Latches,
    /// Whether previous aborts are known. Until then, rollouts with gates are on their baseline.
    pub is_complete: bool,
}

impl Default for KnownLatches {
    /// No latches, and no unknown aborts.
    fn default() -> KnownLatches {
        KnownLatches { latches: Latches::default(), is_complete: true }
    }
}

impl KnownLatches {
    /// The prefix of every key that the VMs of a plugin share. It separates plugins and versions, which may
    /// share one memory.
    pub fn key_prefix(plugin: &str, root_id: &str) -> String {
        format!("serin/{}/{plugin}/{root_id}/", env!("CARGO_PKG_VERSION"))
    }

    /// The key of the latches, with the plugin's prefix.
    pub fn key(prefix: &str) -> String {
        format!("{prefix}latches")
    }

    /// Reads the value. Unreadable bytes count as no latches.
    pub fn from_bytes(bytes: &[u8]) -> KnownLatches {
        let (first, json) = bytes.split_first().unwrap_or((&COMPLETE, &[]));
        let latches = Latches::from_json(json).unwrap_or_default();
        KnownLatches { latches, is_complete: *first != INCOMPLETE }
    }

    /// The value as bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![if self.is_complete { COMPLETE } else { INCOMPLETE }];
        if !self.latches.list().is_empty() {
            bytes.extend_from_slice(self.latches.to_json().as_bytes());
        }
        bytes
    }

    /// The latches that a plan's decisions obey; `None` if previous aborts are known and none of the plan's
    /// rollouts has a latch.
    pub fn for_plan(&self, plan: &Plan) -> Option<ActiveLatches> {
        if self.is_complete {
            self.latches.for_plan(plan)
        } else {
            Some(self.latches.for_plan_incomplete(plan))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_latches_are_read_back() {
        let json = br#"{"latches":[{"rollout":"web","epoch":1}]}"#;
        for latches in [Latches::default(), Latches::from_json(json).unwrap()] {
            for is_complete in [false, true] {
                let known = KnownLatches { latches: latches.clone(), is_complete };
                assert_eq!(KnownLatches::from_bytes(&known.to_bytes()), known);
            }
        }
        assert_eq!(KnownLatches::from_bytes(b""), KnownLatches::default());
        assert_eq!(KnownLatches::from_bytes(b"!nonsense"), KnownLatches::default());
    }
}
