//! The counters of override tokens.

use serin_core::OverrideError;

use crate::counter::Counter;

/// The number of override tokens, by outcome.
#[derive(Debug, Default)]
pub(crate) struct OverrideCounters {
    pub(crate) applied: Counter,
    /// In the order of [`OverrideError::ALL`].
    ignored: [Counter; OverrideError::ALL.len()],
}

impl OverrideCounters {
    /// The counters of ignored tokens, each with its reason.
    pub(crate) fn ignored(&self) -> impl Iterator<Item = (&'static str, &Counter)> {
        OverrideError::ALL.iter().map(|error| error.as_str()).zip(&self.ignored)
    }

    /// Counts the outcome of a request's token; `None` for a request without one.
    pub(crate) fn count(&self, outcome: Option<Result<(), OverrideError>>) {
        let counter = match outcome {
            None => return,
            Some(Ok(())) => Some(&self.applied),
            Some(Err(error)) => self.ignored.get(error as usize),
        };
        if let Some(counter) = counter {
            counter.increment();
        }
    }
}
