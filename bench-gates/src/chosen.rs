//! Clients that choose their ids: how many it takes to abort a healthy canary or to promote one.

use crate::bench::Bench;
use crate::figure::{Figure, Source};
use crate::traffic::compiled;
use serin_analysis::steering::{ids_to_abort, ids_to_promote};
use serin_core::Share;
use serin_core::gate::GateSettings;

/// The canary's share in units of 0.001 %, and the ids that the formula needs: in a rollout of one stage, of
/// four stages, after 1,000 healthy errors without the test of late faults, with that test, and to promote.
const CELLS: [(u32, [f64; 5]); 3] = [
    (1000, [2.0, 3.0, 16.0, 4.0, 301.0]),
    (5000, [3.0, 3.0, 32.0, 6.0, 62.0]),
    (25_000, [5.0, 6.0, 84.0, 11.0, 14.0]),
];

/// Nothing is random here, so the size of the bench does not matter.
pub(crate) fn table(_: &Bench) -> Vec<Figure> {
    let mut figures = Vec::new();
    for (share, wanted) in CELLS {
        let percent = share / 1000;
        let share = Share::from_millipercent(share).expect("a share");
        let defaults = || GateSettings { min_per_minute: 0, ..GateSettings::default() };
        let gate = |stages, late_fault_errors| {
            compiled(GateSettings { stages, late_fault_errors, ..defaults() })
        };
        let default = defaults().late_fault_errors;
        let (plain, four, late) = (gate(1, 0), gate(4, 0), gate(4, default));
        let ids = [
            ("abort, from the start, 1 stage", ids_to_abort(&plain, share, 0)),
            ("abort, from the start, 4 stages", ids_to_abort(&four, share, 0)),
            ("abort, after 1,000 errors, no late test", ids_to_abort(&four, share, 1000)),
            ("abort, after 1,000 errors, late test", ids_to_abort(&late, share, 1000)),
            ("promote, at the baseline", ids_to_promote(&plain, share)),
        ];
        for ((what, ids), wanted) in ids.into_iter().zip(wanted) {
            let ids = ids.map_or(f64::INFINITY, |ids| ids as f64);
            let figure = Figure::exact(format!("w = {percent} %: {what}"), ids);
            figures.push(figure.within(wanted, wanted, Source::Formula));
        }
        // A host that signs ids gives one in `share` to the canary, and an attacker cannot choose which.
        let minted = 100.0 / f64::from(percent) * wanted[0];
        figures.push(Figure::exact(
            format!("w = {percent} %: minted ids that hold those of the first line"),
            minted,
        ));
    }
    figures
}
