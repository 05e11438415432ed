//! Tallies: the outcomes of one stage, added up. Hosts store, merge and send them.

use alloc::vec::Vec;

use super::bucket_edges::BucketEdges;
use super::bucket_set::BucketSet;
use super::counters::{Counters, Tally};
use super::latency::{EDGES, LatencyCounts};
use super::outcome::{Exposure, Outcome, StageId};
use super::settings::{GateSettings, InferenceUnit};
use super::stage::FirstPassed;
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
    /// The buckets that have had a KPI event; `None` if the gate does not count KPI events by bucket.
    pub converted: Option<BucketSet>,
    /// The latencies of the canary and of the baseline.
    pub latency: [LatencyCounts; 2],
    /// The latency edges that buckets have passed; `None` if the gate does not compare latency by bucket.
    pub slow: Option<SlowTally>,
    /// The buckets that have had an error.
    pub errors: BucketSet,
    /// The requests of the canary and of the baseline whose bucket had not failed before, each bucket's first
    /// failing request among them.
    pub at_risk: [u64; 2],
}

wire!(GroupTally { requests, kpi, converted, latency, slow, errors, at_risk });

/// The latency edges that buckets have passed, and the requests at risk of passing them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SlowTally {
    /// For each bucket, the number of edges that its slowest request has passed.
    pub edges: BucketEdges,
    /// The requests of the canary and of the baseline, by the number of edges that the request's bucket had
    /// passed before.
    pub requests: [[u64; EDGES + 1]; 2],
}

wire!(SlowTally { edges, requests });

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
        let group = || GroupTally::new(trial.gate().settings());
        let groups = core::iter::repeat_with(group).take(trial.groups()).collect();
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
                group.record(previous, exposure, error, kpi);
                if let Some(micros) = outcome.micros {
                    let edges = trial.gate().edges_passed(exposure.canary, micros);
                    group.record_latency(previous, exposure, micros, edges);
                }
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

impl SlowTally {
    fn record(&mut self, previous: Option<&SlowTally>, exposure: &Exposure, edges: u8) {
        let passed = |slow: &SlowTally| slow.edges.passed(exposure.bucket);
        let before = passed(self).max(previous.map_or(0, passed));
        let [canary, baseline] = &mut self.requests;
        let requests = if exposure.canary { canary } else { baseline };
        if let Some(count) = requests.get_mut(usize::from(before)) {
            *count = count.saturating_add(1);
        }
        self.edges.record(exposure.bucket, edges);
    }

    fn add(&mut self, other: &SlowTally) {
        self.edges.merge(&other.edges);
        for (counts, more) in self.requests.iter_mut().zip(&other.requests) {
            add_counts(counts, more);
        }
    }

    /// The growth since a previous reading at each edge, if the canary has the buckets below `share`.
    fn first_passed(&self, previous: &SlowTally, share: Share) -> [FirstPassed; EDGES] {
        let mut edges = [FirstPassed::default(); EDGES];
        let mut at_risk = [0_u64; 2];
        let buckets = self.edges.first_passed(&previous.edges, share);
        let mut added = self.requests.iter().zip(&previous.requests).map(|(now, before)| {
            now.iter().zip(before).map(|(now, before)| now.saturating_sub(*before))
        });
        let (Some(mut canary), Some(mut baseline)) = (added.next(), added.next()) else {
            return edges;
        };
        for (edge, buckets) in edges.iter_mut().zip(buckets) {
            // Whoever had passed fewer edges was at risk of passing this one.
            let [ours, theirs] = &mut at_risk;
            *ours = ours.saturating_add(canary.next().unwrap_or_default());
            *theirs = theirs.saturating_add(baseline.next().unwrap_or_default());
            *edge = FirstPassed { buckets, at_risk: with_exposures(buckets, at_risk) };
        }
        edges
    }
}

impl GroupTally {
    fn new(settings: &GateSettings) -> GroupTally {
        let by_bucket = |unit: InferenceUnit| unit == InferenceUnit::Bucket;
        let converts = settings.kpi.is_some_and(|kpi| by_bucket(kpi.unit));
        let slows = settings.latency.is_some_and(|latency| by_bucket(latency.unit));
        GroupTally {
            converted: converts.then(BucketSet::new),
            slow: slows.then(SlowTally::default),
            ..GroupTally::default()
        }
    }

    fn record(
        &mut self,
        previous: Option<&GroupTally>,
        exposure: &Exposure,
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
        count(&mut self.kpi, exposure.canary, kpi);
        if let Some(converted) = self.converted.as_mut().filter(|_| kpi) {
            converted.insert(exposure.bucket);
        }
    }

    /// Counts a request that took `micros` µs and passed `edges` of its arm's edges.
    fn record_latency(
        &mut self,
        previous: Option<&GroupTally>,
        exposure: &Exposure,
        micros: u64,
        edges: u8,
    ) {
        let [canary, baseline] = &mut self.latency;
        let latency = if exposure.canary { canary } else { baseline };
        latency.record(micros);
        if let Some(slow) = &mut self.slow {
            let previous = previous.and_then(|previous| previous.slow.as_ref());
            slow.record(previous, exposure, edges);
        }
    }

