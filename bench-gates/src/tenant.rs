//! A large tenant, which moves the canary's share of requests away from the spec's: a gate that takes the
//! share from the spec has false aborts, a gate that observes it does not.

use crate::bench::{Bench, Random};
use crate::figure::{Figure, Source};
use crate::traffic::{Traffic, bare, compiled, observation};
use serin_core::gate::{StageEvidence, Verdict};

/// The canary's share in the spec.
const CONFIGURED: f64 = 0.05;
/// The canary's share of requests, with a tenant in it that sends 3.2 % of all requests.
const OBSERVED: f64 = 0.08;
const ERROR_RATE: f64 = 0.01;
/// The number of batches in 10 minutes, one every five seconds.
const BATCHES: u32 = 120;
/// The mean number of requests in a batch, at 1,000 a second.
const REQUESTS: f64 = 5_000.0;

/// Whether a healthy canary is aborted with the configured share, and with the observed one.
fn aborted(random: &mut Random) -> (bool, bool) {
    let traffic = Traffic::new(OBSERVED, ERROR_RATE, 1.0);
    let assumed = Traffic::new(CONFIGURED, ERROR_RATE, 1.0);
    let gate = compiled(bare());
    let (mut configured, mut observed) = (StageEvidence::default(), StageEvidence::default());
    let mut aborted = (false, false);
    for _ in 0..BATCHES {
        let batch = traffic.during(random, REQUESTS);
        gate.observe(&mut configured, &observation(assumed.with_known_share(batch)));
        gate.observe(&mut observed, &observation(batch));
        aborted.0 |= gate.judge(&configured).verdict == Verdict::Abort;
        aborted.1 |= gate.judge(&observed).verdict == Verdict::Abort;
    }
    aborted
}

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let runs = bench.repeat("heavy tenant", bench.part(333), aborted);
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
