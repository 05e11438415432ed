//! Tallies: the outcomes of one stage, added up. Hosts store, merge and send them.

use alloc::vec::Vec;

use super::bucket_set::BucketSet;
use super::counters::{Counters, Tally};
use super::latency::LatencyCounts;
use super::outcome::{Exposure, Outcome, StageId};
use super::wire::{Wire, wire};
use crate::plan::Trial;

/// The tally of one group of units: all units, or a cohort.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GroupTally {
    /// Requests, and those that failed.
    pub requests: Counters,
    /// The KPI events of the canary and of the baseline.
    pub kpi: [u64; 2],
    /// The latencies of the canary and of the baseline.
    pub latency: [LatencyCounts; 2],
    /// The buckets that have had an error.
    pub errors: BucketSet,
}

wire!(GroupTally { requests, kpi, latency, errors });

/// The tallies of one stage of a trial. Adding two is a union of the buckets and a sum of the rest, so each
/// worker must add its outcomes exactly once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tallies {
    /// The stage.
    pub stage: StageId,
    /// All units, then each of the trial's cohorts.
    pub groups: Vec<GroupTally>,
    /// The shadow's answers that were compared (exposures), and those that differ (events).
    pub shadow: Tally,
}

wire!(Tallies { stage, shadow, groups });

impl Tallies {
    /// Tallies without outcomes.
    pub fn new(stage: StageId, trial: &Trial) -> Tallies {
        let groups = core::iter::repeat_with(GroupTally::default).take(trial.groups()).collect();
        Tallies { stage, groups, shadow: Tally::default() }
    }

    /// Whether there are no outcomes and no compared answers.
    pub fn is_empty(&self) -> bool {
        self.shadow.exposures == 0
            && self.groups.iter().all(|group| group.requests.exposures() == 0)
    }

    /// Counts the outcome of an exposure in each of its groups, unless it does not count
    /// ([`Exposure::counts`]).
    pub fn record(&mut self, trial: &Trial, exposure: &Exposure, outcome: &Outcome) {
        if !exposure.counts {
            return;
        }
        let (error, kpi) = (trial.is_error(outcome), trial.is_kpi(exposure, outcome));
        for (index, group) in self.groups.iter_mut().enumerate() {
            let cohort = index.checked_sub(1).and_then(|bit| u32::try_from(bit).ok());
            let inside =
                cohort.is_none_or(|bit| exposure.cohorts.checked_shr(bit).unwrap_or(0) & 1 == 1);
            if inside {
                group.record(exposure, outcome, error, kpi);
            }
        }
    }

    /// Adds another worker's tallies of the same stage. Tallies of another stage are ignored.
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

    /// The sum of `stored` and `added`, as far as they are of the stage `current`. Tallies of another stage
    /// are dropped.
    #[must_use]
    pub fn absorb(stored: Option<Tallies>, added: &Tallies, current: StageId) -> Option<Tallies> {
        let stored = stored.filter(|stored| stored.stage == current);
        if added.stage != current {
            return stored;
        }
        match stored {
            Some(mut sum) => {
                sum.add(added);
                Some(sum)
            }
            None => Some(added.clone()),
        }
    }

    /// The tallies as bytes, for [`Tallies::from_bytes`] on any host.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.encode()
    }

    /// Reads the bytes of [`Tallies::to_bytes`]; `None` for other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Tallies> {
        Tallies::decode(bytes)
    }
}

impl GroupTally {
    fn record(&mut self, exposure: &Exposure, outcome: &Outcome, error: bool, kpi: bool) {
        let requests = &mut self.requests;
        let tally = if exposure.canary { &mut requests.canary } else { &mut requests.baseline };
        tally.exposures = tally.exposures.saturating_add(1);
        tally.events = tally.events.saturating_add(error.into());
        if error {
            self.errors.insert(exposure.bucket);
        }
        let [canary, baseline] = &mut self.latency;
        let latency = if exposure.canary { canary } else { baseline };
        if let Some(micros) = outcome.micros {
            latency.record(micros);
        }
        let [canary, baseline] = &mut self.kpi;
        let events = if exposure.canary { canary } else { baseline };
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

    /// Requests, and those with a KPI event.
    pub(super) fn kpi_counters(&self) -> Counters {
        let [canary, baseline] = self.kpi;
        let tally = |requests: Tally, events| Tally { exposures: requests.exposures, events };
        Counters {
            canary: tally(self.requests.canary, canary),
            baseline: tally(self.requests.baseline, baseline),
        }
    }
}
