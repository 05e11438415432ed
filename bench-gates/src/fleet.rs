//! Twenty proxies, each with a twentieth of the traffic.

use crate::bench::{Bench, MOST_LOOKS, Random};
use crate::figure::Figure;
use crate::traffic::{Traffic, bare, compiled, look};
use serin_core::gate::{Gate, GateSettings, StageEvidence, Verdict};

const PROXIES: u32 = 20;

/// Ratio (none: half of all canary requests fail), merged, first local abort.
const CELLS: [(Option<f64>, f64, f64); 4] = [
    (Some(2.0), 1751.0, 12_198.0),
    (Some(5.0), 176.0, 1130.0),
    (Some(10.0), 55.0, 336.0),
    (None, 7.0, 50.0),
];

/// The fleet's canary requests until the first of so many proxies aborts by itself. All see the
/// same rate of requests, so the first is the one that has seen the fewest.
fn first_abort(gate: &Gate, proxies: u32, traffic: Traffic, random: &mut Random) -> f64 {
    let mut first = f64::INFINITY;
    for _ in 0..proxies {
        let (mut stage, mut requests) = (StageEvidence::default(), 0_u64);
        for _ in 0..MOST_LOOKS {
            if requests as f64 >= first {
                break;
            }
            let seen = if traffic.canary < 0.2 {
                traffic.until_events(random, 1)
            } else {
                traffic.until_request(random)
            };
            requests += seen.exposures();
            // So few requests come between two looks that their own share would say little.
            gate.observe(&mut stage, &look(traffic.with_known_share(seen)));
            if gate.judge(&stage).verdict == Verdict::Abort {
                first = first.min(requests as f64);
            }
        }
    }
    first * traffic.share * f64::from(proxies)
}

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let merged = compiled(GateSettings { min_samples: 0, ..bare() });
    let local = compiled(GateSettings { min_samples: 0, alpha_ppm: 10_000 / PROXIES, ..bare() });
    let cell = |(ratio, together, alone): (Option<f64>, f64, f64)| {
        let traffic = Traffic::new(0.05, 0.01, ratio.unwrap_or(50.0));
        let times = ratio.map_or("half of all fail".into(), |ratio| format!("{ratio}×"));
        let measure = |name: &str, gate: &Gate, proxies: u32, design: f64| {
            let what = format!("{name}, {times}");
            let run = |random: &mut Random| first_abort(gate, proxies, traffic, random);
            Figure::mean(what.clone(), &bench.trials(&what, bench.part(333), run)).about(design)
        };
        [
            measure("merged", &merged, 1, together),
            measure("first local abort at α/20", &local, PROXIES, alone),
        ]
    };
    CELLS.into_iter().flat_map(cell).collect()
}
