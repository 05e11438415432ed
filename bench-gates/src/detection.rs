//! Canary requests until an abort, with users who are not alike.

use crate::bench::Bench;
use crate::figure::{Figure, Source};
use crate::users::{Arm, GateSpec, Habits, Ramp, Run, Scenario, Simulation};

/// A canary that fails more often.
struct Cell {
    /// The canary's share, in per cent.
    share: f64,
    /// The baseline's rate of errors.
    failure: f64,
    /// How many times the baseline's the canary's is.
    ratio: f64,
    /// The seconds at most.
    seconds: u64,
    /// The seconds between two evaluations.
    look: u64,
    /// The mean number of canary requests and its standard error before power was added to the gates, by
    /// bucket and by request.
    before: [(f64, f64); 2],
}

const fn cell(
    share: f64,
    failure: f64,
    ratio: f64,
    (seconds, look): (u64, u64),
    before: [(f64, f64); 2],
) -> Cell {
    Cell { share, failure, ratio, seconds, look, before }
}

/// The cells. None may need more canary requests than it did before.
const CELLS: [Cell; 12] = [
    cell(1.0, 0.001, 2.0, (86_400, 60), [(58460.0, 5162.0), (17097.0, 1142.0)]),
    cell(1.0, 0.001, 5.0, (21_600, 10), [(2449.0, 338.0), (1542.0, 97.0)]),
    cell(1.0, 0.001, 10.0, (7200, 5), [(623.0, 55.0), (484.0, 33.0)]),
    cell(1.0, 0.01, 2.0, (21_600, 10), [(9358.0, 1605.0), (1780.0, 106.0)]),
    cell(1.0, 0.01, 5.0, (3600, 2), [(243.0, 21.0), (177.0, 11.0)]),
    cell(1.0, 0.01, 10.0, (1800, 1), [(91.0, 10.0), (64.0, 2.1)]),
    cell(5.0, 0.001, 2.0, (43_200, 20), [(31631.0, 2552.0), (15626.0, 925.0)]),
    cell(5.0, 0.001, 5.0, (7200, 5), [(2398.0, 188.0), (2577.0, 738.0)]),
    cell(5.0, 0.001, 10.0, (1800, 1), [(670.0, 44.0), (577.0, 32.0)]),
    cell(5.0, 0.01, 2.0, (7200, 5), [(3223.0, 230.0), (1841.0, 108.0)]),
    cell(5.0, 0.01, 5.0, (600, 1), [(218.0, 15.0), (203.0, 11.0)]),
    cell(5.0, 0.01, 10.0, (600, 1), [(80.0, 4.7), (69.0, 2.4)]),
];

impl Cell {
    fn scenario(&self, unit: &'static str) -> Scenario {
        Scenario {
            habits: Habits { failure: self.failure, ..Habits::default() },
            canary: Arm { failures: self.ratio, ..Arm::default() },
            ramp: Ramp::Fixed(self.share),
            seconds: self.seconds,
            look: self.look,
            gate: GateSpec { unit, ..GateSpec::default() },
            ..Scenario::default()
        }
    }

    fn name(&self, unit: &str) -> String {
        let Cell { share, failure, ratio, .. } = self;
        format!("by {unit}, w = {share} %, errors {} %, {ratio}×", failure * 100.0)
    }
}

/// The mean of canary requests until the abort (of those in the whole time, without an abort), and the
/// share of runs with an abort.
fn detection(bench: &Bench, part: u64, what: &str, scenario: Scenario) -> [Figure; 2] {
    let simulation = Simulation::new(scenario);
    let runs = bench.repeat(what, bench.part(part), |random| simulation.run(random));
    let requests: Vec<f64> = runs.iter().map(|run| run.canary_requests as f64).collect();
    let aborted: Vec<bool> = runs.iter().map(Run::aborted).collect();
    [Figure::mean(what, &requests), Figure::share(format!("{what}: aborted"), &aborted)]
}

