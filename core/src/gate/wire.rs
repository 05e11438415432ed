//! Counters as bytes, between workers of a host and between hosts: numbers of variable length (LEB128),
//! lists without their zeros. What is read comes from outside and is bounded.

use alloc::vec::Vec;

/// The layout's version, the first byte.
const VERSION: u8 = 1;

/// Bytes being written.
pub(super) struct Bytes(Vec<u8>);

impl Default for Bytes {
    fn default() -> Bytes {
        Bytes(alloc::vec![VERSION])
    }
}

impl Bytes {
    pub(super) fn into_vec(self) -> Vec<u8> {
        self.0
    }

    pub(super) fn number(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(low_byte(number) | 0x80);
            number >>= 7;
        }
        self.0.push(low_byte(number));
    }

    /// A number that may be negative: its sign in the lowest bit.
    pub(super) fn signed(&mut self, number: i64) {
        let magnitude = number.unsigned_abs();
        // The lowest number of all loses its highest bit and is read as the next one.
        let magnitude = magnitude.min(i64::MAX.unsigned_abs());
        self.number((magnitude << 1) | u64::from(number < 0));
    }

    pub(super) fn numbers<const N: usize>(&mut self, numbers: [u64; N]) {
        numbers.into_iter().for_each(|number| self.number(number));
    }

    pub(super) fn count(&mut self, count: usize) {
        self.number(u64::try_from(count).unwrap_or(u64::MAX));
    }

    /// The numbers that are not zero, each with its distance from the one before.
    pub(super) fn sparse(&mut self, numbers: impl Iterator<Item = u64> + Clone) {
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
    pub(super) fn new(bytes: &'b [u8]) -> Reader<'b> {
        Reader(bytes.strip_prefix(&[VERSION]).unwrap_or_default())
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn number(&mut self) -> Option<u64> {
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

    pub(super) fn signed(&mut self) -> Option<i64> {
        let number = self.number()?;
        let magnitude = i64::try_from(number >> 1).ok()?;
        Some(if number & 1 == 1 { magnitude.saturating_neg() } else { magnitude })
    }

    pub(super) fn numbers<const N: usize>(&mut self) -> Option<[u64; N]> {
        let mut numbers = [0; N];
        for number in &mut numbers {
            *number = self.number()?;
        }
        Some(numbers)
    }

    /// A count of at most `most`.
    pub(super) fn count(&mut self, most: usize) -> Option<usize> {
        usize::try_from(self.number()?).ok().filter(|count| *count <= most)
    }

    /// A list of `length` numbers: calls `set` with each that is not zero.
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
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read(numbers in proptest::collection::vec(any::<u64>(), 0..9), signed: i64) {
            let mut out = Bytes::default();
            out.sparse(numbers.iter().copied());
            out.signed(signed);
            let bytes = out.into_vec();
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
            let _ = reader.numbers::<4>();
        }
    }
}
