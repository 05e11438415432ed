//! `hashVersion: 1`: which unit falls into which bucket.
//!
//! XXH3-64 with the purpose's seed over: the salt's length in bytes as a little-endian `u32`, the
//! salt, the unit's length likewise, the unit. UTF-8 throughout. A change here is a new hash
//! version, never an edit: `tests/vectors` pins these bytes.

use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_64_with_seed};

use crate::value::share::Share;

/// The version of everything in this file.
pub const HASH_VERSION: u32 = 1;

/// What a bucket is for. Different purposes are independent of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Whether a unit is in a growing share: a flag's ramp, a rollout's canary.
    Ramp = 1,
    /// Which of several variants or arms a unit gets.
    Split = 2,
    /// Which part of a layer a unit is in.
    Layer = 3,
    /// Whether a unit is held out.
    Holdout = 4,
    /// Whose requests are copied to a shadow.
    Shadow = 5,
}

impl Purpose {
    /// The seed of the hash.
    pub const fn seed(self) -> u64 {
        self as u64
    }
}

/// One of the 100,000 buckets, 0 to 99,999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bucket(u32);

impl Bucket {
    /// The bucket of a unit: the hash scaled to 100,000, by multiplication and never by modulo.
    pub fn of(purpose: Purpose, salt: &str, unit: &str) -> Bucket {
        let scaled = u128::from(hash(purpose, salt, unit))
            .saturating_mul(u128::from(Share::ALL.millipercent()));
        // The product of a u64 and 100,000, without its low 64 bits, is below 100,000.
        Bucket(u32::try_from(scaled >> 64).unwrap_or(0))
    }

    /// The bucket with a number; `None` from 100,000 on.
    pub const fn from_number(number: u32) -> Option<Bucket> {
        if number < Share::ALL.millipercent() { Some(Bucket(number)) } else { None }
    }

    /// The bucket's number, 0 to 99,999.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether the bucket lies in a share that is counted from bucket 0.
    pub const fn is_in(self, share: Share) -> bool {
        self.0 < share.millipercent()
    }
}

/// The hash itself. Short inputs, which are nearly all, are hashed in one piece from the stack.
fn hash(purpose: Purpose, salt: &str, unit: &str) -> u64 {
    const SHORT: usize = 128;
    let (salt_length, unit_length) = (length(salt), length(unit));
    let parts: [&[u8]; 4] = [&salt_length, salt.as_bytes(), &unit_length, unit.as_bytes()];
    let mut buffer = [0_u8; SHORT];
    let mut used = 0_usize;
    for part in parts {
        let end = used.saturating_add(part.len());
        let Some(room) = buffer.get_mut(used..end) else {
            return hash_long(purpose, parts);
        };
        room.copy_from_slice(part);
        used = end;
    }
    xxh3_64_with_seed(buffer.get(..used).unwrap_or(&[]), purpose.seed())
}

#[cold]
fn hash_long(purpose: Purpose, parts: [&[u8]; 4]) -> u64 {
    let mut state = Xxh3::with_seed(purpose.seed());
    for part in parts {
        state.update(part);
    }
    state.digest()
}

/// A text's length on the wire. Inputs are far below 4 GiB: hosts bound their headers.
fn length(text: &str) -> [u8; 4] {
    u32::try_from(text.len()).unwrap_or(u32::MAX).to_le_bytes()
}

/// XXH3-64 without a seed: the digest of a document, or of a body that is compared with another.
pub fn digest(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn the_hash_is_pinned() {
        // From the reference implementation in Python, package xxhash.
        assert_eq!(hash(Purpose::Ramp, "new-checkout", "user-1"), 0x5714b322e07f0242);
        assert_eq!(hash(Purpose::Split, "new-checkout", "user-1"), 0x224f9c3c0203298d);
        assert_eq!(hash(Purpose::Ramp, "", ""), 0x9e51ad6d2f3e695c);
        assert_eq!(hash(Purpose::Ramp, "größe", "日本語"), 0x2925ea62e8ce229f);
        assert_eq!(hash(Purpose::Ramp, "s", &"x".repeat(1000)), 0x6b6e35dc53d5eac2);
    }

    #[test]
    fn one_piece_and_many_pieces_agree() {
        for length in 0..400 {
            let unit: String = "ab".repeat(length);
            let parts: [&[u8]; 4] =
                [&super::length("salt"), b"salt", &super::length(&unit), unit.as_bytes()];
            assert_eq!(hash(Purpose::Split, "salt", &unit), hash_long(Purpose::Split, parts));
        }
    }
}
