//! Latency: a sequential test of stochastic dominance at sixteen edges.

use crate::bench::{Bench, Random};
use crate::figure::{Figure, Source};
use crate::traffic::{bare, compiled, sample};
use rand::RngExt;
use rand_distr::LogNormal;
use serin_core::gate::{
    Edge, Gate, GateSettings, LatencyCounts, LatencySettings, Observation, StageEvidence,
};

const SHARE: f64 = 0.05;

/// The gate shares its α between errors and latency: twice α gives latency the design's threshold,
/// ln(80/0.01).
fn gate(tolerance: u8) -> Gate {
    let latency = Some(LatencySettings { tolerance, edges: Edge::DEFAULT });
    compiled(GateSettings { latency, alpha_ppm: 20_000, ..bare() })
}

/// One request's latency, in µs: p50 50 ms, p99 200 ms, times `slower`.
fn latency(random: &mut Random, slower: f64) -> u64 {
    let sigma = 4_f64.ln() / 2.326_348;
    let ms: f64 = sample(LogNormal::new(50_f64.ln(), sigma), random);
    (ms * slower * 1000.0) as u64
}

/// Canary requests until an edge crosses, with so many of them from look to look; none within `most`.
fn until_crossed(
    gate: &Gate,
    slower: f64,
    batch: u32,
    most: u32,
    random: &mut Random,
) -> Option<f64> {
    let mut stage = StageEvidence::default();
    let threshold = gate.thresholds().latency;
    let mut seen = 0;
    while seen < most {
        let (mut canary, mut baseline) = (LatencyCounts::default(), LatencyCounts::default());
        for _ in 0..batch {
            while random.random::<f64>() >= SHARE {
                baseline.record(latency(random, 1.0));
            }
            canary.record(latency(random, slower));
        }
        seen += batch;
        gate.observe(
            &mut stage,
            &Observation { latency: Some([&canary, &baseline]), ..Observation::default() },
        );
        let levels = stage.latency.iter().flat_map(|edge| edge.levels.0);
        if levels.into_iter().any(|level| level >= threshold) {
            return Some(f64::from(seen));
        }
    }
    None
}

/// How many times σ above the median a latency of the baseline is exceeded by such a share.
fn tail(z: f64) -> f64 {
    // The integral of the normal density, by Simpson's rule.
    let density = |x: f64| (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let (steps, end) = (400, 9.0);
    let width = (end - z) / f64::from(steps);
    let term = |n: i32| {
        let weight = if n == 0 || n == steps { 1.0 } else { 2.0 + 2.0 * f64::from(n % 2) };
        weight * density(z + f64::from(n) * width)
    };
    (0..=steps).map(term).sum::<f64>() * width / 3.0
}

/// Wald's estimate at the best edge and alternative: the threshold over the mean growth of the
/// likelihood with each canary request.
fn estimate(slower: f64, tolerance: u8) -> f64 {
    let sigma = 4_f64.ln() / 2.326_348;
    let shift = (slower / (f64::from(tolerance) / 8.0).exp2()).ln() / sigma;
    let mut best = 0.0_f64;
    for edge in Edge::DEFAULT {
        let z = (edge.micros() as f64 / 50_000.0).ln() / sigma;
        let (ours, theirs) = (SHARE * tail(z - shift), (1.0 - SHARE) * tail(z));
        for theta in [1.5_f64, 2.0, 4.0, 10.0, 50.0] {
            let cost = (1.0 + SHARE * (theta - 1.0)).ln();
            best = best.max(ours * theta.ln() - (ours + theirs) * cost);
        }
    }
    SHARE * 8000_f64.ln() / best
}

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let named = |slower: f64, tolerance: u8| {
        let per_cent = ((f64::from(tolerance) / 8.0).exp2() - 1.0) * 100.0;
        format!("×{slower}, tolerance {per_cent:.0} %")
    };
    // Slower, tolerance, canary requests in a look, part of the runs.
    let cells = [
        (1.25, 0, 10, 333),
        (1.5, 0, 3, 333),
        (2.0, 0, 1, 333),
        (1.25, 2, 500, 10),
        (1.5, 2, 10, 333),
        (2.0, 2, 2, 333),
    ];
    let cell = |(slower, tolerance, batch, part): (f64, u8, u32, u64)| {
        let (what, gate) = (named(slower, tolerance), gate(tolerance));
        let run = |random: &mut Random| until_crossed(&gate, slower, batch, batch * 5000, random);
        let runs: Vec<f64> =
            bench.trials(&what, bench.part(part), run).into_iter().flatten().collect();
        let formula = estimate(slower, tolerance);
        // Sixteen edges are tried at once, so the first crosses sooner; with few requests to a look
        // overshoot and small batches cost.
        Figure::mean(what, &runs).within(formula * 0.4, formula * 1.6, Source::Formula)
    };
    let equal = |tolerance: u8| {
        let (what, gate) = (format!("{}, 3,000 requests", named(1.0, tolerance)), gate(tolerance));
        let crossed = |random: &mut Random| until_crossed(&gate, 1.0, 5, 3000, random).is_some();
        Figure::share(what.clone(), &bench.trials(&what, bench.part(333), crossed)).at_most(0.01)
    };
    cells.into_iter().map(cell).chain([0, 2].into_iter().map(equal)).collect()
}
