//! Cohorts with few requests between two evaluations, judged by request.

use crate::bench::Bench;
use crate::figure::{Figure, Source};
use crate::users::{Arm, Cohort, GateSpec, Habits, Ramp, Run, Scenario, Simulation};

/// Errors 1 %, w = 5 %; a cohort with some requests at each evaluation.
fn scenario(requests_a_look: f64, ratio: f64) -> Scenario {
    // An evaluation takes 100 new requests of everybody.
    let rate = 120.0;
    Scenario {
        rate,
        seconds: 3600,
        look: 1,
        habits: Habits { failure: 0.01, ..Habits::default() },
        canary: Arm { failures: ratio, ..Arm::default() },
        cohort: Some(Cohort { requests: requests_a_look / rate }),
        gate: GateSpec { unit: "request", ..GateSpec::default() },
        ramp: Ramp::Fixed(5.0),
        ..Scenario::default()
    }
}

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let cell = |requests_a_look: f64| {
        let measure = |what: &str, ratio: f64| {
            let simulation = Simulation::new(scenario(requests_a_look, ratio));
            bench.repeat(what, bench.part(20), |random| simulation.run(random))
        };
        let name = format!("{requests_a_look} requests a look");
        let aborted = |runs: &[Run]| runs.iter().map(Run::aborted).collect::<Vec<bool>>();
        let (healthy, broken) = (format!("{name}, healthy"), format!("{name}, 10×"));
        let (healthy_runs, broken_runs) = (measure(&healthy, 1.0), measure(&broken, 10.0));
        // An hour has 180 of the cohort's canary requests for each request a look. By request, without
        // cohorts, 10× takes about 70 with a lower threshold.
        let seen = Figure::share(broken, &aborted(&broken_runs));
        [
            Figure::share(healthy, &aborted(&healthy_runs)).at_most(0.01),
            seen.within(0.95, 1.0, Source::Formula),
        ]
    };
    [1.0, 2.0, 4.0].into_iter().flat_map(cell).collect()
}
