//! The counters of outcomes that were not counted.

use serin_judge::{DropReason, Dropped};

use crate::counter::Counter;

/// The number of outcomes that were not counted, by reason.
#[derive(Debug, Default)]
pub(crate) struct DroppedCounters([Counter; DropReason::ALL.len()]);

impl DroppedCounters {
    pub(crate) fn count(&self, dropped: &Dropped) {
        if let Some((_, counter)) = self.iter().find(|(reason, _)| *reason == dropped.reason) {
            counter.add(dropped.outcomes);
        }
    }

    /// The counters, each with its reason.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (DropReason, &Counter)> {
        DropReason::ALL.into_iter().zip(&self.0)
    }
}

/// The reason as a sentence for the log.
pub(crate) const fn explanation(reason: DropReason) -> &'static str {
    match reason {
        DropReason::NoPlan => "the object has no plan",
        DropReason::Unknown => "the object's plan has no gates for this rollout",
        DropReason::Stage => "they are of another epoch, edit or step than the object's",
        DropReason::Clock => "they are of a step that has not begun by the object's clock",
        DropReason::Unanswered => "the object did not answer",
        _ => "another writer was first",
    }
}
