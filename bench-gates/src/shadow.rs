//! A shadow whose answers differ for some users, always.

use crate::bench::{Bench, Random};
use crate::figure::Figure;
use crate::traffic::poisson;
use crate::users::{Arm, GateSpec, Habits, Host, Population, Ramp, Scenario, Simulation};

/// The share of responses that may differ, in per cent.
const TOLERATED: f64 = 1.0;

/// Whether the shadow is aborted in ten minutes. A user's failures here are differing answers.
fn is_aborted(simulation: &Simulation, random: &mut Random) -> bool {
    let Scenario { seconds, look, .. } = simulation.scenario;
    let users = Population::new(&simulation.scenario, random);
    let mut host = Host::new(&simulation.plan);
    let crowd = users.at(&simulation.scenario, host.share(), Arm::default(), 1.0);
    (0..seconds / look).any(|_| {
        for _ in 0..poisson(random, crowd.rate * look as f64) {
            let (_, outcome) = crowd.request(random);
            host.record_shadow(outcome.status == 503);
        }
        host.evaluate(look);
        host.latch.abort.is_some()
    })
}

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let cell = |(what, habits): (&str, Habits)| {
        let gate = GateSpec { max_divergence: Some(TOLERATED), ..GateSpec::default() };
        let ramp = Ramp::Fixed(5.0);
        let simulation = Simulation::new(Scenario { habits, gate, ramp, ..Scenario::default() });
        let runs = bench.repeat(what, bench.part(333), |random| is_aborted(&simulation, random));
        Figure::share(what, &runs).at_most(0.01)
    };
    let alike = Habits { failure: 0.005, ..Habits::default() };
    let sticky = Habits { broken: 0.005, ..Habits::default() };
    vec![
        cell(("0.5 % of responses differ, 1 % tolerated", alike)),
        cell(("the responses of 0.5 % of users differ", sticky)),
    ]
}
