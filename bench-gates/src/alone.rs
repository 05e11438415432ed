//! Proxies of a fleet that judge alone: each of them may be the one with a false abort.

use crate::bench::{Bench, Random};
use crate::figure::Figure;
use crate::traffic::Traffic;
use crate::users::{GateSpec, Host, Ramp, Scenario, Simulation};

/// The seconds between two evaluations of a proxy.
const LOOK: u64 = 10;

/// Whether some proxy aborts a healthy canary, each with 200 requests a second for ten minutes.
fn is_aborted(simulation: &Simulation, proxies: u32, random: &mut Random) -> bool {
    let Scenario { rate, seconds, .. } = simulation.scenario;
    let traffic = Traffic::new(0.05, 0.01, 1.0);
    (0..proxies).any(|_| {
        let mut host = Host::new(&simulation.plan);
        (0..seconds / LOOK).any(|_| {
            host.record_counters(traffic.during(random, rate * LOOK as f64));
            host.evaluate(LOOK);
            host.latch.abort.is_some()
        })
    })
}

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let cell = |(proxies, part, alpha): (u32, u64, f64)| {
        let gate = GateSpec { unit: "request", alpha, ..GateSpec::default() };
        let scenario = Scenario { gate, ramp: Ramp::Fixed(5.0), ..Scenario::default() };
        let simulation = Simulation::new(scenario);
        let what = format!("{proxies} proxies, each at α = {alpha} %");
        let runs = bench
            .repeat(&what, bench.part(part), |random| is_aborted(&simulation, proxies, random));
        // The union bound: N tests at α each.
        Figure::share(what, &runs).at_most((alpha / 100.0 * f64::from(proxies)).min(1.0))
    };
    [(1, 1000, 1.0), (20, 100, 1.0), (20, 100, 0.05), (200, 33, 1.0), (200, 33, 0.005)]
        .into_iter()
        .map(cell)
        .collect()
}
