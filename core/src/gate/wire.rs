//! The byte form of tallies and monitors, which workers and hosts exchange and judges store.
//!
//! Numbers have a variable length (LEB128); sparse lists omit zeros. The bytes come from outside, so every
//! list is bounded. The macro `wire!` generates the writer and the reader of a struct from one list of its
//! fields. The order of the fields is the layout: a change of it needs a new [`VERSION`].

use alloc::vec::Vec;

use crate::parse::gates::MAX_COHORTS;

/// The version of the layout, the first byte of a document.
const VERSION: u8 = 2;

/// The greatest number of a trial's groups: all units, and each cohort.
const MAX_GROUPS: usize = MAX_COHORTS.saturating_add(1);

/// A value with a byte form.
pub(super) trait Wire: Sized {
    /// Appends the value.
    fn write(&self, out: &mut Bytes);
    /// Reads a value from the bytes of [`Wire::write`]; `None` for other bytes.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;

    /// The value as a document: the version of the layout, then the value.
    fn encode(&self) -> Vec<u8> {
        let mut out = Bytes::default();
        self.write(&mut out);
        out.0
    }

    /// Reads a document; `None` for other bytes, also if bytes are left over.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let value = Self::read(&mut reader)?;
        reader.is_at_end().then_some(value)
    }
}

/// Implements [`Wire`] for a struct: its fields in the given order. The invocation is beside the type.
macro_rules! wire {
    ($type:ident { $($field:ident),+ $(,)? }) => {
        impl $crate::gate::wire::Wire for $type {
            fn write(&self, out: &mut $crate::gate::wire::Bytes) {
                $($crate::gate::wire::Wire::write(&self.$field, out);)+
            }

            fn read(reader: &mut $crate::gate::wire::Reader<'_>) -> Option<Self> {
                Some($type { $($field: $crate::gate::wire::Wire::read(reader)?,)+ })
            }
        }
    };
}

pub(super) use wire;

impl Wire for u64 {
    fn write(&self, out: &mut Bytes) {
        out.number(*self);
    }

    fn read(reader: &mut Reader<'_>) -> Option<u64> {
        reader.number()
    }
}

impl Wire for u32 {
    fn write(&self, out: &mut Bytes) {
        out.number((*self).into());
    }

    fn read(reader: &mut Reader<'_>) -> Option<u32> {
        u32::try_from(reader.number()?).ok()
    }
}

impl<T: Wire + Default, const N: usize> Wire for [T; N] {
    fn write(&self, out: &mut Bytes) {
        self.iter().for_each(|item| item.write(out));
    }

    fn read(reader: &mut Reader<'_>) -> Option<[T; N]> {
        let mut items = core::array::from_fn(|_| T::default());
        for item in &mut items {
            *item = T::read(reader)?;
        }
        Some(items)
    }
}

/// A value that may be absent: a count of 0 or 1.
impl<T: Wire> Wire for Option<T> {
    fn write(&self, out: &mut Bytes) {
        out.count(usize::from(self.is_some()));
        self.iter().for_each(|value| value.write(out));
    }

    fn read(reader: &mut Reader<'_>) -> Option<Option<T>> {
        match reader.count(1)? {
            0 => Some(None),
            _ => T::read(reader).map(Some),
        }
    }
}

/// The groups of a trial.
impl<T: Wire> Wire for Vec<T> {
    fn write(&self, out: &mut Bytes) {
        out.count(self.len());
        self.iter().for_each(|item| item.write(out));
    }

    fn read(reader: &mut Reader<'_>) -> Option<Vec<T>> {
        let count = reader.count(MAX_GROUPS)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(T::read(reader)?);
        }
        Some(items)
    }
}

/// Bytes being written.
pub(super) struct Bytes(Vec<u8>);

impl Default for Bytes {
    fn default() -> Bytes {
        Bytes(alloc::vec![VERSION])
    }
}

