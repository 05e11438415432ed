//! The e-process of errors: false aborts, the requests until an abort, and promotion.

use crate::bench::{Bench, MAX_BATCHES, Random};
use crate::figure::Figure;
use crate::traffic::{Traffic, bare, compiled, observation};
use serin_core::gate::{Gate, GateSettings, StageEvidence, Verdict};

/// The number of canary requests until the gate aborts.
fn until_abort(gate: &Gate, traffic: Traffic, random: &mut Random) -> f64 {
    let mut stage = StageEvidence::default();
    for _ in 0..MAX_BATCHES {
        // If many requests fail, a batch is one canary request; else it ends with one error.
        let batch = if traffic.canary < 0.2 {
            traffic.until_events(random, 1)
        } else {
            traffic.until_request(random)
        };
        gate.observe(&mut stage, &observation(batch));
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
            // A batch has one error at first, later a hundredth of the errors so far.
            let step = (errors / 100).max(1);
            errors += step;
            gate.observe(&mut stage, &observation(traffic.until_events(random, step)));
            if gate.judge(&stage).verdict == Verdict::Abort {
                return true;
            }
        }
        false
    };
    let cell = |(share, design): (f64, f64)| {
        let what = format!("false aborts, w = {} %", share * 100.0);
        let runs = bench.repeat(&what, bench.runs, |random| aborts(random, share));
        let within = Figure::share(what.clone(), &runs).about_share(design);
        [within, Figure::share(format!("{what}, against α"), &runs).at_most(0.01)]
    };
    [(0.01, 0.0043), (0.05, 0.0037), (0.5, 0.0033)].into_iter().flat_map(cell).collect()
}

/// Baseline error rate, ratio (`None`: half of all canary requests fail), expected requests.
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
        let runs = bench.repeat(&what, bench.runs, |random| until_abort(&gate, traffic, random));
        Figure::mean(what, &runs).about(design)
    };
    CELLS.into_iter().map(cell).collect()
}

pub(crate) fn promotion(bench: &Bench) -> Vec<Figure> {
    let gate = compiled(GateSettings { min_samples: 0, ..bare() });
    let threshold = gate.thresholds().promotion;
    let until_promotable = |random: &mut Random, traffic: Traffic, step: u64, batches: u64| {
        let mut stage = StageEvidence::default();
        for _ in 0..batches {
            gate.observe(&mut stage, &observation(traffic.until_events(random, step)));
            if stage.errors.promotion >= threshold {
                return Some(stage.requests.canary.exposures as f64);
            }
        }
        None
    };
    let needed = |(baseline, design): (f64, f64)| {
        let traffic = Traffic::new(0.05, baseline, 1.0);
        let what = format!("canary requests at {} % errors", baseline * 100.0);
        let runs = bench
            .repeat(&what, bench.runs, |random| until_promotable(random, traffic, 1, MAX_BATCHES));
        let runs: Vec<f64> = runs.into_iter().flatten().collect();
        Figure::mean(what, &runs).about(design)
    };
    let wrong = |(baseline, step): (f64, u64)| {
        let what = format!("promotable at 2×, {} % errors, {step} a look", baseline * 100.0);
        let traffic = Traffic::new(0.05, baseline, 2.0);
        let promoted =
            |random: &mut Random| until_promotable(random, traffic, step, 3000 / step).is_some();
        Figure::share(what.clone(), &bench.repeat(&what, bench.runs, promoted)).at_most(0.05)
    };
    let needed = [(0.001, 11_072.0), (0.01, 1072.0)].into_iter().map(needed);
    needed.chain([(0.001, 1), (0.04, 1), (0.04, 20)].into_iter().map(wrong)).collect()
}
