//! Copies of requests for a shadow arm: which requests can be copied, how many copies may be in flight, and what
//! is compared.

use crate::request_head::RequestHead;

/// How a request can be copied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CopyMode {
    /// The request has no body.
    WithoutBody,
    /// The body is small enough to be buffered.
    Buffered,
    /// The request cannot be copied: it is an upgrade, or its body is large or of unknown length.
    Impossible,
}

/// How a request can be copied. `max_body` is in bytes.
pub(crate) fn copy_mode(head: &RequestHead, has_body: bool, max_body: u64) -> CopyMode {
    if head.field("upgrade").is_some() || head.method() == b"CONNECT" {
        return CopyMode::Impossible;
    }
    if !has_body {
        return CopyMode::WithoutBody;
    }
    let length = head.text("content-length").and_then(|text| text.trim().parse::<u64>().ok());
    match length {
        Some(length) if length <= max_body => CopyMode::Buffered,
        _ => CopyMode::Impossible,
    }
}

/// The copies in flight: the deadline of each, in ms since 1970. A count would not do, because a request that the
/// runtime cuts off never releases its slot.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Vec<u64>);

/// A slot of a copy in flight.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct InFlightSlot(u64);

impl InFlight {
    /// Acquires a slot until `deadline`, if fewer than `max` are in use.
    pub(crate) fn acquire(&mut self, now: u64, deadline: u64, max: u32) -> Option<InFlightSlot> {
        // A deadline after the new one is from before the clock was set back.
        self.0.retain(|known| *known > now && *known <= deadline);
        let count = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        if count >= max {
            return None;
        }
        self.0.push(deadline);
        Some(InFlightSlot(deadline))
    }

    /// Releases a slot.
    pub(crate) fn release(&mut self, slot: InFlightSlot) {
        if let Some(index) = self.0.iter().position(|deadline| *deadline == slot.0) {
            self.0.swap_remove(index);
        }
    }

    /// The number of copies in flight.
    pub(crate) fn count(&self, now: u64) -> usize {
        self.0.iter().filter(|deadline| **deadline > now).count()
    }
}

/// The parts of a response that are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ComparedResponse {
    pub(crate) status: u16,
    /// The digest of the body; `None` where bodies are not compared.
    pub(crate) digest: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_bodies_and_upgrades_are_not_copied() {
        let head = |fields: &str| RequestHead::new(format!("POST\nhttp://a/{fields}"));
        assert_eq!(copy_mode(&head(""), false, 10), CopyMode::WithoutBody);
        assert_eq!(copy_mode(&head("\ncontent-length\n10"), true, 10), CopyMode::Buffered);
        assert_eq!(copy_mode(&head("\ncontent-length\n11"), true, 10), CopyMode::Impossible);
        assert_eq!(
            copy_mode(&head("\ntransfer-encoding\nchunked"), true, 10),
            CopyMode::Impossible
        );
        assert_eq!(copy_mode(&head("\nupgrade\nwebsocket"), false, 10), CopyMode::Impossible);
    }

    #[test]
    fn slots_are_limited_and_become_free() {
        let mut in_flight = InFlight::default();
        let first = in_flight.acquire(0, 100, 2).unwrap();
        assert!(in_flight.acquire(1, 101, 2).is_some());
        assert!(in_flight.acquire(2, 102, 2).is_none());
        in_flight.release(first);
        assert!(in_flight.acquire(3, 103, 2).is_some());
        assert_eq!(in_flight.count(50), 2);
        // The second slot was never released, but its deadline has passed.
        assert!(in_flight.acquire(101, 201, 2).is_some());
        assert!(in_flight.acquire(0, 9, 0).is_none());
        let mut in_flight = InFlight::default();
        assert!(in_flight.acquire(86_400_000, 86_400_100, 1).is_some());
        assert!(in_flight.acquire(5, 105, 1).is_some());
    }
}
