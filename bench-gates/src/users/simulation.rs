//! Runs of a scenario.

use crate::bench::Random;
use crate::traffic::poisson;
use crate::users::host::{Host, START, decide_exposure};
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

    /// New users, whose buckets are those that the plan gives them.
    pub(crate) fn users(&self, random: &mut Random) -> Population {
        self.users_again(&Population::new(&self.scenario, random))
    }

    /// The same users with the buckets that this plan gives them.
    pub(crate) fn users_again(&self, users: &Population) -> Population {
        users.clone().with_buckets(|index| {
            let user = format!("{:x}-{index}", users.name);
            decide_exposure(&self.plan, &user, START).bucket
        })
    }

    /// A run with users in random buckets.
    pub(crate) fn run(&self, random: &mut Random) -> Run {
        let users = Population::new(&self.scenario, random);
        self.run_with(&users, random)
    }

    /// A run with these users.
    pub(crate) fn run_with(&self, users: &Population, random: &mut Random) -> Run {
        let scenario = &self.scenario;
        let mut host = Host::new(&self.plan);
        let crowd_at = |share, elapsed: u64| {
            let is_before = elapsed < scenario.fault_after;
            let arm = if is_before { Arm::default() } else { scenario.canary };
            let successes = if is_before { scenario.successes_before } else { 1.0 };
            users.at(scenario, share, arm, successes)
        };
        let mut crowd = crowd_at(host.share(), 0);
        let mut run = Run { ending: Ending::TimeOver, held: false, canary_requests: 0 };
        let mut elapsed = 0;
        while elapsed < scenario.seconds {
            if elapsed > 0 && elapsed == scenario.fault_after {
                crowd = crowd_at(host.share(), elapsed);
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
                crowd = crowd_at(host.share(), elapsed);
            }
        }
        run
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::scenario::{Habits, Ramp};
    use rand::SeedableRng;
    use serin_core::Share;

    const FAILING: Scenario = Scenario {
        users: 2000,
        seconds: 120,
        habits: Habits { broken: 0.0, failure: 0.02, latency: None, conversion: None },
        ..Scenario::DEFAULT
    };

    fn run(scenario: Scenario) -> Run {
        Simulation::new(scenario).run(&mut Random::seed_from_u64(7))
    }

    #[test]
    fn a_failing_canary_is_aborted_and_a_healthy_one_is_not() {
        let failing = run(Scenario { canary: Arm { failures: 20.0, ..Arm::default() }, ..FAILING });
        assert_eq!(failing.ending, Ending::Aborted);
        assert!((50..500).contains(&failing.canary_requests), "{failing:?}");
        let healthy = run(FAILING);
        assert_eq!(healthy.ending, Ending::TimeOver);
    }

    #[test]
    fn a_fault_counts_from_its_start() {
        let canary = Arm { failures: 20.0, ..Arm::default() };
        let late = run(Scenario { canary, fault_after: 60, ..FAILING });
        assert_eq!(late.ending, Ending::Aborted);
        let requests = 60.0 * FAILING.rate * 0.05;
        assert!((late.canary_requests as f64) < requests, "{late:?}");
    }

    #[test]
    fn a_gated_step_ends_by_a_promotion() {
        let promoted = run(Scenario { ramp: Ramp::Gated(50.0), ..FAILING });
        assert_eq!(promoted.ending, Ending::Promoted);
    }

    #[test]
    fn equal_seeds_give_equal_runs() {
        let requests = || run(FAILING).canary_requests;
        assert_eq!(requests(), requests());
    }

    #[test]
    fn fewer_successes_leave_the_failures() {
        let mut random = Random::seed_from_u64(7);
        let users = Population::new(&FAILING, &mut random);
        let crowd = users.at(&FAILING, Share::ZERO, Arm::default(), 0.1);
        let failures = 0.02 * FAILING.rate;
        assert!((crowd.rate - (failures + 0.098 * FAILING.rate)).abs() < 1e-3, "{}", crowd.rate);
        let failed = (0..10_000).filter(|_| crowd.request(&mut random).1.status == 503).count();
        let expected = 10_000.0 * failures / crowd.rate;
        assert!((failed as f64 - expected).abs() < 4.0 * expected.sqrt(), "{failed}");
    }
}
