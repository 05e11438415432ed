//! The store of a judge.

use alloc::vec::Vec;
use core::fmt;

/// A store of values by key, with optimistic concurrency.
///
/// A store of one owner (a Durable Object, an embedded file) needs no versions and may use `()`. A store of
/// several (Envoy's shared data, etcd) refuses a write if the key has changed since it was read. A store
/// that can only be reached asynchronously reads a trial's keys into memory first, runs the judge on that
/// snapshot, and commits its writes in one transaction.
pub trait Store {
    /// Identifies one state of a key.
    type Version;

    /// The value of a key, `None` if it has none, with the version of that state.
    fn get(&self, key: &str) -> (Option<Vec<u8>>, Self::Version);

    /// Sets a key if it is still at `version`.
    ///
    /// # Errors
    /// [`Conflict`] if another writer was first; nothing is written.
    fn set(&self, key: &str, value: &[u8], version: &Self::Version) -> Result<(), Conflict>;

    /// Removes a key.
    fn remove(&self, key: &str);
}

impl<S: Store> Store for &S {
    type Version = S::Version;

    fn get(&self, key: &str) -> (Option<Vec<u8>>, S::Version) {
        (*self).get(key)
    }

    fn set(&self, key: &str, value: &[u8], version: &S::Version) -> Result<(), Conflict> {
        (*self).set(key, value, version)
    }

    fn remove(&self, key: &str) {
        (*self).remove(key);
    }
}

/// The error of a write to a key that has changed since it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict;

impl fmt::Display for Conflict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("another writer was first")
    }
}

impl core::error::Error for Conflict {}

/// The number of tries of a change. Each conflict means that another writer has succeeded.
const MAX_TRIES: u32 = 16;

/// Reads a key, computes its new value with `change`, and writes it; retries if another writer was first.
/// `None` from `change` writes nothing.
///
/// # Errors
/// [`Conflict`] after 16 tries.
pub(crate) fn update<S: Store>(
    store: &S,
    key: &str,
    mut change: impl FnMut(Option<Vec<u8>>) -> Option<Vec<u8>>,
) -> Result<(), Conflict> {
    for _ in 0..MAX_TRIES {
        let (value, version) = store.get(key);
        let Some(changed) = change(value) else { return Ok(()) };
        if store.set(key, &changed, &version).is_ok() {
            return Ok(());
        }
    }
    Err(Conflict)
}