impl Bytes {
    fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(low_byte(number) | 0x80);
            number >>= 7;
        }
        self.0.push(low_byte(number));
    }

    /// Writes a signed number: the magnitude, with the sign in the lowest bit.
    pub(super) fn signed(&mut self, number: i64) {
        let magnitude = number.unsigned_abs();
        // `i64::MIN` has no magnitude of 63 bits and is written as the next number.
        let magnitude = magnitude.min(i64::MAX.unsigned_abs());
        self.number((magnitude << 1) | u64::from(number < 0));
    }

    fn count(&mut self, count: usize) {
        self.number(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// Writes the numbers that are not zero, each with its distance from the previous one.
    pub(super) fn sparse(&mut self, numbers: impl Iterator<Item = u64> + Clone) {
        let nonzero = numbers.enumerate().filter(|(_, number)| *number != 0);
        self.count(nonzero.clone().count());
        let mut next = 0_usize;
        for (index, number) in nonzero {
            self.count(index.saturating_sub(next));
            self.number(number);
            next = index.saturating_add(1);
        }
    }
}

impl Bytes {
    /// Writes words: the list of those that are not zero, or where that is not longer, one more than their
    /// number, and then all of them with 8 bytes each.
    pub(super) fn words(&mut self, words: &[u64]) {
        let start = self.0.len();
        self.sparse(words.iter().copied());
        let dense = words.len().saturating_mul(8).saturating_add(2);
        if self.0.len().saturating_sub(start) >= dense {
            self.0.truncate(start);
            self.count(words.len().saturating_add(1));
            self.0.extend(words.iter().flat_map(|word| word.to_le_bytes()));
        }
    }
}

impl Reader<'_> {
    /// Reads the words that [`Bytes::words`] has written.
    pub(super) fn words(&mut self, words: &mut [u64]) -> Option<()> {
        let mut sparse = Reader(self.0);
        if sparse.count(words.len().saturating_add(1))? <= words.len() {
            return self.sparse(words.len(), |index, value| {
                *words.get_mut(index)? = value;
                Some(())
            });
        }
        for word in words {
            let (bytes, rest) = sparse.0.split_first_chunk()?;
            *word = u64::from_le_bytes(*bytes);
            sparse.0 = rest;
        }
        self.0 = sparse.0;
        Some(())
    }
}

fn low_byte(number: u64) -> u8 {
    u8::try_from(number & 0x7f).unwrap_or(0)
}

