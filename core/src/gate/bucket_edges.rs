//! For each bucket, the number of latency edges that its slowest request has passed.
//!
//! The latencies of one user hang together. A test that took requests for independent would abort healthy
//! canaries, so a bucket counts once at each edge: with its first request at or above it.

use super::bucket_set::BucketSet;
use super::counters::{Counters, Tally};
use super::latency::EDGES;
use super::wire::wire;
use crate::hash::Bucket;
use crate::value::share::Share;

/// The number of binary digits of 0 to 16.
const DIGITS: usize = 5;

/// A number from 0 to 16 for each bucket, 62,520 bytes. Merging takes the greater number: idempotent and in any
/// order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BucketEdges {
    /// The binary digits of the numbers, the lowest first: the buckets whose digit is 1.
    digits: [BucketSet; DIGITS],
}

wire!(BucketEdges { digits });

impl BucketEdges {
    /// No bucket has passed an edge.
    pub fn new() -> BucketEdges {
        BucketEdges::default()
    }

    /// The number of edges that a bucket has passed.
    pub fn passed(&self, bucket: Bucket) -> u8 {
        let digit = |number: u8, set: &BucketSet| (number << 1) | u8::from(set.contains(bucket));
        self.digits.iter().rev().fold(0, digit)
    }

    /// Records that a request of a bucket has passed `edges` of the 16 edges.
    pub fn record(&mut self, bucket: Bucket, edges: u8) {
        if edges <= self.passed(bucket) {
            return;
        }
        for (place, set) in self.digits.iter_mut().enumerate() {
            set.set(bucket, (edges >> place) & 1 == 1);
        }
    }

    /// Takes the greater number of each bucket.
    pub fn merge(&mut self, other: &BucketEdges) {
        let mut words: [_; DIGITS] = self.digits.each_mut().map(|set| set.words_mut().iter_mut());
        let mut others: [_; DIGITS] = other.digits.each_ref().map(|set| set.words().iter());
        loop {
            // 64 buckets at once.
            let mut theirs = others.each_mut().map(|words| words.next().copied());
            let mut ours = words.each_mut().map(|words| words.next());
            if ours.iter().any(Option::is_none) {
                return;
            }
            let greater = greater(
                &theirs.each_mut().map(|word| word.unwrap_or_default()),
                &ours.each_ref().map(|word| word.as_deref().copied().unwrap_or_default()),
            );
            for (ours, theirs) in ours.iter_mut().zip(theirs) {
                if let (Some(ours), Some(theirs)) = (ours.as_deref_mut(), theirs) {
                    *ours = (*ours & !greater) | (theirs & greater);
                }
            }
        }
    }

    /// The buckets that have passed each edge for the first time since `previous` numbers, for a canary that has
    /// the buckets below `share`. Exposures are the buckets that had not passed it before.
    pub fn first_passed(&self, previous: &BucketEdges, share: Share) -> [Counters; EDGES] {
        let mut counters = [Counters::default(); EDGES];
        let (before, after) = (previous.beyond(share), self.beyond(share));
        for ((counters, before), after) in counters.iter_mut().zip(before).zip(after) {
            *counters = since(before, after, share);
        }
        counters
    }

    /// For each edge, the buckets that have passed it: those below `share`, and the others.
    fn beyond(&self, share: Share) -> [[u64; 2]; EDGES] {
        let mut beyond = [[0; 2]; EDGES];
        for (edge, [inside, outside]) in beyond.iter_mut().enumerate() {
            let passed = u8::try_from(edge).unwrap_or(u8::MAX).saturating_add(1);
            let set = self.at_least(passed);
            *inside = set.below(share);
            *outside = set.len().saturating_sub(*inside);
        }
        beyond
    }

    /// The buckets with at least this number.
    fn at_least(&self, number: u8) -> BucketSet {
        let mut set = BucketSet::new();
        let mut digits: [_; DIGITS] = self.digits.each_ref().map(|set| set.words().iter());
        for word in set.words_mut() {
            let digits = digits.each_mut().map(|words| words.next().copied().unwrap_or_default());
            let below = number.saturating_sub(1);
            let below =
                core::array::from_fn(|place| if (below >> place) & 1 == 1 { u64::MAX } else { 0 });
            *word = greater(&digits, &below);
        }
        set
    }
}

