//! A counter.

use std::cell::Cell;

/// A counter.
#[derive(Debug, Default)]
pub(crate) struct Counter(Cell<u64>);

impl Counter {
    pub(crate) fn increment(&self) {
        self.0.set(self.0.get().saturating_add(1));
    }

    pub(crate) fn add(&self, count: u64) {
        self.0.set(self.0.get().saturating_add(count));
    }

    pub(crate) fn get(&self) -> u64 {
        self.0.get()
    }
}
