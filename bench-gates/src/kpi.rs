//! The e-process of KPI events: the requests until a drop is detected.

use crate::bench::{Bench, MAX_BATCHES, Random};
use crate::figure::Figure;
use crate::traffic::{Traffic, bare, compiled};
use serin_core::gate::{
    Counters, Gate, GateSettings, InferenceUnit, KpiSettings, Observation, StageEvidence,
};

fn until_crossed(gate: &Gate, traffic: Traffic, random: &mut Random, step: u64) -> f64 {
    let mut stage = StageEvidence::default();
    let threshold = gate.thresholds().kpi;
    for _ in 0..MAX_BATCHES {
        let kpi: Counters = traffic.until_events(random, step);
        gate.observe(&mut stage, &Observation { kpi, ..Observation::default() });
        if stage.kpi_levels.0.iter().any(|level| *level >= threshold) {
            break;
        }
    }
    stage.kpi.canary.exposures as f64
}

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    // Twice α, because the gate divides its α between errors and KPI events.
    let kpi = KpiSettings { unit: InferenceUnit::Request, ..KpiSettings::default() };
    let settings = GateSettings { kpi: Some(kpi), alpha_ppm: 20_000, ..bare() };
    let gate = compiled(settings);
    let cell = |(ratio, step, design): (f64, u64, f64)| {
        let what = format!("canary requests to see −{:.0} %", (1.0 - ratio) * 100.0);
        let traffic = Traffic::new(0.02, 0.03, ratio);
        let runs = bench
            .repeat(&what, bench.part(333), |random| until_crossed(&gate, traffic, random, step));
        Figure::mean(what, &runs).about(design)
    };
    [(0.5, 2, 1307.0), (0.9, 50, 41_281.0)].into_iter().map(cell).collect()
}
