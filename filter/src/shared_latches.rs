//! The latches that all VMs share. Every request of a plan with gates reads them; the elected VM writes them.

use core::cell::RefCell;

use std::rc::Rc;

use serin_core::Plan;
use serin_core::gate::{ActiveLatches, Latches};
use serin_judge::KnownLatches;

use crate::host::{self, Level};
use crate::shared_data::SharedData;

/// The maximum number of tries of a change. Each conflict means that another VM has succeeded.
const MAX_TRIES: u32 = 32;

/// The shared latches, with the result of the latest read.
pub(crate) struct SharedLatches {
    key: String,
    cached: RefCell<Cached>,
}

#[derive(Default)]
struct Cached {
    cas: u32,
    known: Rc<KnownLatches>,
    active: Option<Rc<ActiveLatches>>,
}

impl SharedLatches {
    /// Whether a config of this process has had latches.
    pub(crate) fn exist(shared: &SharedData) -> bool {
        host::shared_data(&KnownLatches::key(shared.prefix())).is_some()
    }

    /// Opens the shared latches. The first VM creates them. If `is_waiting`, they are incomplete until the
    /// latch source has been read.
    pub(crate) fn new(shared: &SharedData, is_waiting: bool) -> SharedLatches {
        let key = KnownLatches::key(shared.prefix());
        if host::shared_data(&key).is_none() {
            let initial = KnownLatches { is_complete: !is_waiting, ..KnownLatches::default() };
            host::set_shared_data(&key, &initial.to_bytes(), 0);
            let text = if is_waiting {
                "gates: rollouts with gates stay on their baseline until SERIN_STATE_URL is read"
            } else {
                "gates: starting without latches: earlier aborts are not known"
            };
            host::log(Level::Info, text);
        }
        SharedLatches { key, cached: RefCell::default() }
    }

    /// The latches that decisions obey. They are parsed only when they have changed.
    pub(crate) fn active(&self, plan: &Plan) -> Option<Rc<ActiveLatches>> {
        let mut cached = self.cached.try_borrow_mut().ok()?;
        cached.refresh(&self.key, plan);
        cached.active.clone()
    }

    /// All latches. They are parsed only when they have changed.
    pub(crate) fn read(&self, plan: &Plan) -> Rc<KnownLatches> {
        let Ok(mut cached) = self.cached.try_borrow_mut() else { return Rc::default() };
        cached.refresh(&self.key, plan);
        Rc::clone(&cached.known)
    }

    /// Changes the latches for all VMs, and marks them as complete.
    pub(crate) fn change(&self, change: impl Fn(&mut Latches)) {
        for remaining in (0..MAX_TRIES).rev() {
            let (bytes, cas) = host::shared_data(&self.key).unwrap_or_default();
            let stored = KnownLatches::from_bytes(&bytes);
            let mut latches = stored.latches.clone();
            change(&mut latches);
            if stored.is_complete && latches == stored.latches {
                return;
            }
            let value = KnownLatches { latches, is_complete: true }.to_bytes();
            // The last try overwrites: an abort must not be lost.
            if host::set_shared_data(&self.key, &value, if remaining == 0 { 0 } else { cas }) {
                return;
            }
        }
    }
}

impl Cached {
    fn refresh(&mut self, key: &str, plan: &Plan) {
        let Some((bytes, cas)) = host::shared_data(key).filter(|(_, cas)| *cas != self.cas) else {
            return;
        };
        let known = KnownLatches::from_bytes(&bytes);
        let active = known.for_plan(plan).map(Rc::new);
        *self = Cached { cas, known: Rc::new(known), active };
    }
}
