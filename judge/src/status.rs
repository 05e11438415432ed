//! The judge's state as JSON, for status pages.

use alloc::string::String;

use serin_core::Plan;
use serin_core::gate::{Tallies, Tally};
use serin_core::json::{self, ObjectWriter};

use crate::audit_log;
use crate::dropped;
use crate::judge::Judge;
use crate::store::Store;

impl<S: Store> Judge<S> {
    /// The state as JSON: the latch document with `plan` (the plan's revision and digest, `null` without
    /// one), `watched` (the tallies of each trial, by rollout), `dropped` (the numbers of outcomes that were
    /// not counted, by reason) and `audits` (the latest records, the oldest first).
    pub fn status(&self, plan: Option<&Plan>) -> String {
        json::object(|object| {
            self.document().write(object);
            write_plan(plan, object);
            object.object("watched", |watched| {
                for rollout in plan.map_or(&[][..], Plan::rollouts) {
                    if let Some(tallies) = self.tallies(rollout.name()) {
                        watched.object(rollout.name(), |object| write_tallies(&tallies, object));
                    }
                }
            });
            object.object("dropped", |object| {
                for (reason, count) in dropped::read(self.store()) {
                    object.number(reason.as_str(), count);
                }
            });
            let audits = audit_log::read(self.store());
            object.list("audits", |list| audits.lines().for_each(|record| list.raw(record)));
        })
    }
}

/// Adds the member `plan`: the plan's revision and digest, `null` without one.
pub(crate) fn write_plan(plan: Option<&Plan>, object: &mut ObjectWriter<'_>) {
    match plan {
        Some(plan) => object.object("plan", |object| {
            object.number("revision", plan.revision());
            object.string("digest", plan.digest());
        }),
        None => object.raw("plan", "null"),
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
