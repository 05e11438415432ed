//! What an isolate has counted since it started.

use std::cell::Cell;

use crate::overrides::OverrideCounters;

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Counter(Cell<u64>);

impl Counter {
    pub(crate) fn increment(&self) {
        self.0.set(self.0.get().saturating_add(1));
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.get()
    }
}

/// Counters that outlive a plan.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Requests that were decided or passed on.
    pub(crate) requests: Counter,
    /// Requests that came before there was any plan.
    pub(crate) without_plan: Counter,
    /// Requests whose target did not answer, fallbacks included.
    pub(crate) unreachable: Counter,
    /// Requests whose arm has no target in the settings.
    pub(crate) unmapped: Counter,
    /// Requests that the baseline answered in an arm's place.
    pub(crate) fallbacks: Counter,
    /// Answers from the cache.
    pub(crate) cache_hits: Counter,
    /// Answers that could have been in the cache and were not.
    pub(crate) cache_misses: Counter,
    /// Flag evaluations answered.
    pub(crate) evaluations: Counter,
    /// Tokens whose claims counted.
    pub(crate) tokens_verified: Counter,
    /// Tokens that were not good.
    pub(crate) tokens_refused: Counter,
    /// Testers' tokens.
    pub(crate) overrides: OverrideCounters,
    /// Batches of outcomes handed to the object that judges.
    pub(crate) flushed: Counter,
    /// Batches that it did not take; what was in them is not counted.
    pub(crate) flushes_failed: Counter,
    /// Specs refused.
    pub(crate) refused: Counter,
    /// Specs put in force.
    pub(crate) activated: Counter,
}