/// A reader of bytes: those that are not read yet.
pub(super) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    /// A reader behind the version. A document of another version reads as an empty one.
    fn new(bytes: &'b [u8]) -> Reader<'b> {
        Reader(bytes.strip_prefix(&[VERSION]).unwrap_or_default())
    }

    fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    fn number(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..64_u32).step_by(7) {
            let (first, rest) = self.0.split_first()?;
            self.0 = rest;
            let bits = u64::from(first & 0x7f);
            // The tenth byte has room for one bit.
            if shift == 63 && bits > 1 {
                return None;
            }
            number |= bits << shift;
            if first & 0x80 == 0 {
                return Some(number);
            }
        }
        None
    }

    pub(super) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        let magnitude = i64::try_from(number >> 1).ok()?;
        Some(if number & 1 == 1 { magnitude.saturating_neg() } else { magnitude })
    }

    /// Reads a count; `None` above `max`.
    fn count(&mut self, max: usize) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|count| *count <= max)
    }

    /// Reads a list of `length` numbers: calls `set` with the index and value of each that is not zero.
    pub(super) fn sparse(
        &mut self,
        length: usize,
        mut set: impl FnMut(usize, u64) -> Option<()>,
    ) -> Option<()> {
        let count = self.count(length)?;
        let mut next = 0_usize;
        for _ in 0..count {
            let index = next.checked_add(self.count(length)?)?;
            set(index, self.number()?)?;
            next = index.checked_add(1)?;
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::{
        BucketSet, ChangeDetector, Counters, EdgeEvidence, ErrorEvidence, GridLevels, GroupTally,
        Monitor, Nats, SlowTally, StageEvidence, StageId, Tallies, Tally, TrafficWindow,
    };
    use crate::hash::Bucket;
    use alloc::vec;
    use proptest::prelude::*;

    /// A tally of consecutive numbers: a field that moves changes the bytes.
    fn tally(first: u64) -> Tally {
        Tally { exposures: first, events: first + 1 }
    }

    fn counters(first: u64) -> Counters {
        Counters { canary: tally(first), baseline: tally(first + 2) }
    }

    fn group() -> GroupTally {
        let mut group = GroupTally {
            requests: counters(1),
            kpi: [5, 6],
            at_risk: [10, 11],
            ..GroupTally::default()
        };
        group.latency[0].record(8_000);
        group.latency[1].record(65_000_000);
        group.errors.insert(Bucket::from_number(0).unwrap());
        group.errors.insert(Bucket::from_number(129).unwrap());
        group.converted = Some(BucketSet::new());
        let mut slow = SlowTally::default();
        slow.edges.record(Bucket::from_number(1).unwrap(), 16);
        slow.requests[1][16] = 12;
        group.slow = Some(slow);
        group
    }

    fn tallies() -> Tallies {
        let stage = StageId { epoch: 300, step: 2, fingerprint: 7 };
        Tallies { stage, groups: vec![group()], shadow: tally(8) }
    }

    /// The bytes of [`tallies`] behind the version.
    const TALLIES: [u8; 70] = [
        0xac, 0x02, 2, 7, // the stage: epoch 300 in two bytes, step, fingerprint
        8, 9, // the shadow
        1, // one group
        1, 2, 3, 4, // its requests
        5, 6, // its KPI events
        1, 0, // the buckets with a KPI event: counted, none
        1, 24, 1, // the canary's latency: one bin, at 24, with 1
        1, 127, 1, // the baseline's
        1, 0, 0, 0, 0, 1, 0,
        2, // the edges of the buckets: the highest of five digits has bit 1
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        0, // the canary's requests by passed edges
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 12, // the baseline's
        2, 0, 1, 1, 2, // the buckets: two words, the first with bit 0, the third with bit 1
        10, 11, // the requests at risk
    ];

    #[test]
    fn the_layout_of_tallies_does_not_change() {
        assert_eq!(tallies().to_bytes(), [&[2], &TALLIES[..]].concat());
        assert_eq!(Tallies::from_bytes(&tallies().to_bytes()), Some(tallies()));
    }

    #[test]
    fn the_layout_of_monitors_does_not_change() {
        let nats = |raw: i64| Nats::from_raw(raw);
        let levels = |first: i64| GridLevels([0, 1, 2, 3, 4].map(|n| nats(first + n)));
        let window = |first: u64| TrafficWindow { elapsed_ms: first, requests: first + 1 };
        let errors = |first: u64| {
            let (counters, promotion) = (counters(first), nats(-1));
            let mut errors = ErrorEvidence { counters, promotion, ..ErrorEvidence::default() };
            errors.levels = levels(18);
            errors.late[0] = ChangeDetector { level: nats(30), since: self::counters(31) };
            errors
        };
        let mut evidence = StageEvidence {
            elapsed_ms: 1,
            minute: window(2),
            since_minute: window(4),
            requests: counters(6),
            recent: counters(54),
            kpi: counters(14),
            kpi_levels: levels(24),
            ..StageEvidence::default()
        };
        evidence.errors = errors(10);
        evidence.confirming = errors(50);
        evidence.latency[15] = EdgeEvidence {
            counters: counters(35),
            levels: levels(39),
            confirming: levels(18),
            recent: counters(58),
        };
        let monitor = Monitor {
            stage: StageId { epoch: 1, step: 2, fingerprint: 3 },
            evaluated_at: 128,
            evaluated: tallies(),
            groups: vec![evidence],
            shadow: levels(44),
        };
        let mut expected = vec![2, 1, 2, 3, 0x80, 1];
        expected.extend(TALLIES);
        // One group: time, windows and requests.
        expected.push(1);
        expected.extend(1..=9_u8);
        for first in [10, 50] {
            expected.extend(first..first + 4);
            // Levels are signed: twice the magnitude.
            expected.extend([36, 38, 40, 42, 44]);
            expected.extend([60, 31, 32, 33, 34]);
            expected.extend([0; 4 * 5]);
            expected.push(3);
        }
        expected.extend(54..=57_u8);
        expected.extend(14..=17_u8);
        expected.extend([48, 50, 52, 54, 56]);
        expected.extend([0; 15 * 18]);
        expected.extend([35, 36, 37, 38, 78, 80, 82, 84, 86]);
        expected.extend([36, 38, 40, 42, 44]);
        expected.extend(58..=61_u8);
        expected.extend([88, 90, 92, 94, 96]);
        assert_eq!(monitor.to_bytes(), expected);
        assert_eq!(Monitor::from_bytes(&expected), Some(monitor));
    }

    #[test]
    fn words_take_no_more_than_eight_bytes_each() {
        let dense: Vec<u64> = (0..1563).map(|word| u64::MAX - word).collect();
        let mut sparse = vec![0; 1563];
        sparse[700] = 1 << 63;
        for (words, length) in [(dense, 1 + 2 + 1563 * 8), (sparse, 1 + 1 + 2 + 10)] {
            let mut out = Bytes::default();
            out.words(&words);
            assert_eq!(out.0.len(), length);
            let mut read = vec![0; 1563];
            let mut reader = Reader::new(&out.0);
            reader.words(&mut read).unwrap();
            assert!(reader.is_at_end());
            assert_eq!(read, words);
            let truncated = &out.0[..length - 1];
            assert_eq!(Reader::new(truncated).words(&mut read), None);
        }
    }

    proptest! {
        #[test]
        fn written_numbers_are_read_back(numbers in proptest::collection::vec(any::<u64>(), 0..9), signed: i64) {
            let mut out = Bytes::default();
            out.sparse(numbers.iter().copied());
            out.signed(signed);
            let bytes = out.0;
            let mut reader = Reader::new(&bytes);
            let mut read = alloc::vec![0; numbers.len()];
            reader.sparse(numbers.len(), |index, number| {
                read[index] = number;
                Some(())
            }).unwrap();
            prop_assert_eq!(read, numbers);
            prop_assert_eq!(reader.signed(), Some(signed.max(-i64::MAX)));
            prop_assert!(reader.is_at_end());
        }

        #[test]
        fn arbitrary_bytes_do_not_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            let _ = reader.sparse(9, |index, _| (index < 9).then_some(()));
            let _ = <[u64; 4]>::read(&mut reader);
        }
    }
}
