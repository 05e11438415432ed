//! Healthy canaries in front of users who are not alike: none of the gate's tests may abort them.

use crate::bench::Bench;
use crate::figure::Figure;
use crate::users::{
    Arm, Conversion, GateSpec, Habits, Latency, Ramp, Run, Scenario, Simulation, Tenant,
};

/// α in the scenarios.
const ALPHA: f64 = 0.01;

/// The share of healthy runs with an event, which must be at most α.
fn null(
    bench: &Bench,
    part: u64,
    what: String,
    scenario: Scenario,
    happened: impl Fn(&Run) -> bool + Sync,
) -> Figure {
    let simulation = Simulation::new(scenario);
    let runs = bench.repeat(&what, bench.part(part), |random| happened(&simulation.run(random)));
    Figure::share(what, &runs).at_most(ALPHA)
}

/// Errors: users who always fail, a heavy tenant, and independent errors.
pub(crate) fn errors(bench: &Bench) -> Vec<Figure> {
    let broken = Habits { broken: 0.005, ..Habits::default() };
    let sticky = [1.0, 5.0, 25.0, 50.0].map(|share| {
        let scenario = Scenario { habits: broken, ramp: Ramp::Fixed(share), ..Scenario::default() };
        let what = format!("0.5 % of users always fail, w = {share} %");
        null(bench, 200, what, scenario, Run::aborted)
    });
    let tenants = [(0.01, "as all do"), (0.2, "20 times as often")].map(|(failure, how)| {
        let scenario = Scenario {
            habits: Habits { failure: 0.01, ..Habits::default() },
            tenant: Some(Tenant { requests: 0.03, failure }),
            ramp: Ramp::Fixed(25.0),
            ..Scenario::default()
        };
        let what = format!("a tenant of 3 % fails {how}, w = 25 %");
        null(bench, 200, what, scenario, Run::aborted)
    });
    let ramp = Scenario {
        habits: broken,
        ramp: Ramp::TenMinutesEach,
        seconds: 1800,
        ..Scenario::default()
    };
    let whole = null(bench, 200, "0.5 % always fail, 1, 5, 25 %".into(), ramp, Run::aborted);
    sticky.into_iter().chain(tenants).chain([whole]).collect()
}

/// Latency: a part of the variance belongs to the users.
pub(crate) fn latency(bench: &Bench) -> Vec<Figure> {
    let scenario = |users_part: f64, ramp| Scenario {
        habits: Habits { latency: Some(Latency { users_part }), ..Habits::default() },
        gate: GateSpec { latency: true, ..GateSpec::default() },
        ramp,
        ..Scenario::default()
    };
    let crossed = |run: &Run| run.aborted() || run.held;
    let parts = [0.0, 0.1, 0.3, 0.6, 0.9].map(|part| (part, 5.0));
    let shares = [1.0, 25.0].map(|share| (0.6, share));
    let cell = |(part, share): (f64, f64)| {
        let what = format!("abort or pause, users' part {part}, w = {share} %");
        null(bench, 133, what, scenario(part, Ramp::Fixed(share)), crossed)
    };
    parts.into_iter().chain(shares).map(cell).collect()
}

/// KPI events of users who convert often or never.
pub(crate) fn kpi(bench: &Bench) -> Vec<Figure> {
    let cell = |share: f64| {
        let scenario = Scenario {
            habits: Habits { conversion: Some(STICKY_CONVERSION), ..Habits::default() },
            gate: GateSpec { kpi: true, ..GateSpec::default() },
            ramp: Ramp::Fixed(share),
            ..Scenario::default()
        };
        let what = format!("5 % of users convert, w = {share} %");
        null(bench, 133, what, scenario, Run::aborted)
    };
    [1.0, 5.0, 25.0].into_iter().map(cell).collect()
}

/// 3 % of the requests convert, all of them those of one user in twenty.
const STICKY_CONVERSION: Conversion = Conversion { users: 0.05, probability: 0.6 };

/// Errors, latency and KPI together, in the first of four steps.
pub(crate) fn all_kinds(bench: &Bench) -> Vec<Figure> {
    let cell = |share: f64| {
        let scenario = Scenario {
            habits: Habits {
                broken: 0.005,
                latency: Some(Latency { users_part: 0.6 }),
                conversion: Some(STICKY_CONVERSION),
                ..Habits::default()
            },
            gate: GateSpec { latency: true, kpi: true, ..GateSpec::default() },
            ramp: Ramp::FirstOfFour(share),
            ..Scenario::default()
        };
        let what = format!("abort or pause, first of four steps, w = {share} %");
        null(bench, 133, what, scenario, |run| run.aborted() || run.held)
    };
    [1.0, 5.0, 25.0].into_iter().map(cell).collect()
}

/// Canary users who ask more often, and fail and convert no more often.
pub(crate) fn volume(bench: &Bench) -> Vec<Figure> {
    let cell = |(share, failure, volume): (f64, f64, f64)| {
        let canary = Arm { volume, ..Arm::default() };
        let errors = Scenario {
            habits: Habits { failure, ..Habits::default() },
            canary,
            ramp: Ramp::Fixed(share),
            ..Scenario::default()
        };
        let conversion = Conversion { users: 1.0, probability: 0.03 };
        let kpi = Scenario {
            habits: Habits { conversion: Some(conversion), ..Habits::default() },
            gate: GateSpec { kpi: true, ..GateSpec::default() },
            ..errors
        };
        let times = format!("{volume} times the requests, w = {share} %");
        [
            null(
                bench,
                133,
                format!("{times}, errors {} %", failure * 100.0),
                errors,
                Run::aborted,
            ),
            null(bench, 133, format!("{times}, KPI"), kpi, Run::aborted),
        ]
    };
    let volumes = [1.2, 1.5, 2.0, 3.0];
    let cells = [(5.0, 0.01), (25.0, 0.001)];
    let cells = cells.into_iter().flat_map(|(share, failure)| {
        volumes.into_iter().map(move |volume| (share, failure, volume))
    });
    cells.flat_map(cell).collect()
}