    fn add(&mut self, other: &GroupTally) {
        self.requests = self.requests.merge(other.requests);
        add_counts(&mut self.kpi, &other.kpi);
        add_counts(&mut self.at_risk, &other.at_risk);
        merge(&mut self.converted, &other.converted, BucketSet::merge);
        merge(&mut self.slow, &other.slow, SlowTally::add);
        for (counts, more) in self.latency.iter_mut().zip(&other.latency) {
            counts.merge(more);
        }
        self.errors.merge(&other.errors);
    }

    /// The growth since a previous reading, if the canary has the buckets below `share`: buckets without an
    /// error and their first errors, then requests of such buckets and the same first errors.
    pub(super) fn first_errors(&self, previous: &GroupTally, share: Share) -> [Counters; 2] {
        let buckets = self.errors.first_events(&previous.errors, share);
        let mut at_risk = self.at_risk;
        for (count, before) in at_risk.iter_mut().zip(previous.at_risk) {
            *count = count.saturating_sub(before);
        }
        [buckets, with_exposures(buckets, at_risk)]
    }

    /// The buckets without a KPI event and their first events since a previous reading.
    pub(super) fn first_conversions(&self, previous: &GroupTally, share: Share) -> Counters {
        let Some(converted) = &self.converted else { return Counters::default() };
        match &previous.converted {
            Some(previous) => converted.first_events(previous, share),
            None => converted.first_events(&BucketSet::new(), share),
        }
    }

    /// The first passages of each latency edge since a previous reading.
    pub(super) fn first_passed(&self, previous: &GroupTally, share: Share) -> [FirstPassed; EDGES] {
        let Some(slow) = &self.slow else { return Default::default() };
        match &previous.slow {
            Some(previous) => slow.first_passed(previous, share),
            None => slow.first_passed(&SlowTally::default(), share),
        }
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

fn add_counts<const N: usize>(counts: &mut [u64; N], more: &[u64; N]) {
    for (count, more) in counts.iter_mut().zip(more) {
        *count = count.saturating_add(*more);
    }
}

/// Merges values of which both, one or none may be there.
fn merge<T: Clone>(ours: &mut Option<T>, theirs: &Option<T>, add: impl Fn(&mut T, &T)) {
    match (ours, theirs) {
        (Some(ours), Some(theirs)) => add(ours, theirs),
        (ours @ None, theirs) => ours.clone_from(theirs),
        (Some(_), None) => {}
    }
}

/// The same events with other exposures.
fn with_exposures(counters: Counters, [canary, baseline]: [u64; 2]) -> Counters {
    Counters {
        canary: Tally { exposures: canary, ..counters.canary },
        baseline: Tally { exposures: baseline, ..counters.baseline },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{KpiSettings, LatencySettings};
    use crate::hash::Bucket;

    /// Tallies of one group in which about half of the buckets have had each event, and 4,000,000,000 requests
    /// are in each count.
    fn dense(settings: &GateSettings) -> Tallies {
        let mut group = GroupTally::new(settings);
        let mut random = 1_u32;
        for number in 0..100_000 {
            let Some(bucket) = Bucket::from_number(number) else { continue };
            random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let bits = random >> 16;
            group.errors.set(bucket, bits & 1 == 0);
            group.converted.iter_mut().for_each(|converted| converted.set(bucket, bits & 2 == 0));
            let edges = u8::try_from((bits >> 2) % 17).unwrap();
            group.slow.iter_mut().for_each(|slow| slow.edges.record(bucket, edges));
        }
        let many = 4_000_000_000;
        group.latency.fill(LatencyCounts::from_counts([many; 128]));
        group.slow.iter_mut().for_each(|slow| slow.requests = [[many.into(); EDGES + 1]; 2]);
        Tallies { groups: alloc::vec![group], ..Tallies::default() }
    }

    /// The figures of `docs/gates-method.md`.
    #[test]
    fn bytes_of_a_group_are_bounded() {
        let errors = GateSettings::default();
        let kpi = GateSettings { kpi: Some(KpiSettings::default()), ..errors.clone() };
        let latency = GateSettings { latency: Some(LatencySettings::default()), ..errors.clone() };
        let [errors, kpi, latency] = [errors, kpi, latency].map(|settings| {
            let tallies = dense(&settings);
            let bytes = tallies.to_bytes();
            assert_eq!(Tallies::from_bytes(&bytes), Some(tallies));
            bytes.len()
        });
        assert!((12_506 + 1500..12_506 + 2200).contains(&errors), "{errors}");
        assert!((12_500..12_510).contains(&(kpi - errors)), "{kpi}");
        assert!((62_530..62_900).contains(&(latency - errors)), "{latency}");
    }
}
