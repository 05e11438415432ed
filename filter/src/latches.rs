//! The latches that all VMs share: read by every request of a guarded plan, written when a gate speaks.

use core::cell::RefCell;

use std::rc::Rc;

use serin_core::Plan;
use serin_core::gate::{ActiveLatches, KnownLatches, Latches};

use crate::host::{self, Level};

/// Writing is tried so often; somebody who writes in between is somebody who got through.
const TRIES: u32 = 32;

/// The shared latches, with the last reading.
pub(crate) struct SharedLatches {
    key: String,
    seen: RefCell<Seen>,
}

#[derive(Default)]
struct Seen {
    cas: u32,
    active: Option<Rc<ActiveLatches>>,
}

impl SharedLatches {
    /// The latches under a key. If no VM has them yet, they are begun: `waits` says that earlier aborts
    /// are still to be read.
    pub(crate) fn new(key: String, waits: bool) -> SharedLatches {
        if host::shared(&key).is_none() {
            let begun = KnownLatches { is_complete: !waits, ..KnownLatches::default() };
            host::set_shared(&key, &begun.to_bytes(), 0);
            let text = if waits {
                "gates: guarded rollouts are on their baseline until earlier aborts are read"
            } else {
                "gates: begun afresh, earlier aborts are not known"
            };
            host::log(Level::Info, text);
        }
        SharedLatches { key, seen: RefCell::default() }
    }

    /// What decisions have to obey; reads anew only what has changed.
    pub(crate) fn active(&self, plan: &Plan) -> Option<Rc<ActiveLatches>> {
        let mut seen = self.seen.try_borrow_mut().ok()?;
        if let Some((bytes, cas)) = host::shared(&self.key)
            && cas != seen.cas
        {
            let active = KnownLatches::from_bytes(&bytes).for_plan(plan);
            *seen = Seen { cas, active: active.map(Rc::new) };
        }
        seen.active.clone()
    }

    /// All of them as they are now.
    pub(crate) fn read(&self) -> KnownLatches {
        let (bytes, _) = host::shared(&self.key).unwrap_or_default();
        KnownLatches::from_bytes(&bytes)
    }

    /// Changes them for all VMs, and says that earlier aborts are known.
    pub(crate) fn change(&self, change: impl Fn(&mut Latches)) {
        for rest in (0..TRIES).rev() {
            let (bytes, cas) = host::shared(&self.key).unwrap_or_default();
            let before = KnownLatches::from_bytes(&bytes);
            let mut latches = before.latches.clone();
            change(&mut latches);
            if before.is_complete && latches == before.latches {
                return;
            }
            let value = KnownLatches { latches, is_complete: true }.to_bytes();
            // At last without asking: an abort must not be lost.
            if host::set_shared(&self.key, &value, if rest == 0 { 0 } else { cas }) {
                return;
            }
        }
    }
}
