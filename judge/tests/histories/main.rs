//! Random histories of a fleet around one judge: pushes, epochs, gates in and out, clocks that jump, outcomes late and
//! lost. After each step the invariants of aborts and evidence hold; at the end, once the fleet is calm, a failing
//! canary is aborted and a healthy one is not.
//!
//! And of the VMs of one process, which elect the judge among them: VMs that die, hang and start again, a clock that
//! jumps, ticks in the middle of each other.
//!
//! A history follows from its seed. `SERIN_HISTORIES` sets how many are run, `SERIN_HISTORY_SEED` runs one and prints it.

#![expect(clippy::disallowed_macros, reason = "the test prints the history that is asked for")]

mod fleet;
mod memory;
mod shared_memory;
mod spec;
mod vms;

use fastrand::Rng;
use serin_history::{self as history, Model, Selection};

use fleet::{Action, Checked, Fleet, Setup};
use spec::Spec;
use vms::VmModel;

/// How many histories `cargo test` runs; `cargo xtask test` runs more.
const DEFAULT_HISTORIES: u64 = 200;
/// A history that failed among a million: outcomes that no batch had had evaluated aborted at the judge's alarm.
const ABORT_AT_ALARM: u64 = 72_551;
/// How many actions a history has before the fleet calms down.
const ACTIONS: usize = 40;

struct JudgeModel;

impl Model for JudgeModel {
    type Start = Setup;
    type Action = Action;

    fn generate(&self, random: &mut Rng) -> history::History<Setup, Action> {
        let spec = Spec {
            epoch: random.u64(0..3),
            has_rollout: true,
            has_gates: true,
            has_steps: random.bool(),
            unrelated: 0,
        };
        let start = Setup { spec, fails: random.bool() };
        let actions = (0..ACTIONS).map(|_| Action::random(random)).collect();
        history::History { start, actions }
    }

    fn run(&self, history: &history::History<Setup, Action>, log: &mut String) -> Checked {
        let mut fleet = Fleet::new(&history.start, log);
        for action in &history.actions {
            fleet.act(*action)?;
        }
        fleet.calm_down()
    }
}

#[test]
fn every_history_of_a_fleet_keeps_the_invariants() {
    check(&JudgeModel);
}

#[test]
fn an_abort_at_the_alarm_is_known() {
    let selection = Selection { first: ABORT_AT_ALARM, count: 1, is_shown: false };
    assert_eq!(history::check(&JudgeModel, selection), Ok(None));
}

#[test]
fn every_history_of_the_vms_of_a_process_keeps_the_invariants() {
    check(&VmModel);
}

fn check<M: Model>(model: &M) {
    match history::check(model, Selection::from_environment(DEFAULT_HISTORIES)) {
        Ok(log) => print!("{}", log.unwrap_or_default()),
        Err(report) => panic!("{report}"),
    }
}
