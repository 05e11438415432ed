//! Latency: a sequential test of stochastic dominance at sixteen edges.

use crate::bench::{Bench, Random};
use crate::figure::{Figure, Source};
use crate::traffic::{bare, compiled, sample};
use rand::RngExt;
use rand_distr::LogNormal;
use serin_core::gate::{
    Edge, Gate, GateSettings, InferenceUnit, LatencyCounts, LatencySettings, Observation,
    StageEvidence,
};

const SHARE: f64 = 0.05;

/// A gate with the design's threshold for latency, ln(80/0.01). Its α is doubled, because a gate divides
/// it between errors and latency.
fn gate(tolerance: u8) -> Gate {
    let unit = InferenceUnit::Request;
    let latency = Some(LatencySettings { unit, tolerance, edges: Edge::DEFAULT });
    compiled(GateSettings { latency, alpha_ppm: 20_000, ..bare() })
}

/// A random latency in µs: p50 50 ms, p99 200 ms, times `slower`.
fn latency(random: &mut Random, slower: f64) -> u64 {
    let sigma = 4_f64.ln() / 2.326_348;
    let ms: f64 = sample(LogNormal::new(50_f64.ln(), sigma), random);
    (ms * slower * 1000.0) as u64
}

/// The number of canary requests until an edge crosses, with `batch` of them in each batch; `None` if
/// none crosses within `max`.
fn until_crossed(
    gate: &Gate,
    slower: f64,
    batch: u32,
    max: u32,
    random: &mut Random,
) -> Option<f64> {
    let mut stage = StageEvidence::default();
    let threshold = gate.thresholds().latency;
    let mut requests = 0;
    while requests < max {
        let (mut canary, mut baseline) = (LatencyCounts::default(), LatencyCounts::default());
        for _ in 0..batch {
            while random.random::<f64>() >= SHARE {
                baseline.record(latency(random, 1.0));
            }
            canary.record(latency(random, slower));
        }
        requests += batch;
        gate.observe(
            &mut stage,
            &Observation { latency: Some([&canary, &baseline]), ..Observation::default() },
        );
        let levels = stage.latency.iter().flat_map(|edge| edge.levels.0);
        if levels.into_iter().any(|level| level >= threshold) {
            return Some(f64::from(requests));
        }
    }
    None
}

/// The upper tail of the standard normal distribution: the probability of a value above `z`.
fn tail(z: f64) -> f64 {
    // Simpson's rule for the integral of the density.
    let density = |x: f64| (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt();
    let (steps, end) = (400, 9.0);
    let width = (end - z) / f64::from(steps);
    let term = |n: i32| {
        let weight = if n == 0 || n == steps { 1.0 } else { 2.0 + 2.0 * f64::from(n % 2) };
        weight * density(z + f64::from(n) * width)
    };
    (0..=steps).map(term).sum::<f64>() * width / 3.0
}

/// Wald's estimate of the canary requests until an abort, at the best edge and alternative: the
/// threshold divided by the mean growth of the log-likelihood ratio with each canary request.
fn estimate(slower: f64, tolerance: u8) -> f64 {
    let sigma = 4_f64.ln() / 2.326_348;
    let shift = (slower / (f64::from(tolerance) / 8.0).exp2()).ln() / sigma;
    let mut best = 0.0_f64;
    for edge in Edge::DEFAULT {
        let z = (edge.micros() as f64 / 50_000.0).ln() / sigma;
        let (canary, baseline) = (SHARE * tail(z - shift), (1.0 - SHARE) * tail(z));
        for theta in [1.5_f64, 2.0, 4.0, 10.0, 50.0] {
            let cost = (1.0 + SHARE * (theta - 1.0)).ln();
            best = best.max(canary * theta.ln() - (canary + baseline) * cost);
        }
    }
    SHARE * 8000_f64.ln() / best
}

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let named = |slower: f64, tolerance: u8| {
        let per_cent = ((f64::from(tolerance) / 8.0).exp2() - 1.0) * 100.0;
        format!("×{slower}, tolerance {per_cent:.0} %")
    };
    // Factor, tolerance, canary requests in a batch, runs in thousandths.
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
            bench.repeat(&what, bench.part(part), run).into_iter().flatten().collect();
        let formula = estimate(slower, tolerance);
        // The estimate is for one edge. The first of sixteen edges crosses sooner; overshoot and small
        // batches need more requests.
        Figure::mean(what, &runs).within(formula * 0.4, formula * 1.6, Source::Formula)
    };
    let equal = |tolerance: u8| {
        let (what, gate) = (format!("{}, 3,000 requests", named(1.0, tolerance)), gate(tolerance));
        let crossed = |random: &mut Random| until_crossed(&gate, 1.0, 5, 3000, random).is_some();
        Figure::share(what.clone(), &bench.repeat(&what, bench.part(333), crossed)).at_most(0.01)
    };
    cells.into_iter().map(cell).chain([0, 2].into_iter().map(equal)).collect()
}