/// The positions at which the first of two numbers is greater, for 64 numbers by their binary digits.
fn greater(first: &[u64; DIGITS], second: &[u64; DIGITS]) -> u64 {
    let (mut greater, mut equal) = (0, u64::MAX);
    for (first, second) in first.iter().zip(second).rev() {
        greater |= equal & first & !second;
        equal &= !(first ^ second);
    }
    greater
}

/// The counters of buckets from those that had passed before and those that have passed now.
fn since(before: [u64; 2], after: [u64; 2], share: Share) -> Counters {
    let all = Share::ALL.millipercent();
    let sizes = [share.millipercent(), all.saturating_sub(share.millipercent())];
    let mut arms = [Tally::default(); 2];
    for (((arm, size), before), after) in arms.iter_mut().zip(sizes).zip(before).zip(after) {
        let exposures = u64::from(size).saturating_sub(before);
        *arm = Tally { exposures, events: after.saturating_sub(before) };
    }
    let [canary, baseline] = arms;
    Counters { canary, baseline }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::collections::BTreeMap;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn bucket(number: u32) -> Bucket {
        Bucket::from_number(number).unwrap()
    }

    fn edges(records: &[(u32, u8)]) -> BucketEdges {
        let mut edges = BucketEdges::new();
        records.iter().for_each(|(number, passed)| edges.record(bucket(*number), *passed));
        edges
    }

    fn merged(one: &BucketEdges, other: &BucketEdges) -> BucketEdges {
        let mut one = one.clone();
        one.merge(other);
        one
    }

    fn records() -> impl Strategy<Value = Vec<(u32, u8)>> {
        proptest::collection::vec((prop_oneof![0_u32..200, 99_800_u32..100_000], 0_u8..=16), 0..60)
    }

    #[test]
    fn a_bucket_counts_once_at_each_edge() {
        let before = edges(&[(10, 2), (70_000, 16)]);
        let after = merged(&before, &edges(&[(10, 3), (11, 1), (70_000, 16), (70_001, 16)]));
        let share = Share::from_millipercent(5000).unwrap();
        let first = after.first_passed(&before, share);
        assert_eq!(first[0].canary, Tally { exposures: 4999, events: 1 });
        assert_eq!(first[2].canary, Tally { exposures: 5000, events: 1 });
        assert_eq!(first[3].canary, Tally { exposures: 5000, events: 0 });
        for counters in first {
            assert_eq!(counters.baseline, Tally { exposures: 94_999, events: 1 });
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        #[test]
        fn merging_takes_the_greater_number(a in records(), b in records(), c in records()) {
            let [one, two, three] = [&a, &b, &c].map(|records| edges(records));
            let both = merged(&one, &two);
            prop_assert_eq!(&merged(&two, &one), &both);
            prop_assert_eq!(&merged(&both, &one), &both);
            prop_assert_eq!(merged(&both, &three), merged(&one, &merged(&two, &three)));
            let mut numbers = BTreeMap::new();
            for (number, passed) in a.iter().chain(&b) {
                let slot = numbers.entry(*number).or_insert(0);
                *slot = (*passed).max(*slot);
            }
            for (number, passed) in &numbers {
                prop_assert_eq!(both.passed(bucket(*number)), *passed);
            }
            for edge in 1..=16 {
                let set = both.at_least(edge);
                prop_assert_eq!(set.len(), numbers.values().filter(|passed| **passed >= edge).count() as u64);
            }
        }

        #[test]
        fn first_passed_agrees_with_a_set_for_each_edge(a in records(), b in records(), share in 0_u32..=100_000) {
            let share = Share::from_millipercent(share).unwrap();
            let before = edges(&a);
            let after = merged(&before, &edges(&b));
            let counted = after.first_passed(&before, share);
            for (edge, counters) in (1..=16).zip(counted) {
                let set = |records: &[(u32, u8)]| {
                    let mut set = BucketSet::new();
                    let beyond = records.iter().filter(|(_, passed)| *passed >= edge);
                    beyond.for_each(|(number, _)| { set.insert(bucket(*number)); });
                    set
                };
                let (first, mut all) = (set(&a), set(&a));
                all.merge(&set(&b));
                prop_assert_eq!(counters, all.first_events(&first, share));
            }
        }
    }
}
