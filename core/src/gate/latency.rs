//! A latency histogram that can be merged: each bin is 2^(1/8) times as wide as the previous one.

use super::counters::{Counters, Tally};
use super::wire::{Bytes, Reader, Wire};

/// The number of bins: from 1 ms to 65,536 ms, eight to an octave.
pub const LATENCY_COUNTS: usize = 128;

/// The number of edges at which a gate compares.
pub const EDGES: usize = 16;

/// 2^(i/8) with 16 fractional bits, rounded up.
const EIGHTHS: [u64; 8] = [65_536, 71_468, 77_936, 84_990, 92_682, 101_071, 110_218, 120_194];

/// A latency edge: the lower bound of bin n, 2^(n/8) ms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Edge(u8);

impl Edge {
    /// The default edges of a gate: 8 ms to 1,448 ms, by half octaves.
    pub const DEFAULT: [Edge; EDGES] = {
        let mut edges = [Edge(24); EDGES];
        let mut index = 0_u8;
        let mut rest: &mut [Edge] = &mut edges;
        while let Some((first, others)) = rest.split_first_mut() {
            first.0 = 24_u8.saturating_add(index.saturating_mul(4));
            index = index.saturating_add(1);
            rest = others;
        }
        edges
    };

    /// The edge at 2^(n/8) ms; `None` if n is 128 (65,536 ms) or more.
    pub const fn new(n: u8) -> Option<Edge> {
        if n < 128 { Some(Edge(n)) } else { None }
    }

    /// The edge's number n.
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The edge in µs, rounded up.
    pub fn micros(self) -> u64 {
        let eighth = EIGHTHS.get(usize::from(self.0 & 7)).copied().unwrap_or(65_536);
        let scaled = eighth.saturating_mul(1000) << (self.0 >> 3);
        scaled.div_ceil(65_536)
    }

    /// The first bin at or above the edge, raised by `tolerance` bins; no request is in a bin beyond the
    /// last.
    fn first_bin(self, tolerance: u8) -> usize {
        usize::from(self.0.saturating_add(tolerance))
    }
}

/// A histogram of latencies, 512 bytes. Merging is addition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatencyCounts {
    /// Bin n counts requests that took at least 2^(n/8) ms and less than 2^((n+1)/8) ms. The first bin
    /// also has the shorter ones, the last the longer ones.
    counts: [u32; LATENCY_COUNTS],
}

impl Wire for LatencyCounts {
    fn write(&self, out: &mut Bytes) {
        out.sparse(self.counts().iter().map(|count| u64::from(*count)));
    }

    fn read(reader: &mut Reader<'_>) -> Option<LatencyCounts> {
        let mut counts = [0_u32; LATENCY_COUNTS];
        reader.sparse(LATENCY_COUNTS, |index, value| {
            *counts.get_mut(index)? = u32::try_from(value).ok()?;
            Some(())
        })?;
        Some(LatencyCounts::from_counts(counts))
    }
}

impl Default for LatencyCounts {
    fn default() -> LatencyCounts {
        LatencyCounts { counts: [0; LATENCY_COUNTS] }
    }
}

impl LatencyCounts {
    /// A histogram from the counts of its bins.
    pub const fn from_counts(counts: [u32; LATENCY_COUNTS]) -> LatencyCounts {
        LatencyCounts { counts }
    }

    /// The counts of the bins, the fastest first.
    pub const fn counts(&self) -> &[u32; LATENCY_COUNTS] {
        &self.counts
    }

    /// Counts a request that took `micros` µs.
    pub fn record(&mut self, micros: u64) {
        if let Some(count) = self.counts.get_mut(bin(micros)) {
            *count = count.saturating_add(1);
        }
    }

    /// Adds another histogram. Counts saturate.
    pub fn merge(&mut self, other: &LatencyCounts) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count = count.saturating_add(*more);
        }
    }

    /// The growth since a previous reading of the same histogram.
    #[must_use]
    pub fn since(&self, previous: &LatencyCounts) -> LatencyCounts {
        let mut added = self.clone();
        for (count, previous) in added.counts.iter_mut().zip(&previous.counts) {
            *count = count.saturating_sub(*previous);
        }
        added
    }

    /// The number of requests in `first_bin` and above.
    fn at_least(&self, first_bin: usize) -> u64 {
        self.counts.iter().skip(first_bin).fold(0, |sum, count| sum.saturating_add((*count).into()))
    }

    fn tally(&self, first_bin: usize) -> Tally {
        Tally { exposures: self.at_least(0), events: self.at_least(first_bin) }
    }
}

