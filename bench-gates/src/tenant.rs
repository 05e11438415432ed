//! One tenant that is large: why the share is observed and never taken from the spec.

use crate::bench::{Bench, Random};
use crate::figure::{Figure, Source};
use crate::traffic::{Traffic, bare, compiled, look};
use serin_core::gate::{StageEvidence, Verdict};

/// The share that the spec says, and the one that traffic has: a tenant with 3.2 % of all requests
/// fell into the canary.
const CONFIGURED: f64 = 0.05;
const OBSERVED: f64 = 0.08;
const ERROR_RATE: f64 = 0.01;
/// 10 minutes of 1,000 requests a second, looked at every five seconds.
const LOOKS: u32 = 120;
const REQUESTS: f64 = 5_000.0;

/// Whether a healthy canary is aborted with the configured share, and with the observed one.
fn aborted(random: &mut Random) -> (bool, bool) {
    let traffic = Traffic::new(OBSERVED, ERROR_RATE, 1.0);
    let taken_for = Traffic::new(CONFIGURED, ERROR_RATE, 1.0);
    let gate = compiled(bare());
    let (mut configured, mut observed) = (StageEvidence::default(), StageEvidence::default());
    let mut said = (false, false);
    for _ in 0..LOOKS {
        let seen = traffic.during(random, REQUESTS);
        gate.observe(&mut configured, &look(taken_for.with_known_share(seen)));
        gate.observe(&mut observed, &look(seen));
        said.0 |= gate.judge(&configured).verdict == Verdict::Abort;
        said.1 |= gate.judge(&observed).verdict == Verdict::Abort;
    }
    said
}

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let runs = bench.trials("heavy tenant", bench.part(333), aborted);
    let (configured, observed): (Vec<bool>, Vec<bool>) = runs.into_iter().unzip();
    vec![
        Figure::share("false aborts with the configured share", &configured).within(
            0.99,
            1.0,
            Source::Magnitude,
        ),
        Figure::share("false aborts with the observed share", &observed).at_most(0.01),
    ]
}
