//! The hash that assigns units to buckets, version 1.
//!
//! It is XXH3-64, seeded by the purpose, over four parts: the length of the salt in bytes as a
//! little-endian `u32`, the salt in UTF-8, the length of the unit likewise, and the unit in UTF-8.
//! A different hash needs a new version: `tests/vectors` pins the buckets of this one.

use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_64_with_seed};

use crate::value::share::Share;

/// The version of the hash.
pub const HASH_VERSION: u32 = 1;

/// The purpose of a bucket. Buckets of different purposes are independent of each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
#[non_exhaustive]
pub enum Purpose {
    /// Whether a unit is in a growing share: a flag's ramp, a rollout's canary.
    Ramp = 1,
    /// Which of several variants or arms a unit gets.
    Split = 2,
    /// Which range of a layer a unit is in.
    Layer = 3,
    /// Whether a unit is held out.
    Holdout = 4,
    /// Whether a unit's requests are copied to a shadow.
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
    /// The bucket of a unit: the hash, scaled to 100,000 by multiplication, not by modulo.
    pub fn of(purpose: Purpose, salt: &str, unit: &str) -> Bucket {
        let scaled = u128::from(hash(purpose, salt, unit))
            .saturating_mul(u128::from(Share::ALL.millipercent()));
        // The product of a u64 and 100,000, without its low 64 bits, is below 100,000.
        Bucket(u32::try_from(scaled >> 64).unwrap_or(0))
    }

    /// The bucket with a number; `None` for 100,000 and more.
    pub const fn from_number(number: u32) -> Option<Bucket> {
        if number < Share::ALL.millipercent() { Some(Bucket(number)) } else { None }
    }

    /// The bucket's number, 0 to 99,999.
    pub const fn number(self) -> u32 {
        self.0
    }

    /// Whether the bucket is in a share that is counted from bucket 0.
    pub const fn is_in(self, share: Share) -> bool {
        self.0 < share.millipercent()
    }
}

/// The hash of a unit. Inputs of up to 128 bytes, which are nearly all, are hashed in one piece on
/// the stack.
fn hash(purpose: Purpose, salt: &str, unit: &str) -> u64 {
    const BUFFER_BYTES: usize = 128;
    let (salt_length, unit_length) = (length(salt), length(unit));
    let parts: [&[u8]; 4] = [&salt_length, salt.as_bytes(), &unit_length, unit.as_bytes()];
    let mut buffer = [0_u8; BUFFER_BYTES];
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

/// The length of a part, as it is hashed. Parts are far below 4 GiB, because hosts limit header
/// sizes.
fn length(part: &str) -> [u8; 4] {
    u32::try_from(part.len()).unwrap_or(u32::MAX).to_le_bytes()
}

/// XXH3-64 without a seed: the digest of a document, or of a body that is compared.
pub fn digest(bytes: &[u8]) -> u64 {
    xxh3_64(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::String;

    #[test]
    fn hash_matches_the_reference_implementation() {
        // Computed with the Python package xxhash.
        assert_eq!(hash(Purpose::Ramp, "new-checkout", "user-1"), 0x5714b322e07f0242);
        assert_eq!(hash(Purpose::Split, "new-checkout", "user-1"), 0x224f9c3c0203298d);
        assert_eq!(hash(Purpose::Ramp, "", ""), 0x9e51ad6d2f3e695c);
        assert_eq!(hash(Purpose::Ramp, "größe", "日本語"), 0x2925ea62e8ce229f);
        assert_eq!(hash(Purpose::Ramp, "s", &"x".repeat(1000)), 0x6b6e35dc53d5eac2);
    }

    #[test]
    fn buffered_and_streaming_hash_agree() {
        for length in 0..400 {
            let unit: String = "ab".repeat(length);
            let parts: [&[u8]; 4] =
                [&super::length("salt"), b"salt", &super::length(&unit), unit.as_bytes()];
            assert_eq!(hash(Purpose::Split, "salt", &unit), hash_long(Purpose::Split, parts));
        }
    }
}
