//! The latches that all VMs share: every request of a plan with gates reads them, a judge writes them.

use core::cell::RefCell;

use std::rc::Rc;

use serin_core::Plan;
use serin_core::gate::{ActiveLatches, Latches};

use crate::host::{self, Level};
use crate::shared_data::SharedData;

/// The first byte of the shared value; the document follows.
const WAITING: u8 = b'?';
const KNOWN: u8 = b'!';
/// How often a change is tried. Each conflict means that another VM has succeeded.
const MAX_TRIES: u32 = 32;

/// The shared latches, with what the latest reading of them came to.
pub(crate) struct SharedLatches {
    key: String,
    cached: RefCell<Cached>,
}

#[derive(Default)]
struct Cached {
    cas: u32,
    reading: Rc<Reading>,
    active: Option<Rc<ActiveLatches>>,
}

/// The shared latches.
pub(crate) struct Reading {
    pub(crate) latches: Latches,
    /// Whether earlier aborts are still to be read from the latch source: until then rollouts with gates
    /// wait on their baseline.
    pub(crate) is_waiting: bool,
}

impl Default for Reading {
    fn default() -> Reading {
        Reading::parse(&[])
    }
}

impl Reading {
    fn parse(bytes: &[u8]) -> Reading {
        let (first, json) = bytes.split_first().unwrap_or((&KNOWN, &[]));
        let latches = Latches::from_json(json).unwrap_or_default();
        Reading { latches, is_waiting: *first == WAITING }
    }

    fn active(&self, plan: &Plan) -> Option<ActiveLatches> {
        if self.is_waiting {
            return Some(self.latches.while_waiting(plan));
        }
        self.latches.for_plan(plan)
    }
}

impl SharedLatches {
    /// The shared latches. The first VM creates them; `is_waiting` says that earlier aborts are still to be
    /// read.
    pub(crate) fn new(shared: &SharedData, is_waiting: bool) -> SharedLatches {
        let key = shared.key("latches");
        if host::shared(&key).is_none() {
            host::set_shared(&key, &[if is_waiting { WAITING } else { KNOWN }], 0);
            let text = if is_waiting {
                "gates: rollouts with gates stay on their baseline until earlier aborts are read"
            } else {
                "gates: starting without earlier aborts: none are known"
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
    pub(crate) fn read(&self, plan: &Plan) -> Rc<Reading> {
        let Ok(mut cached) = self.cached.try_borrow_mut() else { return Rc::default() };
        cached.refresh(&self.key, plan);
        Rc::clone(&cached.reading)
    }

    /// Changes the latches for all VMs, and ends the waiting for earlier aborts.
    pub(crate) fn change(&self, change: impl Fn(&mut Latches)) {
        for remaining in (0..MAX_TRIES).rev() {
            let (bytes, cas) = host::shared(&self.key).unwrap_or_default();
            let stored = Reading::parse(&bytes);
            let mut latches = stored.latches.clone();
            change(&mut latches);
            if !stored.is_waiting && latches == stored.latches {
                return;
            }
            let mut value = vec![KNOWN];
            value.extend_from_slice(latches.to_json().as_bytes());
            // The last try overwrites: an abort must not be lost.
            if host::set_shared(&self.key, &value, if remaining == 0 { 0 } else { cas }) {
                return;
            }
        }
    }
}

impl Cached {
    fn refresh(&mut self, key: &str, plan: &Plan) {
        let Some((bytes, cas)) = host::shared(key).filter(|(_, cas)| *cas != self.cas) else {
            return;
        };
        let reading = Reading::parse(&bytes);
        let active = reading.active(plan).map(Rc::new);
        *self = Cached { cas, reading: Rc::new(reading), active };
    }
}
