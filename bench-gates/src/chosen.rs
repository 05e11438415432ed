//! Clients that choose their ids: how many it takes to abort a healthy canary or to promote one, and what a
//! limit on the requests or errors of one network would leave them.

use crate::bench::Bench;
use crate::figure::{Figure, Source};
use crate::traffic::compiled;
use serin_analysis::steering::{ids_to_abort, ids_to_promote};
use serin_core::Share;
use serin_core::gate::GateSettings;

/// The canary's share in units of 0.001 %, and the ids that the formula needs: in a rollout of one stage, of
/// four stages, after 1,000 healthy errors without the test of late faults, with that test, and to promote.
const CELLS: [(u32, [f64; 5]); 3] = [
    (1000, [2.0, 3.0, 16.0, 4.0, 302.0]),
    (5000, [3.0, 3.0, 32.0, 6.0, 62.0]),
    (25_000, [5.0, 6.0, 84.0, 11.0, 14.0]),
];

/// The errors of healthy units before the attack, at both arms together.
const HEALTHY_ERRORS: u64 = 1000;
/// The requests for each of those errors: an error rate of 1 %.
const REQUESTS_PER_ERROR: f64 = 100.0;
/// The share of an arm's errors that one network may have, in a gate that would limit it, in per cent.
const NETWORK_PERCENT: f64 = 5.0;
/// For each share of [`CELLS`]: the part of the canary's requests, in per cent, that aborts it after
/// [`HEALTHY_ERRORS`] with the test of late faults, and the networks that the ids need under
/// [`NETWORK_PERCENT`].
const NETWORKS: [[f64; 2]; 3] = [[0.4, 4.0], [0.12, 3.0], [0.044, 1.0]];

/// Nothing is random here, so the size of the bench does not matter.
pub(crate) fn table(_: &Bench) -> Vec<Figure> {
    let mut figures = Vec::new();
    for ((share, wanted), networks) in CELLS.into_iter().zip(NETWORKS) {
        let percent = share / 1000;
        let canary = Share::from_millipercent(share).expect("a share");
        let defaults = || GateSettings { min_per_minute: 0, ..GateSettings::default() };
        let gate = |stages, late_fault_errors| {
            compiled(GateSettings { stages, late_fault_errors, ..defaults() })
        };
        let default = defaults().late_fault_errors;
        let (plain, four, late) = (gate(1, 0), gate(4, 0), gate(4, default));
        let ids = [
            ("abort, from the start, 1 stage", ids_to_abort(&plain, canary, 0)),
            ("abort, from the start, 4 stages", ids_to_abort(&four, canary, 0)),
            (
                "abort, after 1,000 errors, no late test",
                ids_to_abort(&four, canary, HEALTHY_ERRORS),
            ),
            ("abort, after 1,000 errors, late test", ids_to_abort(&late, canary, HEALTHY_ERRORS)),
            ("promote, at the baseline", ids_to_promote(&plain, canary)),
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
        let ids =
            ids_to_abort(&late, canary, HEALTHY_ERRORS).map_or(f64::INFINITY, |ids| ids as f64);
        let limits = limits(ids, HEALTHY_ERRORS as f64 * f64::from(percent) / 100.0);
        let what =
            ["per cent of the canary's requests that abort it", "networks of 5 % of its errors"];
        for ((what, value), wanted) in what.into_iter().zip(limits).zip(networks) {
            let figure = Figure::exact(format!("w = {percent} %: {what}, after 1,000"), value);
            figures.push(figure.within(wanted - 1e-9, wanted + 1e-9, Source::Formula));
        }
    }
    figures
}

/// What a limit for each network would leave to `ids` failing requests, next to a canary with
/// `canary_errors`: their part of the canary's requests, in per cent, and the networks that they need if each
/// may have one error, and [`NETWORK_PERCENT`] of the errors where that is more.
fn limits(ids: f64, canary_errors: f64) -> [f64; 2] {
    let part = 100.0 * ids / (canary_errors * REQUESTS_PER_ERROR);
    let admitted = (canary_errors * NETWORK_PERCENT / 100.0).floor().max(1.0);
    [part, (ids / admitted).ceil()]
}
