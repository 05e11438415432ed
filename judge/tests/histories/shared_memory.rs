//! A store that several VMs share, as Envoy's shared data.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;

use serin_judge::{Conflict, Store};

/// Values by key, each with the number of its latest write. A write with version 0 always succeeds, and that is the
/// version of a key without a value.
#[derive(Default)]
pub(crate) struct SharedMemory {
    values: RefCell<BTreeMap<String, (Vec<u8>, u32)>>,
    writes: Cell<u32>,
}

impl Store for SharedMemory {
    type Version = u32;

    fn get(&self, key: &str) -> (Option<Vec<u8>>, u32) {
        let values = self.values.borrow();
        values.get(key).map_or((None, 0), |(value, version)| (Some(value.clone()), *version))
    }

    fn set(&self, key: &str, value: &[u8], version: &u32) -> Result<(), Conflict> {
        let mut values = self.values.borrow_mut();
        let known = values.get(key).map(|(_, version)| *version);
        if *version != 0 && known.is_some_and(|known| known != *version) {
            return Err(Conflict);
        }
        self.writes.set(self.writes.get() + 1);
        values.insert(key.to_owned(), (value.to_vec(), self.writes.get()));
        Ok(())
    }

    fn remove(&self, key: &str) {
        let _ = self.set(key, &[], &0);
    }
}
