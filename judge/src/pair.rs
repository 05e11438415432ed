//! Values of two numbers in a store.

use alloc::vec::Vec;

use crate::store::{Conflict, Store};

/// The two numbers of a key, with the version of that state; `None` if the key has no such value.
pub fn get_pair<S: Store>(store: &S, key: &str) -> (Option<(u64, u64)>, S::Version) {
    let (bytes, version) = store.get(key);
    (bytes.as_deref().and_then(read), version)
}

/// Sets a key to two numbers: see [`Store::set`].
///
/// # Errors
/// [`Conflict`] if another writer was first; nothing is written.
pub fn set_pair<S: Store>(
    store: &S,
    key: &str,
    (first, second): (u64, u64),
    version: &S::Version,
) -> Result<(), Conflict> {
    let bytes: Vec<u8> = [first.to_le_bytes(), second.to_le_bytes()].concat();
    store.set(key, &bytes, version)
}

/// Reads two little-endian numbers.
fn read(bytes: &[u8]) -> Option<(u64, u64)> {
    let (first, second) = bytes.split_at_checked(8)?;
    let number = |bytes: &[u8]| Some(u64::from_le_bytes(bytes.try_into().ok()?));
    Some((number(first)?, number(second)?))
}
