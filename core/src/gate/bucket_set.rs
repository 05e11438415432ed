//! A set of buckets: those that have had an error, or a KPI event, in a stage.
//!
//! The requests of one user fail together. A test that took them for independent would abort healthy
//! canaries, so a bucket counts once in a stage, however often it fails.

use alloc::boxed::Box;
use alloc::vec;

use super::counters::{Counters, Tally};
use super::wire::{Bytes, Reader, Wire};
use crate::hash::Bucket;
use crate::value::share::Share;

const WORDS: usize = 1563;

/// A set of buckets, 12,504 bytes. Merging is a union: idempotent and in any order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BucketSet {
    /// Bucket 64·i + j is bit j of word i; bits from 100,000 on are never set.
    words: Box<[u64]>,
}

impl Wire for BucketSet {
    fn write(&self, out: &mut Bytes) {
        out.words(self.words());
    }

    fn read(reader: &mut Reader<'_>) -> Option<BucketSet> {
        let mut words = [0; WORDS];
        reader.words(&mut words)?;
        Some(BucketSet::from_words(&words))
    }
}

impl Default for BucketSet {
    fn default() -> BucketSet {
        BucketSet::new()
    }
}

impl BucketSet {
    /// An empty set.
    pub fn new() -> BucketSet {
        BucketSet { words: vec![0; WORDS].into_boxed_slice() }
    }

    /// A set from its words, see [`BucketSet::words`]. Missing words are empty; bits beyond the last bucket
    /// are ignored.
    pub fn from_words(words: &[u64]) -> BucketSet {
        let mut set = BucketSet::new();
        for (index, (to, from)) in set.words.iter_mut().zip(words).enumerate() {
            *to = from & mask(index, Share::ALL.millipercent());
        }
        set
    }

    /// The set as 1,563 words: bucket 64·i + j is bit j of word i.
    pub fn words(&self) -> &[u64] {
        &self.words
    }

    pub(super) fn words_mut(&mut self) -> &mut [u64] {
        &mut self.words
    }

    /// Adds or removes a bucket.
    pub(super) fn set(&mut self, bucket: Bucket, is_inside: bool) {
        let (index, bit) = position(bucket);
        if let Some(word) = self.words.get_mut(index) {
            if is_inside { *word |= bit } else { *word &= !bit }
        }
    }

    /// Adds a bucket; returns whether it is new.
    pub fn insert(&mut self, bucket: Bucket) -> bool {
        let (index, bit) = position(bucket);
        let Some(word) = self.words.get_mut(index) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }

    /// Whether a bucket is in the set.
    pub fn contains(&self, bucket: Bucket) -> bool {
        let (index, bit) = position(bucket);
        self.words.get(index).is_some_and(|word| word & bit != 0)
    }

    /// Adds all buckets of another set.
    pub fn merge(&mut self, other: &BucketSet) {
        for (word, more) in self.words.iter_mut().zip(&other.words) {
            *word |= more;
        }
    }

    /// The number of buckets in the set.
    pub fn len(&self) -> u64 {
        self.below(Share::ALL)
    }

    /// Whether the set is empty.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of buckets in the set that a share covers.
    pub fn below(&self, share: Share) -> u64 {
        let count = |(index, word): (usize, &u64)| {
            u64::from((word & mask(index, share.millipercent())).count_ones())
        };
        self.words.iter().enumerate().map(count).fold(0, u64::saturating_add)
    }

    /// The buckets that have had their first event since a `previous` set, for a canary that has the buckets
    /// below `share`. Exposures are the buckets that had none before, events those of them that have one now.
    pub fn first_events(&self, previous: &BucketSet, share: Share) -> Counters {
        let (before, before_all) = (previous.below(share), previous.len());
        let (after, after_all) = (self.below(share), self.len());
        let canary = Tally {
            exposures: u64::from(share.millipercent()).saturating_sub(before),
            events: after.saturating_sub(before),
        };
        let all = Tally {
            exposures: u64::from(Share::ALL.millipercent()).saturating_sub(before_all),
            events: after_all.saturating_sub(before_all),
        };
        let baseline = Tally {
            exposures: all.exposures.saturating_sub(canary.exposures),
            events: all.events.saturating_sub(canary.events),
        };
        Counters { canary, baseline }
    }
}

/// A bucket's word and bit.
fn position(bucket: Bucket) -> (usize, u64) {
    let number = bucket.number();
    (usize::try_from(number >> 6).unwrap_or(usize::MAX), 1 << (number & 63))
}

/// The bits of a word that stand for buckets below a number.
fn mask(index: usize, below: u32) -> u64 {
    let first = u32::try_from(index).unwrap_or(u32::MAX).saturating_mul(64);
    match below.saturating_sub(first) {
        0 => 0,
        count @ 1..64 => (1_u64 << count).wrapping_sub(1),
        _ => u64::MAX,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;
    use proptest::prelude::*;

    fn set(numbers: &[u32]) -> BucketSet {
        let mut set = BucketSet::new();
        for number in numbers {
            set.insert(Bucket::from_number(*number).unwrap());
        }
        set
    }

    fn share(buckets: u32) -> Share {
        Share::from_millipercent(buckets).unwrap()
    }

    fn numbers() -> impl Strategy<Value = Vec<u32>> {
        proptest::collection::vec(0_u32..100_000, 0..60)
    }

    #[test]
    fn the_first_and_the_last_bucket_are_stored() {
        let mut set = set(&[0, 99_999]);
        assert!(!set.insert(Bucket::from_number(0).unwrap()));
        assert_eq!((set.len(), set.below(share(1)), set.below(share(99_999))), (2, 1, 1));
        let full = BucketSet::from_words(&[u64::MAX; 2000]);
        assert_eq!(full.len(), 100_000);
    }

    #[test]
    fn first_events_count_buckets_without_a_previous_event() {
        let (before, after) = (set(&[10, 70_000]), set(&[10, 11, 70_000, 70_001, 70_002]));
        let first = after.first_events(&before, share(5000));
        assert_eq!(first.canary, Tally { exposures: 4999, events: 1 });
        assert_eq!(first.baseline, Tally { exposures: 94_999, events: 2 });
    }

    proptest! {
        #[test]
        fn merging_is_a_union(a in numbers(), b in numbers(), edge in 0_u32..=100_000) {
            let (left, right) = (set(&a), set(&b));
            let merge = |one: &BucketSet, other: &BucketSet| {
                let mut one = one.clone();
                one.merge(other);
                one
            };
            let both = merge(&left, &right);
            prop_assert_eq!(&merge(&right, &left), &both);
            prop_assert_eq!(&merge(&both, &right), &both);
            prop_assert_eq!(&merge(&both, &both), &both);
            let all: std::collections::BTreeSet<u32> = a.iter().chain(&b).copied().collect();
            prop_assert_eq!(both.len(), all.len() as u64);
            prop_assert_eq!(both.below(share(edge)), all.range(..edge).count() as u64);
            for number in all {
                prop_assert!(both.contains(Bucket::from_number(number).unwrap()));
            }
            prop_assert_eq!(BucketSet::from_words(both.words()), both);
        }
    }

    extern crate std;
}
