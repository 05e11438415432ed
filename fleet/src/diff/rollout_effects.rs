//! Effects of a change on aborts and on the evidence of gates, rollout by rollout.

use super::spec_pair::{Pair, Side, rollout_named};
use crate::compare::child_path;
use serin_core::Timestamp;
use serin_core::gate::{Abort, ActiveLatches, CurrentStage, Latch};
use std::collections::BTreeSet;

/// The state of a rollout's gates under the old spec and under the new one.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct RolloutEffects {
    /// The rollout's name.
    pub rollout: String,
    /// Its path in the spec: `rollouts.shop`.
    pub path: String,
    /// Whether the hosts have a latch of it.
    pub has_latch: bool,
    /// The state under the old spec; `None` if the old spec has no such rollout.
    pub old: Option<GateState>,
    /// The state under the new spec; `None` if the new spec has no such rollout.
    pub new: Option<GateState>,
}

/// The state of a rollout's gates under one spec.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct GateState {
    /// The abort in force.
    pub abort: Option<Abort>,
    /// The end of the cooldown, if a raised epoch has cleared the abort and only the cooldown keeps it.
    pub until: Option<Timestamp>,
    /// The stage that the gates judge. `None` while an abort is in force.
    pub stage: Option<CurrentStage>,
    /// Whether the rollout has gates.
    pub has_gates: bool,
}

impl RolloutEffects {
    /// Whether the change discards the evidence collected so far.
    pub fn evidence_restarts(&self) -> bool {
        match (self.old_stage(), self.new_stage()) {
            // Hosts compare the stages of their tallies in the same way.
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

/// The effects on every affected rollout, sorted by name.
pub(super) fn rollout_effects(
    pair: &Pair<'_>,
    active_latches: [Option<&ActiveLatches>; 2],
    at: Timestamp,
) -> Vec<RolloutEffects> {
    let names = [pair.old, pair.new].map(|side| side.spec.rollouts.names());
    let names: BTreeSet<&str> = names.into_iter().flatten().collect();
    let all = names.into_iter().map(|name| {
        let latches = [(pair.old, active_latches[0]), (pair.new, active_latches[1])]
            .map(|(side, active_latches)| active_latches.and_then(|it| latch(side, it, name)));
        RolloutEffects {
            rollout: name.to_owned(),
            path: child_path("rollouts", name),
            has_latch: latches.iter().any(Option::is_some),
            old: gate_state(pair.old, latches[0], name, at),
            new: gate_state(pair.new, latches[1], name, at),
        }
    });
    all.filter(|it| it.has_latch || it.evidence_restarts()).collect()
}

fn gate_state(
    side: Side<'_>,
    latch: Option<&Latch>,
    name: &str,
    at: Timestamp,
) -> Option<GateState> {
    let rollout = rollout_named(side.plan, name)?;
    let abort = rollout.abort_in_force(latch, Some(at.unix_ms())).cloned();
    let cooling = abort.as_ref().filter(|abort| abort.epoch < rollout.epoch());
    let until = cooling.map(|abort| abort.at.saturating_add(rollout.cooldown_ms()));
    let until = until.map(Timestamp::from_unix_ms);
    let stage = if abort.is_some() { None } else { rollout.current_stage(latch, at.unix_ms()) };
    Some(GateState { abort, until, stage, has_gates: rollout.trial().is_some() })
}

fn latch<'s>(side: Side<'_>, active_latches: &'s ActiveLatches, name: &str) -> Option<&'s Latch> {
    let baseline = &side.spec.rollouts.get(name)?.baseline;
    active_latches.get(side.plan.arm_named(name, baseline)?.0)
}

/// The flags that an abort disables under one of the specs and not under the other.
pub(super) fn switched_flags(
    pair: &Pair<'_>,
    active_latches: [Option<&ActiveLatches>; 2],
    at: Timestamp,
) -> BTreeSet<String> {
    let disabled = |side: Side<'_>, active_latches: Option<&ActiveLatches>| -> BTreeSet<String> {
        let Some(active_latches) = active_latches else { return BTreeSet::new() };
        let aborted = side.plan.rollouts().iter().filter(|rollout| {
            let latch = latch(side, active_latches, rollout.name());
            rollout.abort_in_force(latch, Some(at.unix_ms())).is_some()
        });
        let flags = aborted.flat_map(|rollout| rollout.disables());
        let names = flags.filter_map(|id| Some(side.plan.flag(*id)?.name().to_owned()));
        names.collect()
    };
    let (old, new) = (disabled(pair.old, active_latches[0]), disabled(pair.new, active_latches[1]));
    old.symmetric_difference(&new).cloned().collect()
}
