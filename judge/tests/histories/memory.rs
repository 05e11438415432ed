//! A store of one owner.

use std::cell::RefCell;
use std::collections::BTreeMap;

use serin_judge::{Conflict, Store};

/// Values by key.
#[derive(Default)]
pub(crate) struct Memory(RefCell<BTreeMap<String, Vec<u8>>>);

impl Store for Memory {
    type Version = ();

    fn get(&self, key: &str) -> (Option<Vec<u8>>, ()) {
        (self.0.borrow().get(key).cloned(), ())
    }

    fn set(&self, key: &str, value: &[u8], (): &()) -> Result<(), Conflict> {
        self.0.borrow_mut().insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    fn remove(&self, key: &str) {
        self.0.borrow_mut().remove(key);
    }
}
