//! What a change does to rollouts beside moving anybody: aborts that stay or fall, evidence that begins
//! anew.

use super::Side;
use super::outcome::Pair;
use crate::compare::under;
use serin_core::Timestamp;
use serin_core::gate::{Abort, ActiveLatches, CurrentStage, Latch};
use std::collections::BTreeSet;

/// A rollout under the old spec and under the new one.
#[derive(Clone, Debug)]
pub struct Beside {
    /// The rollout.
    pub rollout: String,
    /// Where it is in the spec: `rollouts.shop`.
    pub path: String,
    /// Whether the hosts know anything of it.
    pub latched: bool,
    /// Under the old spec; `None` if it has no such rollout.
    pub old: Option<Guarded>,
    /// Under the new spec; `None` if it has no such rollout.
    pub new: Option<Guarded>,
}

/// What gates have come to in a rollout.
#[derive(Clone, Debug)]
pub struct Guarded {
    /// The abort that stops it.
    pub abort: Option<Abort>,
    /// Until when, where a raised epoch has cleared the abort and the cooldown is not over.
    pub until: Option<Timestamp>,
    /// The stage that its gates judge now; nothing is judged while an abort is in force.
    pub stage: Option<CurrentStage>,
    /// Whether it has gates.
    pub has_gates: bool,
}

impl Beside {
    /// Whether what was seen of the canary so far counts no more.
    pub fn begins_anew(&self) -> bool {
        match (self.old_stage(), self.new_stage()) {
            // What hosts hold their tallies against.
            (Some(old), Some(new)) => old.stage != new.stage,
            (Some(_), None) => self.new.as_ref().is_some_and(|new| new.abort.is_none()),
            (None, _) => false,
        }
    }

    /// The stage under the old spec.
    pub fn old_stage(&self) -> Option<&CurrentStage> {
        self.old.as_ref()?.stage.as_ref()
    }

    /// The stage under the new spec.
    pub fn new_stage(&self) -> Option<&CurrentStage> {
        self.new.as_ref()?.stage.as_ref()
    }
}

/// All rollouts of which there is anything to tell, by name.
pub(super) fn beside(
    pair: &Pair<'_>,
    active_latches: [Option<&ActiveLatches>; 2],
    at: Timestamp,
) -> Vec<Beside> {
    let names = [pair.old, pair.new].map(|side| side.spec.rollouts.names());
    let names: BTreeSet<&str> = names.into_iter().flatten().collect();
    let all = names.into_iter().map(|name| {
        let latches = [(pair.old, active_latches[0]), (pair.new, active_latches[1])]
            .map(|(side, active_latches)| active_latches.and_then(|it| latch(side, it, name)));
        Beside {
            rollout: name.to_owned(),
            path: under("rollouts", name),
            latched: latches.iter().any(Option::is_some),
            old: guarded(pair.old, latches[0], name, at),
            new: guarded(pair.new, latches[1], name, at),
        }
    });
    all.filter(|it| it.latched || it.begins_anew()).collect()
}

fn guarded(side: Side<'_>, latch: Option<&Latch>, name: &str, at: Timestamp) -> Option<Guarded> {
    let rollout = super::copies::named(side.plan, name)?;
    let abort = rollout.abort_in_force(latch, Some(at.unix_ms())).cloned();
    let cools = abort.as_ref().filter(|abort| abort.epoch < rollout.epoch());
    let until = cools.map(|abort| abort.at.saturating_add(rollout.cooldown_ms()));
    let until = until.map(Timestamp::from_unix_ms);
    let stage = if abort.is_some() { None } else { rollout.current_stage(latch, at.unix_ms()) };
    Some(Guarded { abort, until, stage, has_gates: rollout.trial().is_some() })
}

fn latch<'s>(side: Side<'_>, active_latches: &'s ActiveLatches, name: &str) -> Option<&'s Latch> {
    let baseline = &side.spec.rollouts.get(name)?.baseline;
    active_latches.get(side.plan.arm_named(name, baseline)?.0)
}

/// The flags that an abort turns off in one of the specs and not in the other.
pub(super) fn turned(
    pair: &Pair<'_>,
    active_latches: [Option<&ActiveLatches>; 2],
    at: Timestamp,
) -> BTreeSet<String> {
    let off = |side: Side<'_>, active_latches: Option<&ActiveLatches>| -> BTreeSet<String> {
        let Some(active_latches) = active_latches else { return BTreeSet::new() };
        let stopped = side.plan.rollouts().iter().filter(|rollout| {
            let latch = latch(side, active_latches, rollout.name());
            rollout.abort_in_force(latch, Some(at.unix_ms())).is_some()
        });
        let flags = stopped.flat_map(|rollout| rollout.disables());
        let names = flags.filter_map(|id| Some(side.plan.flag(*id)?.name().to_owned()));
        names.collect()
    };
    let (old, new) = (off(pair.old, active_latches[0]), off(pair.new, active_latches[1]));
    old.symmetric_difference(&new).cloned().collect()
}
