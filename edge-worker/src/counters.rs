//! The counters of an isolate since it started.

use crate::counter::Counter;
use crate::dropped_counters::DroppedCounters;
use crate::override_counters::OverrideCounters;

/// Counters that outlive a plan.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    /// Requests, except those for the Worker's own endpoints.
    pub(crate) requests: Counter,
    /// Requests that arrived when there was no plan.
    pub(crate) without_plan: Counter,
    /// Requests whose target could not be reached, including those that fell back.
    pub(crate) unreachable: Counter,
    /// Uploads to an arm of a trial that their client broke off.
    pub(crate) uploads_broken: Counter,
    /// Requests to an arm of a trial that have waited too long for a response header.
    pub(crate) timeouts: Counter,
    /// Responses of an arm of a trial whose body broke.
    pub(crate) bodies_broken: Counter,
    /// Requests whose arm has no target in the settings.
    pub(crate) unmapped: Counter,
    /// Requests that went to the baseline in place of their arm.
    pub(crate) fallbacks: Counter,
    /// Responses from the cache.
    pub(crate) cache_hits: Counter,
    /// Requests with a cache key whose response was not in the cache.
    pub(crate) cache_misses: Counter,
    /// Flag evaluations (OFREP).
    pub(crate) evaluations: Counter,
    /// Valid JSON Web Tokens.
    pub(crate) tokens_verified: Counter,
    /// JSON Web Tokens that are not valid.
    pub(crate) tokens_refused: Counter,
    /// Override tokens.
    pub(crate) overrides: OverrideCounters,
    /// Batches of outcomes that the judge has accepted.
    pub(crate) flushed: Counter,
    /// Batches that it has not accepted. Their outcomes are lost.
    pub(crate) flushes_failed: Counter,
    /// Outcomes that were not counted.
    pub(crate) dropped: DroppedCounters,
    /// Batches with outcomes that the judge could not count yet. They are sent again.
    pub(crate) kept: Counter,
    /// Specs refused.
    pub(crate) refused: Counter,
    /// Specs put in force.
    pub(crate) activated: Counter,
}
