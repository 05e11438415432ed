//! Testers' tokens: what became of them, counted.

use serin_core::{Facts, OverrideError, OverrideKeys, Plan};

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

    /// Forces what a request's token asks for, if it carries a valid one.
    pub(crate) fn apply(&self, keys: &OverrideKeys, plan: &Plan, facts: &mut Facts<'_>) {
        let counter = match facts.take_override(plan, keys) {
            None => return,
            Some(Ok(())) => Some(&self.applied),
            Some(Err(why)) => self.ignored.get(why as usize),
        };
        if let Some(counter) = counter {
            counter.increment();
        }
    }
}
