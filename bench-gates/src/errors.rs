//! The e-process of errors: what it lets through, what it stops, and when.

use crate::bench::{Bench, MOST_LOOKS, Random};
use crate::figure::Figure;
use crate::traffic::{Traffic, bare, compiled, look};
use serin_core::gate::{Gate, GateSettings, StageEvidence, Verdict};

/// The canary's requests until the gate aborts.
fn until_abort(gate: &Gate, traffic: Traffic, random: &mut Random) -> f64 {
    let mut stage = StageEvidence::default();
    for _ in 0..MOST_LOOKS {
        // Where much fails, after every request of the canary; else after every error.
        let seen = if traffic.canary < 0.2 {
            traffic.until_events(random, 1)
        } else {
            traffic.until_request(random)
        };
        gate.observe(&mut stage, &look(seen));
        if gate.judge(&stage).verdict == Verdict::Abort {
            break;
        }
    }
    stage.requests.canary.exposures as f64
}

pub(crate) fn false_aborts(bench: &Bench) -> Vec<Figure> {
    let gate = compiled(bare());
    let aborts = |random: &mut Random, share: f64| {
        let traffic = Traffic::new(share, 0.01, 1.0);
        let (mut stage, mut errors) = (StageEvidence::default(), 0);
        while errors < 200_000 {
            // After every error at first, later at every hundredth part more.
            let step = (errors / 100).max(1);
            errors += step;
            gate.observe(&mut stage, &look(traffic.until_events(random, step)));
            if gate.judge(&stage).verdict == Verdict::Abort {
                return true;
            }
        }
        false
    };
    let cell = |(share, design): (f64, f64)| {
        let what = format!("false aborts, w = {} %", share * 100.0);
        let runs = bench.trials(&what, bench.runs, |random| aborts(random, share));
        let within = Figure::share(what.clone(), &runs).about_share(design);
        [within, Figure::share(format!("{what}, against α"), &runs).at_most(0.01)]
    };
    [(0.01, 0.0043), (0.05, 0.0037), (0.5, 0.0033)].into_iter().flat_map(cell).collect()
}

/// Baseline error rate, ratio (none: half of all canary requests fail), the design's figure.
const CELLS: [(f64, Option<f64>, f64); 8] = [
    (0.001, Some(2.0), 17_349.0),
    (0.001, Some(5.0), 1768.0),
    (0.001, Some(10.0), 536.0),
    (0.001, None, 50.0),
    (0.01, Some(2.0), 1678.0),
    (0.01, Some(5.0), 180.0),
    (0.01, Some(10.0), 66.0),
    (0.01, None, 50.0),
];

pub(crate) fn detection(bench: &Bench) -> Vec<Figure> {
    let gate = compiled(bare());
    let cell = |(baseline, ratio, design): (f64, Option<f64>, f64)| {
        let traffic = Traffic::new(0.05, baseline, ratio.unwrap_or(0.5 / baseline));
        let times = ratio.map_or("half of all fail".into(), |ratio| format!("{ratio}×"));
        let what = format!("{} % baseline errors, {times}", baseline * 100.0);
        let runs = bench.trials(&what, bench.runs, |random| until_abort(&gate, traffic, random));
        Figure::mean(what, &runs).about(design)
    };
    CELLS.into_iter().map(cell).collect()
}

pub(crate) fn promotion(bench: &Bench) -> Vec<Figure> {
    let gate = compiled(GateSettings { min_samples: 0, ..bare() });
    let threshold = gate.thresholds().promotion;
    let until = |random: &mut Random, traffic: Traffic, step: u64, looks: u64| {
        let mut stage = StageEvidence::default();
        for _ in 0..looks {
            gate.observe(&mut stage, &look(traffic.until_events(random, step)));
            if stage.promotion >= threshold {
                return Some(stage.requests.canary.exposures as f64);
            }
        }
        None
    };
    let needed = |(baseline, design): (f64, f64)| {
        let traffic = Traffic::new(0.05, baseline, 1.0);
        let what = format!("canary requests at {} % errors", baseline * 100.0);
        let runs = bench.trials(&what, bench.runs, |random| until(random, traffic, 1, MOST_LOOKS));
        let runs: Vec<f64> = runs.into_iter().flatten().collect();
        Figure::mean(what, &runs).about(design)
    };
    let wrong = |(baseline, step): (f64, u64)| {
        let what = format!("promotable at 2×, {} % errors, {step} a look", baseline * 100.0);
        let traffic = Traffic::new(0.05, baseline, 2.0);
        let promoted = |random: &mut Random| until(random, traffic, step, 3000 / step).is_some();
        Figure::share(what.clone(), &bench.trials(&what, bench.runs, promoted)).at_most(0.05)
    };
    let needed = [(0.001, 11_072.0), (0.01, 1072.0)].into_iter().map(needed);
    needed.chain([(0.001, 1), (0.04, 1), (0.04, 20)].into_iter().map(wrong)).collect()
}