/// The number of edges, in ascending order and raised by `tolerance` bins, that a request of `micros` µs is at or
/// above.
pub(super) fn edges_passed(edges: &[Edge; EDGES], tolerance: u8, micros: u64) -> u8 {
    let bin = bin(micros);
    let passed = edges.iter().take_while(|edge| edge.first_bin(tolerance) <= bin).count();
    u8::try_from(passed).unwrap_or(u8::MAX)
}

/// The requests of both arms, and those at or above an edge. The canary's edge is raised by the tolerance.
pub(super) fn exceedances(
    canary: &LatencyCounts,
    baseline: &LatencyCounts,
    edge: Edge,
    tolerance: u8,
) -> Counters {
    Counters {
        canary: canary.tally(edge.first_bin(tolerance)),
        baseline: baseline.tally(edge.first_bin(0)),
    }
}

/// The bin of a request: its octave by the binary logarithm, the bin in the octave by comparison.
fn bin(micros: u64) -> usize {
    let octave = micros.checked_div(1000).and_then(u64::checked_ilog2).unwrap_or(0).min(15);
    let first = u8::try_from(octave.saturating_mul(8)).unwrap_or(u8::MAX);
    let within =
        (1..8_u8).take_while(|n| Edge(first.saturating_add(*n)).micros() <= micros).count();
    usize::from(first).saturating_add(within)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    extern crate std;

    #[test]
    fn eighths_agree_with_floats() {
        for (n, entry) in EIGHTHS.iter().enumerate() {
            assert_eq!(*entry, ((n as f64 / 8.0).exp2() * 65_536.0).ceil() as u64, "{n}");
        }
    }

    #[test]
    fn default_edges_are_half_octaves() {
        let shown = Edge::DEFAULT.map(|edge| edge.micros());
        assert_eq!((shown[0], shown[1], shown[2]), (8000, 11_314, 16_000));
        assert_eq!(shown[15], 1_448_157);
    }

    #[test]
    fn a_tolerance_raises_the_canarys_edge() {
        let (mut canary, mut baseline) = (LatencyCounts::default(), LatencyCounts::default());
        for micros in [7_999, 8_000, 9_600, 100_000] {
            canary.record(micros);
            baseline.record(micros);
        }
        let exceeding = exceedances(&canary, &baseline, Edge::DEFAULT[0], 2);
        assert_eq!((exceeding.baseline.events, exceeding.canary.events), (3, 2));
        assert_eq!(exceedances(&canary, &baseline, Edge(127), 9).canary.events, 0);
    }

    proptest! {
        #[test]
        fn passed_edges_agree_with_the_histogram(micros in 0_u64..80_000_000, tolerance in 0_u8..64) {
            let mut counts = LatencyCounts::default();
            counts.record(micros);
            let beyond = Edge::DEFAULT.map(|edge| counts.tally(edge.first_bin(tolerance)).events);
            let passed = edges_passed(&Edge::DEFAULT, tolerance, micros);
            prop_assert_eq!(u64::from(passed), beyond.iter().sum::<u64>());
        }

        #[test]
        fn a_request_lies_between_its_edges(micros in 0_u64..80_000_000) {
            let bin = u8::try_from(bin(micros)).unwrap();
            prop_assert!(bin == 0 || Edge(bin).micros() <= micros);
            prop_assert!(bin == 127 || micros < Edge(bin + 1).micros());
        }

        #[test]
        fn merging_commutes(a in proptest::array::uniform32(any::<u32>()), b: u32) {
            let mut left = LatencyCounts::default();
            left.counts[..32].copy_from_slice(&a);
            let mut right = LatencyCounts::default();
            right.counts[7] = b;
            let (mut one, mut other) = (left.clone(), right.clone());
            one.merge(&right);
            other.merge(&left);
            prop_assert_eq!(one, other);
        }
    }
}
