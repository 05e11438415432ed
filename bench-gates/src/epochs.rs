//! An epoch that is raised after a false abort: the same users are tested again.

use crate::bench::Bench;
use crate::figure::Figure;
use crate::users::{GateSpec, Habits, Ramp, Scenario, Simulation};

/// The figures have α = 10 %, because false aborts are rare.
pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let scenario = Scenario {
        habits: Habits { broken: 0.005, ..Habits::default() },
        ramp: Ramp::Fixed(5.0),
        gate: GateSpec { alpha: 10.0, ..GateSpec::default() },
        look: 15,
        ..Scenario::default()
    };
    let first = Simulation::new(scenario);
    let again = Simulation::new(Scenario { epoch: 1, ..scenario });
    let resalted = Simulation::new(Scenario { epoch: 1, salt: "shop 1", ..scenario });
    let runs = bench.repeat("epochs", bench.part(1000), |random| {
        let users = first.users(random);
        let aborted = first.run_with(&users, random).aborted();
        aborted.then(|| {
            [&again, &resalted]
                .map(|next| next.run_with(&next.users_again(&users), random).aborted())
        })
    });
    let aborted: Vec<bool> = runs.iter().map(Option::is_some).collect();
    let later = |n: usize| runs.iter().flatten().map(|runs| runs[n]).collect::<Vec<bool>>();
    vec![
        Figure::share("false aborts, α = 10 %", &aborted).at_most(0.1),
        Figure::share("false aborts after a false abort, epoch raised", &later(0)),
        Figure::share("the same with another salt", &later(1)).at_most(0.1),
    ]
}
