//! The byte form of counters, between the workers of a host and between hosts: numbers of variable
//! length (LEB128), sparse lists without their zeros. What is read comes from outside and is bounded.
//!
//! The macro `wire!` makes the writer and the reader of a struct from one list of its fields.

use alloc::vec::Vec;

use super::bucket_set::BucketSet;
use super::counters::{Counters, Tally};
use super::latency::{LATENCY_COUNTS, LatencyCounts};
use super::monitor::Monitor;
use super::nats::Nats;
use super::outcome::StageId;
use super::process::{Detector, Levels};
use super::stage::{EdgeState, Pace, StageEvidence};
use super::tallies::{GroupTally, Tallies};

/// The layout's version, the first byte.
const VERSION: u8 = 1;

/// A value with a byte form.
pub(super) trait Wire: Sized {
    /// Appends the value.
    fn write(&self, out: &mut Bytes);
    /// Reads a value that [`Wire::write`] has written; `None` for other bytes.
    fn read(reader: &mut Reader<'_>) -> Option<Self>;

    /// A whole document: the layout's version, then the value.
    fn encode(&self) -> Vec<u8> {
        let mut out = Bytes::default();
        self.write(&mut out);
        out.0
    }

    /// Reads a whole document; `None` if bytes are left over.
    fn decode(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        let value = Self::read(&mut reader)?;
        reader.is_at_end().then_some(value)
    }
}

/// Implements [`Wire`] for structs: their fields, in this order.
macro_rules! wire {
    ($($type:ident { $($field:ident),+ $(,)? })+) => {$(
        impl Wire for $type {
            fn write(&self, out: &mut Bytes) {
                $(self.$field.write(out);)+
            }

            fn read(reader: &mut Reader<'_>) -> Option<Self> {
                Some($type { $($field: Wire::read(reader)?,)+ })
            }
        }
    )+};
}

wire! {
    StageId { epoch, step, fingerprint }
    Tally { exposures, events }
    Counters { canary, baseline }
    Pace { elapsed_ms, requests }
    Detector { level, since }
    EdgeState { counters, levels }
    StageEvidence {
        elapsed_ms, minute, since_minute, requests, errors, kpi, error_levels, late, promotion,
        kpi_levels, latency,
    }
    GroupTally { requests, kpi, latency, errors }
    Tallies { stage, shadow, groups }
    Monitor { stage, evaluated_at, seen, groups, shadow }
}

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

impl Wire for Nats {
    fn write(&self, out: &mut Bytes) {
        out.signed(self.raw());
    }

    fn read(reader: &mut Reader<'_>) -> Option<Nats> {
        reader.signed().map(Nats::from_raw)
    }
}

impl Wire for Levels {
    fn write(&self, out: &mut Bytes) {
        self.0.write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Option<Levels> {
        Wire::read(reader).map(Levels)
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

/// The groups of a trial.
impl<T: Wire> Wire for Vec<T> {
    fn write(&self, out: &mut Bytes) {
        out.count(self.len());
        self.iter().for_each(|item| item.write(out));
    }

    fn read(reader: &mut Reader<'_>) -> Option<Vec<T>> {
        let count = reader.count(Monitor::MAX_GROUPS)?;
        let mut items = Vec::with_capacity(count);
        for _ in 0..count {
            items.push(T::read(reader)?);
        }
        Some(items)
    }
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

impl Wire for BucketSet {
    fn write(&self, out: &mut Bytes) {
        out.sparse(self.words().iter().copied());
    }

    fn read(reader: &mut Reader<'_>) -> Option<BucketSet> {
        let mut words = BucketSet::new().words().to_vec();
        reader.sparse(words.len(), |index, value| {
            *words.get_mut(index)? = value;
            Some(())
        })?;
        Some(BucketSet::from_words(&words))
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

    /// A number that may be negative: its sign in the lowest bit.
    fn signed(&mut self, number: i64) {
        let magnitude = number.unsigned_abs();
        // The lowest number of all loses its highest bit and is read as the next one.
        let magnitude = magnitude.min(i64::MAX.unsigned_abs());
        self.number((magnitude << 1) | u64::from(number < 0));
    }

    fn count(&mut self, count: usize) {
        self.number(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// The numbers that are not zero, each with its distance from the one before.
    fn sparse(&mut self, numbers: impl Iterator<Item = u64> + Clone) {
        let there = numbers.enumerate().filter(|(_, number)| *number != 0);
        self.count(there.clone().count());
        let mut next = 0_usize;
        for (index, number) in there {
            self.count(index.saturating_sub(next));
            self.number(number);
            next = index.saturating_add(1);
        }
    }
}

fn low_byte(number: u64) -> u8 {
    u8::try_from(number & 0x7f).unwrap_or(0)
}

/// Bytes being read.
pub(super) struct Reader<'b>(&'b [u8]);

impl<'b> Reader<'b> {
    /// Bytes of another version read as nothing.
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
            // What is shifted out would be lost in silence.
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

    fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        let magnitude = i64::try_from(number >> 1).ok()?;
        Some(if number & 1 == 1 { magnitude.saturating_neg() } else { magnitude })
    }

    /// A count of at most `most`.
    fn count(&mut self, most: usize) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|count| *count <= most)
    }

    /// A list of `length` numbers: calls `set` with each that is not zero.
    fn sparse(
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
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers in proptest::collection::vec(any::<u64>(), 0..9), signed: i64) {
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
        fn any_bytes_can_be_read(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = Reader::new(&bytes);
            let _ = reader.sparse(9, |index, _| (index < 9).then_some(()));
            let _ = <[u64; 4]>::read(&mut reader);
        }
    }
}
