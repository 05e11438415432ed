//! The planner's figures, compared with results of its formula that were computed independently.

use crate::figure::{Figure, Source};
use crate::traffic::{bare, compiled};
use serin_analysis::planner::{Rate, requests_needed};
use serin_core::Share;
use serin_core::gate::Ratio;

/// Share in units of 0.001 %, error rate in ppm, ratio in thousandths, the formula's result.
const CELLS: [(u32, u32, u32, f64); 5] = [
    (5000, 1000, 2000, 17_182.0),
    (5000, 1000, 5000, 1693.0),
    (5000, 1000, 10_000, 507.0),
    (5000, 10_000, 2000, 1718.0),
    (5000, 10_000, 5000, 169.0),
];

/// The number of canary requests that a gate needs, according to the planner.
pub(crate) fn table() -> Vec<Figure> {
    let threshold = compiled(bare()).thresholds().errors;
    let needed = |share: u32, rate: u32, ratio: u32| {
        let share = Share::from_millipercent(share)?;
        requests_needed(share, Rate::from_ppm(rate)?, Ratio::from_thousandths(ratio)?, threshold)
    };
    let needed = |share, rate, ratio| {
        needed(share, rate, ratio).map_or(f64::INFINITY, |needed| needed as f64)
    };
    let cell = |(share, rate, ratio, formula): (u32, u32, u32, f64)| {
        let times = f64::from(ratio) / 1e3;
        let what = format!("{} % errors, {times}×", f64::from(rate) / 1e4);
        let figure = Figure::exact(what, needed(share, rate, ratio));
        figure.within(formula - 1.0, formula + 1.0, Source::Formula)
    };
    let tiny = needed(2000, 30_000, 997) / 0.02;
    let tiny = Figure::exact("requests of both arms to see a KPI drop of 0.3 %", tiny).within(
        2.3e9,
        2.45e9,
        Source::Formula,
    );
    CELLS.into_iter().map(cell).chain([tiny]).collect()
}
