//! Copies of requests for a shadow arm: which can be made, how many at once, and what comes of it.

use crate::head::Head;

/// What a copy of a request needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Copy {
    /// No body to copy.
    Bodiless,
    /// A body that is small enough to be read whole first.
    Buffered,
    /// It must not be copied: an upgrade, or a body that is large or of unknown length.
    None,
}

/// How this request can be copied.
pub(crate) fn copy(head: &Head, has_body: bool, largest_body: u64) -> Copy {
    if head.field("upgrade").is_some() || head.method() == b"CONNECT" {
        return Copy::None;
    }
    if !has_body {
        return Copy::Bodiless;
    }
    let length = head.text("content-length").and_then(|text| text.trim().parse::<u64>().ok());
    match length {
        Some(length) if length <= largest_body => Copy::Buffered,
        _ => Copy::None,
    }
}

/// The copies under way, each as the moment by which it is over. Kept as moments and not as a number
/// because a request that the runtime cuts off never says that it is over.
#[derive(Debug, Default)]
pub(crate) struct InFlight(Vec<u64>);

/// A place among the copies under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(u64);

impl InFlight {
    /// Takes a place until `deadline`, if one of `most` is free.
    pub(crate) fn enter(&mut self, now: u64, deadline: u64, most: u32) -> Option<Place> {
        self.0.retain(|over| *over > now);
        let under_way = u32::try_from(self.0.len()).unwrap_or(u32::MAX);
        if under_way >= most {
            return None;
        }
        self.0.push(deadline);
        Some(Place(deadline))
    }

    /// Gives a place back.
    pub(crate) fn end_step(&mut self, place: Place) {
        if let Some(index) = self.0.iter().position(|over| *over == place.0) {
            self.0.swap_remove(index);
        }
    }

    /// How many are under way.
    pub(crate) fn count(&self, now: u64) -> usize {
        self.0.iter().filter(|over| **over > now).count()
    }
}

/// What is compared of an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// A digest of the body, where bodies are compared.
    pub(crate) digest: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_can_be_copied_is() {
        let head = |fields: &str| Head::new(format!("POST\nhttp://a/{fields}"));
        assert_eq!(copy(&head(""), false, 10), Copy::Bodiless);
        assert_eq!(copy(&head("\ncontent-length\n10"), true, 10), Copy::Buffered);
        assert_eq!(copy(&head("\ncontent-length\n11"), true, 10), Copy::None);
        assert_eq!(copy(&head("\ntransfer-encoding\nchunked"), true, 10), Copy::None);
        assert_eq!(copy(&head("\nupgrade\nwebsocket"), false, 10), Copy::None);
    }

    #[test]
    fn places_are_limited_and_come_free() {
        let mut in_flight = InFlight::default();
        let first = in_flight.enter(0, 100, 2).unwrap();
        assert!(in_flight.enter(1, 101, 2).is_some());
        assert!(in_flight.enter(2, 102, 2).is_none());
        in_flight.end_step(first);
        assert!(in_flight.enter(3, 103, 2).is_some());
        assert_eq!(in_flight.count(50), 2);
        // The second never said that it was over.
        assert!(in_flight.enter(101, 201, 2).is_some());
        assert!(in_flight.enter(0, 9, 0).is_none());
    }
}
