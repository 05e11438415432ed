//! What is expected of a proxy: its clocks, its evidence and its counters.

use crate::proxy::{Checked, check};
use serin_core::gate::{Monitor, Tallies};
use serin_host_sim::Plugin;
use serin_judge::KnownLatches;
use std::collections::BTreeMap;

/// The stage of an exposure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Stage {
    pub(crate) epoch: u64,
    pub(crate) step: u32,
    pub(crate) fingerprint: u64,
}

/// How long a jump ahead must last until decisions may follow it, in ms; a little less than the filter's figure.
const CONFIRMED_MS: u64 = 290_000;
/// A difference that is no jump, in ms.
const TOLERANCE_MS: i64 = 61_000;

/// The times that the VMs of a machine may decide at.
pub(crate) struct Clocks {
    /// The machine's offset from the uptime, in ms, from each uptime on.
    offsets: Vec<(u64, i64)>,
    /// When each worker's VM started, and when it had its first request, in ms.
    workers: Vec<(u64, Option<u64>)>,
}

impl Clocks {
    pub(crate) fn new(uptime: u64, workers: usize) -> Clocks {
        Clocks { offsets: vec![(uptime, 0)], workers: vec![(uptime, None); workers] }
    }

    pub(crate) fn restart(&mut self, worker: usize, uptime: u64) {
        self.workers[worker] = (uptime, None);
    }

    pub(crate) fn jump(&mut self, uptime: u64, offset: i64) {
        self.offsets.push((uptime, offset));
    }

    pub(crate) fn note_request(&mut self, worker: usize, uptime: u64) {
        self.workers[worker].1.get_or_insert(uptime);
    }

    /// The offsets between two uptimes, each with its first and last uptime.
    fn between(&self, from: u64, to: u64) -> impl Iterator<Item = (u64, u64, i64)> {
        let ends = self.offsets.iter().skip(1).map(|(at, _)| *at).chain([u64::MAX]);
        let spans = self.offsets.iter().zip(ends);
        let cut = move |((start, offset), end): (&(u64, i64), u64)| {
            ((*start).max(from), end.min(to), *offset)
        };
        spans.map(cut).filter(|(start, end, _)| start <= end)
    }

    /// The latest time that a worker may decide at: that of an offset that its VM began with, or that has lasted.
    pub(crate) fn latest(&self, worker: usize, now: u64) -> i64 {
        let (since, first) = self.workers[worker];
        let begun_with = self.between(since, first.unwrap_or(now)).map(|(_, _, offset)| offset);
        let spans: Vec<_> = self.between(since, now).collect();
        let lasted = spans.iter().filter(|(start, _, offset)| {
            let ends = spans.iter().filter(|(_, _, other)| other == offset).map(|(_, end, _)| end);
            ends.max().is_some_and(|end| end.saturating_sub(*start) >= CONFIRMED_MS)
        });
        let offset = begun_with.chain(lasted.map(|(_, _, offset)| *offset)).max();
        now.cast_signed() + offset.unwrap_or_default() + TOLERANCE_MS
    }

    /// The earliest time that a worker may decide at.
    pub(crate) fn earliest(&self, worker: usize, now: u64) -> i64 {
        let offsets = self.between(self.workers[worker].0, now).map(|(_, _, offset)| offset);
        now.cast_signed() + offsets.min().unwrap_or_default()
    }
}

/// How many failed requests are certainly enough for an abort.
const ENOUGH_FAILED: u64 = 40;

/// The evidence against a canary in one stage.
pub(crate) struct Evidence<K> {
    key: Option<K>,
    requests: u64,
    failed: u64,
    /// The requests before enough had failed. The filter may wait for a hundred more.
    before: u64,
    enough_since: Option<u64>,
}

impl<K> Default for Evidence<K> {
    fn default() -> Self {
        Evidence { key: None, requests: 0, failed: 0, before: 0, enough_since: None }
    }
}

impl<K: Copy + PartialEq> Evidence<K> {
    pub(crate) fn add(&mut self, key: K, has_failed: bool, now: u64) {
        if self.key != Some(key) {
            *self = Evidence { key: Some(key), ..Evidence::default() };
        }
        self.requests += 1;
        self.failed += u64::from(has_failed);
        if self.failed < ENOUGH_FAILED {
            self.before = self.requests;
        } else if self.requests >= 300.max(self.before + Monitor::MIN_REQUESTS) {
            self.enough_since.get_or_insert(now);
        }
    }

    /// The stage, and since when there is enough.
    pub(crate) fn enough(&self) -> Option<(K, u64)> {
        self.key.zip(self.enough_since)
    }
}

/// The outcomes of one process, and what its filter has made of them.
#[derive(Default)]
pub(crate) struct Accounts {
    /// The ended requests of each stage, on the canary and on the baseline.
    ended: BTreeMap<(Stage, bool), u64>,
    /// Requests that may have counted before they were lost.
    allowed: BTreeMap<(Stage, bool), u64>,
    /// Whether counts were lost with a VM.
    pub(crate) has_lost: bool,
    counted: u64,
    dropped: u64,
    tallies: Option<(Stage, u64)>,
}

