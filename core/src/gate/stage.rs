//! What a gate has seen in one stage.

use super::counters::Counters;
use super::latency::{EDGES, LatencyCounts};
use super::nats::Nats;
use super::process::{ALTERNATIVES, Detector, Levels};

/// What has been added since the last look. Everything in it is of the same span of time and of
/// units that the share alone sent to an arm: rings, overrides and pins choose users, and users
/// that were chosen can't be compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look<'a> {
    /// How long the span was, in ms.
    pub elapsed_ms: u64,
    /// Requests, and those that failed.
    pub requests: Counters,
    /// Buckets that had not failed yet in this stage, and those that failed for the first time: what
    /// [`BucketSet::first_errors`](super::BucketSet::first_errors) gives. A gate whose unit is the
    /// request does not read it.
    pub buckets: Counters,
    /// The latencies of the canary and of the baseline.
    pub latency: Option<[&'a LatencyCounts; 2]>,
    /// Requests, and those with a KPI event.
    pub kpi: Counters,
}

/// One edge: what exceeded it, and how likely that makes each alternative.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeState {
    /// Requests, and those that took longer than the edge.
    pub counters: Counters,
    /// The likelihoods.
    pub levels: Levels,
}

/// A gate's memory of one stage. Fresh for each stage; equal looks in equal order make it equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stage {
    /// How long the stage has been watched, in ms.
    pub elapsed_ms: u64,
    /// Requests, and those that failed.
    pub requests: Counters,
    /// Events are errors in the gate's unit. Exposures are requests, or the buckets that had not failed
    /// at the latest look.
    pub errors: Counters,
    /// Requests, and those with a KPI event.
    pub kpi: Counters,
    /// The canary's errors are more.
    pub error_levels: Levels,
    /// They have become more.
    pub late: [Detector; ALTERNATIVES],
    /// They are not as many as what promotion excludes.
    pub promotion: Nats,
    /// The canary's KPI events are fewer.
    pub kpi_levels: Levels,
    /// The canary is slower.
    pub latency: [EdgeState; EDGES],
}
