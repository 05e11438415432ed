//! Late faults: the plain e-process and the e-detector for a fault that starts after a long healthy time.

use crate::bench::{Bench, MAX_BATCHES, Random};
use crate::figure::{Figure, Source};
use crate::traffic::{Traffic, bare, compiled, observation};
use serin_core::gate::{GateSettings, StageEvidence};

const HEALTHY_ERRORS: u32 = 17_000;

/// The result of a run.
struct Run {
    /// Whether the detector crossed before the fault.
    false_alarm: bool,
    /// The number of canary requests from the fault until the detector crossed.
    detector: f64,
    /// The number of canary requests from the fault until the plain e-process crossed.
    plain: f64,
}

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let gate = compiled(GateSettings { late_fault_errors: 1_000_000, min_samples: 0, ..bare() });
    let thresholds = gate.thresholds();
    let late = thresholds.late.unwrap_or_default();
    let run = |random: &mut Random| {
        let (healthy, broken) = (Traffic::new(0.05, 0.001, 1.0), Traffic::new(0.05, 0.001, 5.0));
        let mut stage = StageEvidence::default();
        let mut false_alarm = false;
        for _ in 0..HEALTHY_ERRORS {
            gate.observe(&mut stage, &observation(healthy.until_events(random, 1)));
            false_alarm |= stage.errors.late.iter().any(|detector| detector.level >= late);
        }
        let start = stage.requests.canary.exposures;
        let (mut detector, mut plain) = (None, 0.0);
        for _ in 0..MAX_BATCHES {
            gate.observe(&mut stage, &observation(broken.until_events(random, 1)));
            let since = (stage.requests.canary.exposures - start) as f64;
            plain = since;
            if stage.errors.late.iter().any(|detector| detector.level >= late) {
                detector.get_or_insert(since);
            }
            if stage.errors.levels.0.iter().any(|level| *level >= thresholds.errors) {
                break;
            }
        }
        Run { false_alarm, detector: detector.unwrap_or(plain), plain }
    };
    let runs = bench.repeat("late", bench.part(333), run);
    let list = |value: fn(&Run) -> f64| runs.iter().map(value).collect::<Vec<f64>>();
    let alarms: Vec<bool> = runs.iter().map(|run| run.false_alarm).collect();
    // Each error may start an excursion of each of the five alternatives.
    let bound = 5.0 * f64::from(HEALTHY_ERRORS) / 1e6;
    vec![
        Figure::mean("canary requests, plain process", &list(|run| run.plain)).about(56_000.0),
        Figure::mean("canary requests, e-detector", &list(|run| run.detector)).about(3526.0),
        Figure::share("the detector's false alarms before it", &alarms).within(
            0.0,
            bound,
            Source::Bound,
        ),
    ]
}