impl Accounts {
    pub(crate) fn end(&mut self, stage: Stage, is_canary: bool) {
        *self.ended.entry((stage, is_canary)).or_default() += 1;
    }

    pub(crate) fn allow(&mut self, stage: Stage, is_canary: bool) {
        *self.allowed.entry((stage, is_canary)).or_default() += 1;
    }

    pub(crate) fn check(
        &mut self,
        plugin: &Plugin,
        hanging: &[(Stage, bool)],
        is_settled: bool,
    ) -> Checked {
        let metrics = plugin.metrics();
        let mut dropped = 0;
        let mut counters: BTreeMap<(u64, u32, bool), u64> = BTreeMap::new();
        for metric in metrics.iter() {
            let Some(name) = metric.name.strip_prefix("serin.gate.web.") else { continue };
            if name.starts_with("dropped.") {
                dropped += metric.value;
            } else if let Some(key) = parse_counter(name) {
                counters.insert(key, metric.value);
            }
        }
        let mut keys: Vec<_> = counters.keys().copied().collect();
        keys.extend(self.ended.keys().map(|(stage, canary)| (stage.epoch, stage.step, *canary)));
        for key in keys {
            let counted = counters.get(&key).copied().unwrap_or_default();
            let is_of = |stage: &Stage, canary: bool| (stage.epoch, stage.step, canary) == key;
            let sum = |counts: &BTreeMap<(Stage, bool), u64>| -> u64 {
                let own = counts.iter().filter(|((stage, canary), _)| is_of(stage, *canary));
                own.map(|(_, count)| count).sum()
            };
            let open =
                hanging.iter().filter(|(stage, canary)| is_of(stage, *canary)).count() as u64;
            let (ended, most) = (sum(&self.ended), sum(&self.ended) + sum(&self.allowed) + open);
            let seen = || format!("{key:?}: {counted} counted, {ended} ended, {open} in flight");
            check("no outcome counts twice or under another stage", counted <= most, seen)?;
            let is_complete = !is_settled || self.has_lost || counted >= ended;
            check("every outcome counts", is_complete, seen)?;
        }
        self.check_evidence(plugin, hanging, counters.values().sum(), dropped)
    }

    /// Checks that what is counted is evidence, or is counted as dropped.
    fn check_evidence(
        &mut self,
        plugin: &Plugin,
        hanging: &[(Stage, bool)],
        counted: u64,
        dropped: u64,
    ) -> Checked {
        let key = format!("{}tallies/web", KnownLatches::key_prefix("serin", ""));
        let bytes = plugin.shared().data("", key).unwrap_or_default().0;
        let tallies = Tallies::from_bytes(&bytes).map(|tallies| {
            let stage = tallies.stage;
            let stage =
                Stage { epoch: stage.epoch, step: stage.step, fingerprint: stage.fingerprint };
            (stage, tallies.groups.first().map_or(0, |group| group.requests.exposures()))
        });
        let (new, new_dropped) = (counted - self.counted, dropped - self.dropped);
        let before = std::mem::replace(&mut self.tallies, tallies);
        (self.counted, self.dropped) = (counted, dropped);
        let Some((stage, evidence)) = tallies else { return Ok(()) };
        let of_stage = |counts: &BTreeMap<(Stage, bool), u64>| -> u64 {
            [true, false]
                .map(|canary| counts.get(&(stage, canary)).copied().unwrap_or_default())
                .iter()
                .sum()
        };
        let open = hanging.iter().filter(|(other, _)| *other == stage).count() as u64;
        let most = of_stage(&self.ended) + of_stage(&self.allowed) + open;
        check("no evidence counts twice or under another stage", evidence <= most, || {
            format!("{stage:?}: {evidence} in the tallies, {most} ended")
        })?;
        let same = before.filter(|(other, _)| *other == stage).map(|(_, count)| count);
        let added = evidence.saturating_sub(same.unwrap_or_default());
        // The evidence that the previous stage got at its end is not known any more.
        let is_complete = match same {
            Some(count) => evidence >= count && new == added + new_dropped,
            None => new >= added + new_dropped,
        };
        check("what is no evidence is counted as dropped", is_complete, || {
            format!(
                "{new} counted, {added} added to the tallies, {new_dropped} dropped; before {before:?}, now {tallies:?}"
            )
        })
    }
}

/// Reads `epoch.E.step.S.arm.A.requests`.
fn parse_counter(name: &str) -> Option<(u64, u32, bool)> {
    let rest = name.strip_prefix("epoch.")?;
    let (epoch, rest) = rest.split_once(".step.")?;
    let (step, rest) = rest.split_once(".arm.")?;
    let (arm, event) = rest.split_once('.')?;
    if event != "requests" {
        return None;
    }
    Some((epoch.parse().ok()?, step.parse().ok()?, arm == "b"))
}
