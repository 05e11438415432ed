//! Tallies: the outcomes of one stage, added up. Hosts store, merge and send them.

use alloc::vec::Vec;

use super::bucket_set::BucketSet;
use super::counters::{Counters, Tally};
use super::latency::LatencyCounts;
use super::outcome::{Exposure, Outcome, StageId};
use super::wire::{Wire, wire};
use crate::plan::Trial;
use crate::value::share::Share;

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
    /// The requests of the canary and of the baseline whose bucket had not failed before, each bucket's first
    /// failing request among them.
    pub at_risk: [u64; 2],
}

wire!(GroupTally { requests, kpi, latency, errors, at_risk });

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
        self.record_after(None, trial, exposure, outcome);
    }

    /// [`Tallies::record`] for tallies that continue `previous` ones of the same stage, to which they will be
    /// added: buckets that have failed there are no longer at risk. Previous tallies of another stage are
    /// ignored.
    pub fn record_after(
        &mut self,
        previous: Option<&Tallies>,
        trial: &Trial,
        exposure: &Exposure,
        outcome: &Outcome,
    ) {
        if !exposure.counts {
            return;
        }
        let previous = previous.filter(|previous| previous.stage == self.stage);
        let (error, kpi) = (trial.is_error(outcome), trial.is_kpi(exposure, outcome));
        for (index, group) in self.groups.iter_mut().enumerate() {
            let cohort = index.checked_sub(1).and_then(|bit| u32::try_from(bit).ok());
            let inside =
                cohort.is_none_or(|bit| exposure.cohorts.checked_shr(bit).unwrap_or(0) & 1 == 1);
            if inside {
                let previous = previous.and_then(|previous| previous.groups.get(index));
                group.record(previous, exposure, outcome, error, kpi);
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
    fn record(
        &mut self,
        previous: Option<&GroupTally>,
        exposure: &Exposure,
        outcome: &Outcome,
        error: bool,
        kpi: bool,
    ) {
        let has_failed = |group: &GroupTally| group.errors.contains(exposure.bucket);
        if !has_failed(self) && !previous.is_some_and(has_failed) {
            count(&mut self.at_risk, exposure.canary, true);
        }
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
        count(&mut self.kpi, exposure.canary, kpi);
    }

    fn add(&mut self, other: &GroupTally) {
        self.requests = self.requests.merge(other.requests);
        add_counts(&mut self.kpi, other.kpi);
        add_counts(&mut self.at_risk, other.at_risk);
        for (counts, more) in self.latency.iter_mut().zip(&other.latency) {
            counts.merge(more);
        }
        self.errors.merge(&other.errors);
    }

    /// The growth since a previous reading, if the canary has the buckets below `share`: buckets without an
    /// error and their first errors, then requests of such buckets and the same first errors.
    pub(super) fn first_errors(&self, previous: &GroupTally, share: Share) -> [Counters; 2] {
        let buckets = self.errors.first_errors(&previous.errors, share);
        let mut at_risk = buckets;
        let tallies = [&mut at_risk.canary, &mut at_risk.baseline];
        for ((tally, now), before) in tallies.into_iter().zip(self.at_risk).zip(previous.at_risk) {
            tally.exposures = now.saturating_sub(before);
        }
        [buckets, at_risk]
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

/// Counts an event of an arm, if there was one.
fn count([canary, baseline]: &mut [u64; 2], is_canary: bool, event: bool) {
    let arm = if is_canary { canary } else { baseline };
    *arm = arm.saturating_add(event.into());
}

fn add_counts(counts: &mut [u64; 2], more: [u64; 2]) {
    for (count, more) in counts.iter_mut().zip(more) {
        *count = count.saturating_add(more);
    }
}
