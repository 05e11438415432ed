//! The evidence of one stage, and the observations that it is made of.

use super::counters::{Counters, Tally};
use super::latency::{EDGES, LatencyCounts};
use super::nats::Nats;
use super::process::{ALTERNATIVES, ChangeDetector, GridLevels};
use super::wire::wire;

const MINUTE_MS: u64 = 60_000;

/// The outcomes that were added since the previous observation of a stage. All counters cover the same
/// time, and only units whose bucket alone decided their arm: rings, overrides and pins select users, and a
/// selected group cannot be compared with the rest.
#[derive(Clone, Copy, Debug, Default)]
pub struct Observation<'a> {
    /// The time since the previous observation, in ms.
    pub elapsed_ms: u64,
    /// Requests, and those that failed.
    pub requests: Counters,
    /// Buckets that had not failed before in this stage, and those that failed for the first time: see
    /// [`BucketSet::first_events`](super::BucketSet::first_events). A gate whose unit of inference is the
    /// request does not read it.
    pub buckets: Counters,
    /// Requests of buckets that had not failed before in this stage, each bucket's first failing request among
    /// them, and those first failing requests: see [`GroupTally::at_risk`](super::GroupTally::at_risk).
    pub at_risk: Counters,
    /// The latencies of the canary and of the baseline.
    pub latency: Option<[&'a LatencyCounts; 2]>,
    /// The first passages of each latency edge. A gate that compares latency by request does not read it.
    pub passed: Option<&'a [FirstPassed; EDGES]>,
    /// Requests, and those with a KPI event.
    pub kpi: Counters,
    /// Buckets without a KPI event before in this stage, and those that had their first one. A gate that
    /// compares KPI events by request does not read it.
    pub conversions: Counters,
}

/// The buckets that passed a latency edge for the first time in a stage. The canary's edge is raised by the
/// tolerance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FirstPassed {
    /// Buckets that had not passed the edge before, and those that passed it.
    pub buckets: Counters,
    /// Requests of buckets that had not passed the edge before, and the same buckets that passed it.
    pub at_risk: Counters,
}

/// The evidence of one comparison of error rates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ErrorEvidence {
    /// What was compared. Exposures are requests, or the buckets that had not failed before the latest
    /// observation.
    pub counters: Counters,
    /// The evidence that the canary's rate is higher.
    pub levels: GridLevels,
    /// The evidence that the canary's rate has risen during the stage.
    pub late: [ChangeDetector; ALTERNATIVES],
    /// The evidence that the canary's rate is below what promotion excludes.
    pub promotion: Nats,
}

wire!(ErrorEvidence { counters, levels, late, promotion });

/// The evidence at one latency edge.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EdgeEvidence {
    /// Requests, and those that took at least as long as the edge.
    pub counters: Counters,
    /// The levels of the alternatives, in the gate's unit of inference.
    pub levels: GridLevels,
    /// The levels of first passages, per request of the buckets that had not passed the edge. They have to
    /// agree before a crossing has an effect. Zero if the unit of inference is the request.
    pub confirming: GridLevels,
    /// The requests of about the last minute that `confirming` compares first passages with, as
    /// [`StageEvidence::recent`].
    pub recent: Counters,
}

wire!(EdgeEvidence { counters, levels, confirming, recent });

/// What is left of a number after a time: nothing after a minute.
fn faded(number: u64, elapsed_ms: u64) -> u64 {
    let left = MINUTE_MS.saturating_sub(elapsed_ms);
    let scaled = u128::from(number).saturating_mul(left.into());
    scaled.checked_div(MINUTE_MS.into()).and_then(|left| u64::try_from(left).ok()).unwrap_or(0)
}

/// The number of requests in a time window.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrafficWindow {
    /// The length of the window, in ms.
    pub elapsed_ms: u64,
    /// The requests of both arms in the window.
    pub requests: u64,
}

wire!(TrafficWindow { elapsed_ms, requests });

impl TrafficWindow {
    /// Whether the request rate is below `per_minute`. An empty window is not.
    pub fn is_below(self, per_minute: u64) -> bool {
        let scaled = u128::from(self.requests).saturating_mul(MINUTE_MS.into());
        scaled < u128::from(per_minute).saturating_mul(self.elapsed_ms.into())
    }
}

/// The evidence that a gate has collected in one stage. Each stage starts with none; equal observations in
/// equal order give equal evidence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StageEvidence {
    /// How long the stage has been observed, in ms.
    pub elapsed_ms: u64,
    /// The latest complete window: a minute, or longer if observations were further apart.
    pub minute: TrafficWindow,
    /// The window that began after it.
    pub since_minute: TrafficWindow,
    /// Requests, and those that failed.
    pub requests: Counters,
    /// Errors in the gate's unit of inference.
    pub errors: ErrorEvidence,
    /// First errors of buckets, per request of the buckets without one; its counters are sums. It has to agree
    /// with `errors` before an abort and before a promotion. Empty if the unit of inference is the request.
    pub confirming: ErrorEvidence,
    /// The requests of about the last minute that `confirming` compares errors with, faded by the time since:
    /// exposures alone, no events.
    pub recent: Counters,
    /// KPI events in the gate's unit of inference. Exposures are requests, or the buckets that had no KPI event
    /// before the latest observation.
    pub kpi: Counters,
    /// The evidence that the canary's rate of KPI events is lower.
    pub kpi_levels: GridLevels,
    /// The evidence that the canary is slower, at each edge.
    pub latency: [EdgeEvidence; EDGES],
}

wire!(StageEvidence {
    elapsed_ms,
    minute,
    since_minute,
    requests,
    errors,
    confirming,
    recent,
    kpi,
    kpi_levels,
    latency,
});

/// Adds the requests of an observation to those of about the last minute, which fade by as much of a minute as
/// has passed, and returns the observation's events among them. A request that never gets a response, or a slow
/// one, is known to be so when the baseline's requests of its time have long been observed.
pub(super) fn among_recent(recent: &mut Counters, elapsed_ms: u64, added: Counters) -> Counters {
    let fade = |recent: Tally, added: Tally| Tally {
        exposures: faded(recent.exposures, elapsed_ms).saturating_add(added.exposures),
        events: 0,
    };
    *recent = Counters {
        canary: fade(recent.canary, added.canary),
        baseline: fade(recent.baseline, added.baseline),
    };
    let mut compared = *recent;
    compared.canary.events = added.canary.events;
    compared.baseline.events = added.baseline.events;
    compared
}

impl StageEvidence {
    /// Adds the time and the requests of an observation to the windows. Traffic is judged by the latest
    /// minute: with an average since the stage began, a step could end long after its traffic has stopped,
    /// or be held long after a night with little traffic.
    pub(super) fn count_traffic(&mut self, elapsed_ms: u64, requests: u64) {
        self.elapsed_ms = self.elapsed_ms.saturating_add(elapsed_ms);
        let TrafficWindow { elapsed_ms: ms, requests: count } = self.since_minute;
        self.since_minute = TrafficWindow {
            elapsed_ms: ms.saturating_add(elapsed_ms),
            requests: count.saturating_add(requests),
        };
        if self.since_minute.elapsed_ms >= MINUTE_MS {
            self.minute = core::mem::take(&mut self.since_minute);
        }
    }
}
