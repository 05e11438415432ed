//! A gate with a limit on the errors of each network: healthy canaries that it aborts, and broken ones that it
//! misses. No gate here has such a limit; the figures are why.

use crate::bench::{Bench, Random};
use crate::figure::{Figure, Source};
use crate::traffic::{bare, compiled};
use rand::RngExt;
use serin_core::gate::{
    Counters, GateSettings, InferenceUnit, Observation, StageEvidence, Tally, Verdict,
};

/// The canary's share.
const SHARE: f64 = 0.05;
const BUCKETS: u64 = 100_000;
/// The errors of a run, each of another bucket.
const ERRORS: u32 = 4000;
/// The requests of both arms for each error: an error rate of 1 %.
const REQUESTS_PER_ERROR: u64 = 100;
/// The share of the counted errors that one network may have; one error is always counted.
const LIMIT: f64 = 0.05;

/// The errors that a limit compares.
#[derive(Clone, Copy)]
enum Limit {
    /// None: every error counts.
    Off,
    /// Those of each arm by itself.
    Arm,
    /// Those of both arms together.
    Both,
}

/// Whether a canary whose error rate is `ratio` times the baseline's is aborted, where errors come from
/// `networks` in equal parts.
fn is_aborted(random: &mut Random, limit: Limit, networks: usize, ratio: f64) -> bool {
    let gate = compiled(GateSettings { unit: InferenceUnit::Bucket, ..bare() });
    let mut stage = StageEvidence::default();
    let mut counted = vec![[0_u32; 2]; networks];
    let canary_part = SHARE * ratio / (SHARE * ratio + 1.0 - SHARE);
    let our_requests = (REQUESTS_PER_ERROR as f64 * SHARE) as u64;
    let [mut ours, mut theirs] = [BUCKETS as f64 * SHARE, BUCKETS as f64 * (1.0 - SHARE)];
    for _ in 0..ERRORS {
        let network = random.random_range(0..networks);
        let arm = usize::from(random.random::<f64>() >= canary_part);
        let of = |counts: &[u32; 2]| match limit {
            Limit::Arm => counts[arm],
            Limit::Off | Limit::Both => counts[0] + counts[1],
        };
        let all: u32 = counted.iter().map(of).sum();
        let allowed = (f64::from(all) * LIMIT).max(1.0);
        if !matches!(limit, Limit::Off) && f64::from(of(&counted[network]) + 1) > allowed {
            continue;
        }
        counted[network][arm] += 1;
        let events = [u64::from(arm == 0), u64::from(arm == 1)];
        let tally = |exposures: f64, events| Tally { exposures: exposures as u64, events };
        // Few buckets have failed, so nearly all requests are of others.
        let requests = Counters {
            canary: Tally { exposures: our_requests, events: events[0] },
            baseline: Tally { exposures: REQUESTS_PER_ERROR - our_requests, events: events[1] },
        };
        let observation = Observation {
            requests,
            at_risk: requests,
            buckets: Counters {
                canary: tally(ours, events[0]),
                baseline: tally(theirs, events[1]),
            },
            ..Observation::default()
        };
        ours -= events[0] as f64;
        theirs -= events[1] as f64;
        gate.observe(&mut stage, &observation);
        if gate.judge(&stage).verdict == Verdict::Abort {
            return true;
        }
    }
    false
}

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let run = |what: &str, limit, networks, ratio| {
        let runs = bench
            .repeat(what, bench.part(333), |random| is_aborted(random, limit, networks, ratio));
        Figure::share(what, &runs)
    };
    vec![
        run("false aborts, no limit, 10 networks", Limit::Off, 10, 1.0).at_most(0.01),
        run("false aborts, limit in each arm, 10 networks", Limit::Arm, 10, 1.0).within(
            0.5,
            1.0,
            Source::Magnitude,
        ),
        run("false aborts, limit in each arm, 200 networks", Limit::Arm, 200, 1.0),
        run("false aborts, limit over both arms, 10 networks", Limit::Both, 10, 1.0).at_most(0.01),
        run("aborts at 5×, no limit, 10 networks", Limit::Off, 10, 5.0).within(
            0.99,
            1.0,
            Source::Magnitude,
        ),
        run("aborts at 5×, limit over both arms, 10 networks", Limit::Both, 10, 5.0).within(
            0.0,
            0.5,
            Source::Magnitude,
        ),
        run("aborts at 5×, limit over both arms, 200 networks", Limit::Both, 200, 5.0).within(
            0.99,
            1.0,
            Source::Magnitude,
        ),
    ]
}
