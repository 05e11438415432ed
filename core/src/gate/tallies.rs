//! What a stage has come to: counters that hosts keep, add up and hand on.

use alloc::vec::Vec;

use super::bucket_set::BucketSet;
use super::counters::{Counters, Tally};
use super::latency::LatencyCounts;
use super::outcome::{Outcome, Probe, StageId};
use super::wire::Wire;
use crate::plan::Trial;

/// One group of units: everybody, or a cohort.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupTally {
    /// Requests, and those that failed.
    pub requests: Counters,
    /// KPI events of the canary and of the baseline.
    pub kpi: [u64; 2],
    /// Latencies of the canary and of the baseline.
    pub latency: [LatencyCounts; 2],
    /// Buckets in error.
    pub errors: BucketSet,
}

/// What has been seen in one stage of a trial. Adding two is a union of buckets and a sum of the rest, so
/// each host, and each of a host's workers, adds what it has seen exactly once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// The stage.
    pub stage: StageId,
    /// Everybody, then each of the trial's cohorts.
    pub groups: Vec<GroupTally>,
    /// Answers of the shadow that were compared, and those that differ.
    pub shadow: Tally,
}

impl Tallies {
    /// Nothing yet.
    pub fn new(stage: StageId, trial: &Trial) -> Tallies {
        let groups = core::iter::repeat_with(GroupTally::default).take(trial.groups()).collect();
        Tallies { stage, groups, shadow: Tally::default() }
    }

    /// Whether nothing has been counted.
    pub fn is_empty(&self) -> bool {
        self.shadow.exposures == 0
            && self.groups.iter().all(|group| group.requests.exposures() == 0)
    }

    /// Counts a request whose outcome is known.
    pub fn record(&mut self, trial: &Trial, probe: &Probe, outcome: &Outcome) {
        let (error, kpi) = (trial.is_error(outcome), trial.is_kpi(probe, outcome));
        for (index, group) in self.groups.iter_mut().enumerate() {
            let cohort = index.checked_sub(1).and_then(|bit| u32::try_from(bit).ok());
            let inside =
                cohort.is_none_or(|bit| probe.cohorts.checked_shr(bit).unwrap_or(0) & 1 == 1);
            if inside {
                group.record(probe, outcome, error, kpi);
            }
        }
    }

    /// Adds what somebody else has seen of the same stage; of another stage nothing is added.
    pub fn add(&mut self, other: &Tallies) {
        if other.stage != self.stage {
            return;
        }
        for (group, more) in self.groups.iter_mut().zip(&other.groups) {
            group.add(more);
        }
        self.shadow.exposures = self.shadow.exposures.saturating_add(other.shadow.exposures);
        self.shadow.events = self.shadow.events.saturating_add(other.shadow.events);
    }

    /// What a host keeps once `added` has arrived while the stage `current` is in force: what is of
    /// another stage gives way.
    #[must_use]
    pub fn absorb(kept: Option<Tallies>, added: &Tallies, current: StageId) -> Option<Tallies> {
        let kept = kept.filter(|kept| kept.stage == current);
        if added.stage != current {
            return kept;
        }
        match kept {
            Some(mut kept) => {
                kept.add(added);
                Some(kept)
            }
            None => Some(added.clone()),
        }
    }

    /// The counters as bytes, for [`Tallies::from_bytes`] on any host.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode()
    }

    /// Reads what [`Tallies::to_bytes`] has written; `None` for other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Tallies> {
        Tallies::decode(bytes)
    }
}

impl GroupTally {
    fn record(&mut self, probe: &Probe, outcome: &Outcome, error: bool, kpi: bool) {
        let requests = &mut self.requests;
        let tally = if probe.canary { &mut requests.canary } else { &mut requests.baseline };
        tally.exposures = tally.exposures.saturating_add(1);
        tally.events = tally.events.saturating_add(error.into());
        if error {
            self.errors.insert(probe.bucket);
        }
        let [canary, baseline] = &mut self.latency;
        let latency = if probe.canary { canary } else { baseline };
        if let Some(micros) = outcome.micros {
            latency.record(micros);
        }
        let [canary, baseline] = &mut self.kpi;
        let events = if probe.canary { canary } else { baseline };
        *events = events.saturating_add(kpi.into());
    }

    fn add(&mut self, other: &GroupTally) {
        self.requests = self.requests.merge(other.requests);
        for (events, more) in self.kpi.iter_mut().zip(other.kpi) {
            *events = events.saturating_add(more);
        }
        for (counts, more) in self.latency.iter_mut().zip(&other.latency) {
            counts.merge(more);
        }
        self.errors.merge(&other.errors);
    }

    /// KPI events among requests.
    pub(super) fn kpi_counters(&self) -> Counters {
        let [canary, baseline] = self.kpi;
        let tally = |requests: Tally, events| Tally { exposures: requests.exposures, events };
        Counters {
            canary: tally(self.requests.canary, canary),
            baseline: tally(self.requests.baseline, baseline),
        }
    }
}