/// Each cell by both units.
pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let measure = |(cell, unit, before): (&Cell, &'static str, (f64, f64))| {
        let [requests, aborted] = detection(bench, 67, &cell.name(unit), cell.scenario(unit));
        [requests.not_above(before), aborted]
    };
    let both = |cell: &'static Cell| {
        let [bucket, request] = cell.before;
        [(cell, "bucket", bucket), (cell, "request", request)]
    };
    CELLS.iter().flat_map(both).flat_map(measure).collect()
}

/// A ramp of 1, 5 and 25 %: the evidence of one step is of use in the next.
pub(crate) fn ramp(bench: &Bench) -> Vec<Figure> {
    let cell = |(failure, ratio, unit): (f64, f64, &'static str)| {
        let scenario = Scenario {
            habits: Habits { failure, ..Habits::default() },
            canary: Arm { failures: ratio, ..Arm::default() },
            ramp: Ramp::TenMinutesEach,
            seconds: 1800,
            gate: GateSpec { unit, ..GateSpec::default() },
            ..Scenario::default()
        };
        let what = format!("by {unit}, errors {} %, {ratio}×", failure * 100.0);
        detection(bench, 67, &what, scenario)
    };
    let ratios = [(0.001, 2.0), (0.001, 5.0), (0.001, 10.0), (0.01, 2.0), (0.01, 5.0)];
    let cells = ratios
        .into_iter()
        .flat_map(|(failure, ratio)| ["bucket", "request"].map(|unit| (failure, ratio, unit)));
    cells.flat_map(cell).collect()
}

/// A canary of which a part of the traffic is lost before it can fail: it seems to fail less often.
pub(crate) fn lossy(bench: &Bench) -> Vec<Figure> {
    let cell = |(what, arm): (&str, Arm)| {
        let scenario = Scenario {
            habits: Habits { failure: 0.001, ..Habits::default() },
            canary: Arm { failures: 5.0, ..arm },
            ..Scenario::default()
        };
        detection(bench, 133, what, scenario)
    };
    let requests = |volume| Arm { volume, ..Arm::default() };
    let users = |lost_users| Arm { lost_users, ..Arm::default() };
    let cells = [
        ("5×, nothing lost", Arm::default()),
        ("5×, 50 % of requests lost", requests(0.5)),
        ("5×, 80 % of requests lost", requests(0.2)),
        ("5×, 50 % of users lost", users(0.5)),
        ("5×, 80 % of users lost", users(0.8)),
    ];
    cells.into_iter().flat_map(cell).collect()
}

/// Users who always fail, at both arms, may not hide a canary that has become worse for the others.
pub(crate) fn chronic(bench: &Bench) -> Vec<Figure> {
    let scenario = Scenario {
        habits: Habits { broken: 0.005, failure: 0.001, ..Habits::default() },
        canary: Arm { failures: 5.0, ..Arm::default() },
        ramp: Ramp::Fixed(25.0),
        ..Scenario::default()
    };
    let what = "5×, w = 25 %, errors 0.1 %, 0.5 % of users always fail";
    let [requests, aborted] = detection(bench, 333, what, scenario);
    vec![requests, aborted.within(0.985, 1.0, Source::Formula)]
}

/// Faults that begin after hours: every bucket may have had an error by then.
pub(crate) fn long_stages(bench: &Bench) -> Vec<Figure> {
    const HOUR: u64 = 3600;
    let busy = |hours: u64, failures: f64| Scenario {
        gate: GateSpec { waits_for_baseline: false, ..GateSpec::default() },
        ..Scenario::busy(hours * HOUR, failures)
    };
    let cells = [
        ("10,000 requests/s: all fail after 8 h, within 10 min", busy(8, 100.0)),
        ("10,000 requests/s: 5× after 2 h, within 10 min", busy(2, 5.0)),
        ("200 requests/s: 5× after 24 h, within 1 h", Scenario::after_a_day()),
    ];
    let cell = |(what, scenario): (&str, Scenario)| {
        let [requests, aborted] = detection(bench, 4, what, scenario);
        let aborted = aborted.within(0.99, 1.0, Source::Formula);
        [requests, aborted]
    };
    cells.into_iter().flat_map(cell).collect()
}
