//! Runs of a scenario.

use crate::bench::Random;
use crate::traffic::poisson;
use crate::users::host::Host;
use crate::users::population::Population;
use crate::users::scenario::{Arm, Scenario};
use serin_core::Plan;

/// A scenario with its compiled plan.
#[derive(Clone, Debug)]
pub(crate) struct Simulation {
    pub(crate) scenario: Scenario,
    pub(crate) plan: Plan,
}

/// How a run ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// The gate aborted.
    Aborted,
    /// The gate ended a step that waited for it.
    Promoted,
    /// The time was over.
    TimeOver,
}

/// The result of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    /// The end.
    pub(crate) ending: Ending,
    /// Whether the gate ever held a step.
    pub(crate) held: bool,
    /// The canary's requests until the end, since it differs.
    pub(crate) canary_requests: u64,
}

impl Run {
    /// Whether the gate aborted.
    pub(crate) fn aborted(&self) -> bool {
        self.ending == Ending::Aborted
    }
}

impl Simulation {
    /// Compiles a scenario.
    pub(crate) fn new(scenario: Scenario) -> Simulation {
        Simulation { scenario, plan: scenario.plan() }
    }

    /// A run with new users.
    pub(crate) fn run(&self, random: &mut Random) -> Run {
        let users = Population::new(&self.scenario, random);
        self.run_with(&users, random)
    }

    /// A run with these users.
    pub(crate) fn run_with(&self, users: &Population, random: &mut Random) -> Run {
        let scenario = &self.scenario;
        let mut host = Host::new(&self.plan);
        let arm = |elapsed: u64| {
            if elapsed < scenario.fault_after { Arm::default() } else { scenario.canary }
        };
        let mut crowd = users.at(scenario, host.share(), arm(0));
        let mut run = Run { ending: Ending::TimeOver, held: false, canary_requests: 0 };
        let mut elapsed = 0;
        while elapsed < scenario.seconds {
            if elapsed == scenario.fault_after && elapsed > 0 {
                crowd = users.at(scenario, host.share(), scenario.canary);
                run.canary_requests = 0;
            }
            for _ in 0..poisson(random, crowd.rate * scenario.look as f64) {
                let (user, outcome) = crowd.request(random);
                run.canary_requests += u64::from(host.is_canary(user));
                host.record(user, &outcome);
            }
            elapsed += scenario.look;
            let moved = host.evaluate(scenario.look);
            run.held |= host.latch.held_step.is_some();
            if host.latch.abort.is_some() {
                run.ending = Ending::Aborted;
                return run;
            }
            if !host.latch.ended_steps.is_empty() {
                run.ending = Ending::Promoted;
                return run;
            }
            if moved {
                crowd = users.at(scenario, host.share(), arm(elapsed));
            }
        }
        run
    }
}
