//! How many clients that choose their ids it takes to steer a gate.
//!
//! A client that chooses its id chooses its bucket, and with it its arm. With `errors.unit: bucket` one id
//! adds one error to a step, however often it fails.

use serin_core::Share;
use serin_core::gate::{Counters, Gate, Observation, StageEvidence, Tally, Verdict};

/// The number of ids after which the search ends.
const MAX_IDS: u64 = 100_000;
/// The requests of both arms before each chosen id: enough for a verdict.
const REQUESTS: u64 = 1_000_000;
const BUCKETS: u64 = 100_000;

/// The number of chosen ids with one error each that abort a healthy canary of this share, after
/// `healthy_errors` errors that both arms had by their shares. `None` if none do.
pub fn ids_to_abort(gate: &Gate, share: Share, healthy_errors: u64) -> Option<u64> {
    ids_until(gate, share, healthy_errors, Arm::Canary, Verdict::Abort)
}

/// The number of chosen ids of the baseline with one error each that make a canary without errors
/// promotable. `None` if none do.
pub fn ids_to_promote(gate: &Gate, share: Share) -> Option<u64> {
    ids_until(gate, share, 0, Arm::Baseline, Verdict::Promotable)
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Arm {
    Canary,
    Baseline,
}

fn ids_until(
    gate: &Gate,
    share: Share,
    healthy_errors: u64,
    arm: Arm,
    verdict: Verdict,
) -> Option<u64> {
    let part = |all: u64| {
        let canary = all.saturating_mul(share.millipercent().into()).checked_div(BUCKETS);
        let canary = canary.unwrap_or_default();
        [canary, all.saturating_sub(canary)]
    };
    let ([mut canary, mut baseline], [ours, theirs]) = (part(BUCKETS), part(healthy_errors));
    let counters = |canary: (u64, u64), baseline: (u64, u64)| Counters {
        canary: Tally { exposures: canary.0, events: canary.1 },
        baseline: Tally { exposures: baseline.0, events: baseline.1 },
    };
    let [our_requests, their_requests] = part(REQUESTS);
    let mut stage = StageEvidence::default();
    gate.observe(
        &mut stage,
        &Observation {
            requests: counters((our_requests, ours), (their_requests, theirs)),
            buckets: counters((canary, ours), (baseline, theirs)),
            at_risk: counters((our_requests, ours), (their_requests, theirs)),
            ..Observation::default()
        },
    );
    canary = canary.saturating_sub(ours);
    baseline = baseline.saturating_sub(theirs);
    for ids in 1..=MAX_IDS {
        let added = match arm {
            Arm::Canary => [(1, 1), (0, 0)],
            Arm::Baseline => [(0, 0), (1, 1)],
        };
        let [ours, theirs] = added;
        gate.observe(
            &mut stage,
            &Observation {
                requests: counters(ours, theirs),
                buckets: counters((canary, ours.1), (baseline, theirs.1)),
                at_risk: counters((our_requests, ours.1), (their_requests, theirs.1)),
                ..Observation::default()
            },
        );
        canary = canary.saturating_sub(ours.1);
        baseline = baseline.saturating_sub(theirs.1);
        if gate.judge(&stage).verdict == verdict {
            return Some(ids);
        }
    }
    None
}
