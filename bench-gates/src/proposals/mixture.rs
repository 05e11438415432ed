//! The mean of the alternatives' e-processes in place of the highest of them, and other parts of α for the
//! first stage.
//!
//! The mean of e-processes is one, so it needs no division by their number.

use crate::bench::{Bench, MAX_BATCHES, Random};
use crate::figure::Figure;
use crate::proposals::Levels;
use crate::proposals::levels::{ALTERNATIVES, RISES};
use crate::traffic::Traffic;

const SHARE: f64 = 0.01;
const ALPHA: f64 = 0.01;
const STAGES: f64 = 4.0;
/// The canary requests that a gate needs before it may abort.
const MIN_SAMPLES: f64 = 50.0;

/// A rule: its name, whether it takes the mixture, and its part of α.
type Rule = (&'static str, bool, f64);

const RULES: [Rule; 5] = [
    ("highest, α/4", false, 1.0 / STAGES),
    ("mixture, α/4", true, 1.0 / STAGES),
    ("highest, α/2", false, 0.5),
    ("mixture, α/2", true, 0.5),
    ("mixture, α", true, 1.0),
];

fn threshold((_, is_mixture, part): Rule) -> f64 {
    let tests = if is_mixture { 1.0 } else { ALTERNATIVES as f64 };
    (tests / (ALPHA * part)).ln()
}

/// The canary requests until each rule aborts, in the same run.
fn until_aborts(traffic: Traffic, random: &mut Random) -> [f64; RULES.len()] {
    let mut levels = Levels::new(RISES);
    let mut found = [None; RULES.len()];
    let mut requests = 0.0;
    for _ in 0..MAX_BATCHES {
        let batch = traffic.until_events(random, 1);
        requests += batch.canary.exposures as f64;
        levels.add(traffic.share, batch.canary.events as f64, batch.baseline.events as f64);
        for (rule, found) in RULES.into_iter().zip(&mut found) {
            let level = if rule.1 { levels.mixture() } else { levels.highest() };
            if requests >= MIN_SAMPLES && level >= threshold(rule) {
                found.get_or_insert(requests);
            }
        }
        if found.iter().all(Option::is_some) {
            break;
        }
    }
    found.map(|found| found.unwrap_or(requests))
}

/// Whether each rule aborts a healthy canary within 20,000 errors.
fn false_aborts(random: &mut Random) -> [bool; RULES.len()] {
    let traffic = Traffic::new(SHARE, 0.01, 1.0);
    let mut levels = Levels::new(RISES);
    let mut aborted = [false; RULES.len()];
    for _ in 0..20_000 {
        let batch = traffic.until_events(random, 1);
        levels.add(traffic.share, batch.canary.events as f64, batch.baseline.events as f64);
        for (rule, aborted) in RULES.into_iter().zip(&mut aborted) {
            let level = if rule.1 { levels.mixture() } else { levels.highest() };
            *aborted |= level >= threshold(rule);
        }
    }
    aborted
}

/// Errors of the baseline, ratio, and an independent simulation's mean for each rule.
const CELLS: [(f64, f64, [f64; RULES.len()]); 6] = [
    (0.001, 2.0, [19_834.0, 18_942.0, 17_848.0, 17_008.0, 15_001.0]),
    (0.001, 5.0, [1992.0, 1929.0, 1832.0, 1759.0, 1579.0]),
    (0.001, 10.0, [596.0, 576.0, 544.0, 519.0, 453.0]),
    (0.01, 2.0, [1956.0, 1892.0, 1776.0, 1694.0, 1490.0]),
    (0.01, 5.0, [199.0, 192.0, 180.0, 173.0, 155.0]),
    (0.01, 10.0, [69.0, 68.0, 66.0, 64.0, 60.0]),
];

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let detection = CELLS.into_iter().flat_map(|(failure, ratio, designs)| {
        let traffic = Traffic::new(SHARE, failure, ratio);
        let cell = format!("errors {} %, {ratio}×", failure * 100.0);
        let runs = bench.repeat(&format!("mixture {cell}"), bench.part(333), |random| {
            until_aborts(traffic, random)
        });
        let figure = |n: usize| {
            let values: Vec<f64> = runs.iter().map(|run| run[n]).collect();
            Figure::mean(format!("{cell}: {}", RULES[n].0), &values).about(designs[n])
        };
        (0..RULES.len()).map(figure).collect::<Vec<Figure>>()
    });
    let healthy = bench.repeat("mixture healthy", bench.part(333), false_aborts);
    let healthy = RULES.iter().enumerate().map(|(n, (rule, _, part))| {
        let values: Vec<bool> = healthy.iter().map(|run| run[n]).collect();
        Figure::share(format!("healthy, aborted: {rule}"), &values).at_most(ALPHA * part)
    });
    detection.chain(healthy).collect()
}
