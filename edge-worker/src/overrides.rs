//! Testers' tokens: what became of them, counted.

use serin_core::OverrideError;

use crate::counters::Counter;

/// What is counted of tokens.
#[derive(Debug, Default)]
pub(crate) struct OverrideCounters {
    pub(crate) applied: Counter,
    /// By [`OverrideError`].
    ignored: [Counter; OverrideError::ALL.len()],
}

impl OverrideCounters {
    /// How many were ignored, each reason with its word.
    pub(crate) fn ignored(&self) -> impl Iterator<Item = (&'static str, &Counter)> {
        OverrideError::ALL.iter().map(|why| why.as_str()).zip(&self.ignored)
    }

    /// Counts what became of a request's token.
    pub(crate) fn count(&self, outcome: Option<Result<(), OverrideError>>) {
        let counter = match outcome {
            None => return,
            Some(Ok(())) => Some(&self.applied),
            Some(Err(why)) => self.ignored.get(why as usize),
        };
        if let Some(counter) = counter {
            counter.increment();
        }
    }
}
