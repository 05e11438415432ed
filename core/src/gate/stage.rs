//! What a gate has seen in one stage.

use super::counters::Counters;
use super::latency::{EDGES, LatencyCounts};
use super::nats::Nats;
use super::process::{ALTERNATIVES, Detector, Levels};

const MINUTE_MS: u64 = 60_000;

/// What has been added since the last look. Everything in it is of the same span of time and of
/// units that the share alone sent to an arm: rings, overrides and pins choose users, and users
/// that were chosen can't be compared.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observation<'a> {
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

/// Requests in a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pace {
    /// How long the span is, in ms.
    pub elapsed_ms: u64,
    /// Requests of both arms in it.
    pub requests: u64,
}

impl Pace {
    /// Whether there were fewer requests than so many a minute. Of no time at all nothing is known.
    pub fn is_below(self, per_minute: u64) -> bool {
        let scaled = u128::from(self.requests).saturating_mul(MINUTE_MS.into());
        scaled < u128::from(per_minute).saturating_mul(self.elapsed_ms.into())
    }
}

/// A gate's memory of one stage. Fresh for each stage; equal looks in equal order make it equal.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageEvidence {
    /// How long the stage has been watched, in ms.
    pub elapsed_ms: u64,
    /// The latest whole minute, or more if there was no look for longer.
    pub minute: Pace,
    /// What has come since.
    pub since_minute: Pace,
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

impl StageEvidence {
    /// Counts the time and the requests of a look. Traffic is judged by the latest minute: an average since
    /// the stage began would let a step end long after its traffic has gone, and hold one for long after a
    /// quiet night.
    pub(super) fn count_pace(&mut self, elapsed_ms: u64, requests: u64) {
        self.elapsed_ms = self.elapsed_ms.saturating_add(elapsed_ms);
        let Pace { elapsed_ms: ms, requests: count } = self.since_minute;
        self.since_minute = Pace {
            elapsed_ms: ms.saturating_add(elapsed_ms),
            requests: count.saturating_add(requests),
        };
        if self.since_minute.elapsed_ms >= MINUTE_MS {
            self.minute = core::mem::take(&mut self.since_minute);
        }
    }
}
