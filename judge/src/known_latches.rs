//! The latches in the memory that the VMs of one process share.

use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use serin_core::Plan;
use serin_core::gate::{ActiveLatches, Latches};

/// The first byte of the value: whether earlier aborts are known. The document follows.
const WAITING: u8 = b'?';
const KNOWN: u8 = b'!';

/// The latches that the VMs of one process know.
///
/// The VMs share them as bytes. A server beside these VMs that reads the same bytes obeys the same aborts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownLatches {
    /// The latches.
    pub latches: Latches,
    /// Whether earlier aborts are known. Until then, rollouts with gates are on their baseline.
    pub is_complete: bool,
}

impl Default for KnownLatches {
    /// No latches, and nothing to wait for.
    fn default() -> KnownLatches {
        KnownLatches { latches: Latches::default(), is_complete: true }
    }
}

impl KnownLatches {
    /// The beginning of every key that the VMs of a plugin share: different plugins, and different
    /// versions, may share one memory.
    pub fn key_prefix(plugin: &str, root_id: &str) -> String {
        format!("serin/{}/{plugin}/{root_id}/", env!("CARGO_PKG_VERSION"))
    }

    /// The key of the latches, with the plugin's prefix.
    pub fn key(prefix: &str) -> String {
        format!("{prefix}latches")
    }

    /// Reads the value. Unreadable bytes are no latches.
    pub fn from_bytes(bytes: &[u8]) -> KnownLatches {
        let (first, json) = bytes.split_first().unwrap_or((&KNOWN, &[]));
        let latches = Latches::from_json(json).unwrap_or_default();
        KnownLatches { latches, is_complete: *first != WAITING }
    }

    /// The value.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = vec![if self.is_complete { KNOWN } else { WAITING }];
        if !self.latches.list().is_empty() {
            bytes.extend_from_slice(self.latches.to_json().as_bytes());
        }
        bytes
    }

    /// The latches that a plan's decisions obey; `None` if no latch is about one of its rollouts.
    pub fn for_plan(&self, plan: &Plan) -> Option<ActiveLatches> {
        if self.is_complete {
            self.latches.for_plan(plan)
        } else {
            Some(self.latches.while_waiting(plan))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_reads_as_it_was_written() {
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
