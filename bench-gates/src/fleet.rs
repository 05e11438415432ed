//! A fleet of twenty proxies, each with a twentieth of the traffic: merged evidence against single gates.

use crate::bench::{Bench, MAX_BATCHES, Random};
use crate::figure::Figure;
use crate::traffic::{Traffic, bare, compiled, observation};
use serin_core::gate::{Gate, GateSettings, StageEvidence, Verdict};

const PROXIES: u32 = 20;

/// Ratio (`None`: half of all canary requests fail), expected requests with merged evidence, expected
/// requests until the first local abort.
const CELLS: [(Option<f64>, f64, f64); 4] = [
    (Some(2.0), 1751.0, 12_198.0),
    (Some(5.0), 176.0, 1130.0),
    (Some(10.0), 55.0, 336.0),
    (None, 7.0, 50.0),
];

/// The number of the fleet's canary requests until the first proxy aborts. All proxies have the same
/// rate of requests, so the first to abort is the one with the fewest requests.
fn first_abort(gate: &Gate, proxies: u32, traffic: Traffic, random: &mut Random) -> f64 {
    let mut first = f64::INFINITY;
    for _ in 0..proxies {
        let (mut stage, mut requests) = (StageEvidence::default(), 0_u64);
        for _ in 0..MAX_BATCHES {
            if requests as f64 >= first {
                break;
            }
            let batch = if traffic.canary < 0.2 {
                traffic.until_events(random, 1)
            } else {
                traffic.until_request(random)
            };
            requests += batch.exposures();
            // A batch has too few requests to estimate the share from them.
            gate.observe(&mut stage, &observation(traffic.with_known_share(batch)));
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
    let cell = |(ratio, expected_merged, expected_local): (Option<f64>, f64, f64)| {
        let traffic = Traffic::new(0.05, 0.01, ratio.unwrap_or(50.0));
        let times = ratio.map_or("half of all fail".into(), |ratio| format!("{ratio}×"));
        let measure = |name: &str, gate: &Gate, proxies: u32, design: f64| {
            let what = format!("{name}, {times}");
            let run = |random: &mut Random| first_abort(gate, proxies, traffic, random);
            Figure::mean(what.clone(), &bench.repeat(&what, bench.part(333), run)).about(design)
        };
        [
            measure("merged", &merged, 1, expected_merged),
            measure("first local abort at α/20", &local, PROXIES, expected_local),
        ]
    };
    CELLS.into_iter().flat_map(cell).collect()
}
