//! The judge's state as JSON, for status pages.

use alloc::string::String;

use serin_core::Plan;
use serin_core::gate::{Tallies, Tally};
use serin_core::json::{self, ObjectWriter};

use crate::audit_log;
use crate::judge::Judge;
use crate::store::Store;

impl<S: Store> Judge<S> {
    /// The state as JSON: the latch document with `watched` (the tallies of each trial, by rollout) and
    /// `audits` (the latest records, the oldest first).
    pub fn status(&self, plan: &Plan) -> String {
        json::object(|object| {
            self.document().write(object);
            object.object("watched", |watched| {
                for rollout in plan.rollouts() {
                    if let Some(tallies) = self.tallies(rollout.name()) {
                        watched.object(rollout.name(), |object| write_tallies(&tallies, object));
                    }
                }
            });
            let audits = audit_log::read(self.store());
            object.list("audits", |list| audits.lines().for_each(|record| list.raw(record)));
        })
    }
}

fn write_tallies(tallies: &Tallies, object: &mut ObjectWriter<'_>) {
    let requests = tallies.groups.first().map(|everybody| everybody.requests).unwrap_or_default();
    object.number("epoch", tallies.stage.epoch);
    object.number("step", tallies.stage.step);
    for (arm, tally) in [("canary", requests.canary), ("baseline", requests.baseline)] {
        object.object(arm, |object| write_tally(tally, ["requests", "errors"], object));
    }
    object.object("shadow", |object| write_tally(tallies.shadow, ["compared", "diverged"], object));
}

fn write_tally(tally: Tally, [exposures, events]: [&str; 2], object: &mut ObjectWriter<'_>) {
    object.number(exposures, tally.exposures);
    object.number(events, tally.events);
}
