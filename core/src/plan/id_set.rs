//! A small set of ids.

use alloc::vec::Vec;

/// A set of ids as a sorted list.
#[derive(Clone, Debug, Default)]
pub(crate) struct IdSet(Vec<u32>);

impl IdSet {
    pub(crate) fn insert(&mut self, id: u32) {
        if let Err(index) = self.0.binary_search(&id) {
            self.0.insert(index, id);
        }
    }

    pub(crate) fn extend(&mut self, other: &IdSet) {
        other.iter().for_each(|id| self.insert(id));
    }

    pub(crate) fn contains(&self, id: u32) -> bool {
        self.0.binary_search(&id).is_ok()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = u32> {
        self.0.iter().copied()
    }
}
