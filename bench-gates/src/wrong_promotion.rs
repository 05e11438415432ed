//! Canaries at twice the errors that a gate promotes, and canaries that lose traffic.

use crate::bench::Bench;
use crate::figure::Figure;
use crate::users::{Arm, Ending, Habits, Ramp, Scenario, Simulation};

/// The default of `promotion.alpha`.
const ALLOWED: f64 = 0.05;

fn broken(share: f64, failure: f64, canary: Arm) -> Scenario {
    Scenario {
        habits: Habits { failure, ..Habits::default() },
        canary,
        ramp: Ramp::Gated(share),
        ..Scenario::default()
    }
}

/// The share of runs that end with a promotion.
fn promoted(bench: &Bench, part: u64, what: String, scenario: Scenario) -> Figure {
    let simulation = Simulation::new(scenario);
    let runs = bench.repeat(&what, bench.part(part), |random| {
        simulation.run(random).ending == Ending::Promoted
    });
    Figure::share(what, &runs)
}

/// Share in per cent, errors of the baseline, seconds at most, seconds between two evaluations.
const CELLS: [(f64, f64, u64, u64); 6] = [
    (1.0, 0.001, 43_200, 60),
    (1.0, 0.003, 43_200, 60),
    (1.0, 0.01, 14_400, 20),
    (5.0, 0.001, 14_400, 20),
    (5.0, 0.003, 14_400, 20),
    (5.0, 0.01, 7200, 5),
];

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let twice = Arm { failures: 2.0, ..Arm::default() };
    let cell = |(share, failure, seconds, look)| {
        let scenario = Scenario { seconds, look, ..broken(share, failure, twice) };
        let what = format!("2×, w = {share} %, errors {} %", failure * 100.0);
        promoted(bench, 100, what, scenario).at_most(ALLOWED)
    };
    let lossy = Arm { failures: 2.0, volume: 0.5, ..Arm::default() };
    let lossy = Scenario { seconds: 14_400, look: 20, ..broken(5.0, 0.003, lossy) };
    let lost = "2× with half of its requests lost, w = 5 %, 0.3 %".to_owned();
    CELLS
        .into_iter()
        .map(cell)
        .chain([promoted(bench, 100, lost, lossy).at_most(ALLOWED)])
        .collect()
}
