//! Users whose requests all fail: a gate by request has false aborts, a gate by bucket does not.

use crate::bench::{Bench, Random};
use crate::figure::{Figure, Source};
use crate::traffic::{bare, compiled, poisson, sample};
use rand::RngExt;
use rand_distr::Pareto;
use serin_core::gate::{
    BucketSet, Counters, GateSettings, InferenceUnit, Observation, StageEvidence, Tally, Verdict,
};
use serin_core::{Bucket, Share};

const USERS: u32 = 20_000;
/// The canary's share, 50 %, at which the false aborts are most frequent.
const SHARE: u32 = 50_000;
/// The shape of the Pareto distribution of the users' traffic: a few users make most of it.
const SHAPE: f64 = 1.2;
/// The requests of both arms in a stage: 10 minutes of 200 a second.
const REQUESTS: f64 = 120_000.0;
const BATCHES: u32 = 120;
/// The share of users whose client always fails.
const BROKEN: f64 = 0.005;

/// A user whose client always fails.
struct Broken {
    bucket: Bucket,
    in_canary: bool,
    /// The mean number of requests in a batch.
    requests: f64,
}

/// All users: the broken ones one by one, and the mean number of requests of the others in a batch.
struct Population {
    broken: Vec<Broken>,
    canary: f64,
    baseline: f64,
}

fn population(random: &mut Random, ratio: f64) -> Population {
    let mut users = Vec::new();
    for _ in 0..USERS {
        let weight: f64 = sample(Pareto::new(1.0, SHAPE), random);
        let bucket = random.random_range(0..100_000_u32);
        let chance = if bucket < SHARE { BROKEN * ratio } else { BROKEN };
        users.push((weight, bucket, random.random::<f64>() < chance));
    }
    let total: f64 = users.iter().map(|(weight, ..)| weight).sum();
    let mut population = Population { broken: Vec::new(), canary: 0.0, baseline: 0.0 };
    for (weight, number, is_broken) in users {
        let requests = weight / total * REQUESTS / f64::from(BATCHES);
        let in_canary = number < SHARE;
        match (is_broken, in_canary) {
            (true, _) => {
                let bucket = Bucket::from_number(number).expect("below 100,000");
                population.broken.push(Broken { bucket, in_canary, requests });
            }
            (false, true) => population.canary += requests,
            (false, false) => population.baseline += requests,
        }
    }
    population
}

/// Whether a gate by request and a gate by bucket abort on the same traffic.
fn aborted(random: &mut Random, ratio: f64) -> (bool, bool) {
    let population = population(random, ratio);
    let by_request = compiled(bare());
    let by_bucket = compiled(GateSettings { unit: InferenceUnit::Bucket, ..bare() });
    let (mut requests_stage, mut bucket_stage) =
        (StageEvidence::default(), StageEvidence::default());
    let share = Share::from_millipercent(SHARE).expect("the share is valid");
    let mut previous = BucketSet::new();
    let mut aborted = (false, false);
    for _ in 0..BATCHES {
        let good = |exposures| Tally { exposures, events: 0 };
        let mut requests = Counters {
            canary: good(poisson(random, population.canary)),
            baseline: good(poisson(random, population.baseline)),
        };
        let mut at_risk = requests;
        let mut failed = previous.clone();
        for user in &population.broken {
            let errors = poisson(random, user.requests);
            if errors > 0 && failed.insert(user.bucket) {
                let arm = if user.in_canary { &mut at_risk.canary } else { &mut at_risk.baseline };
                arm.exposures += 1;
                arm.events += 1;
            }
            let arm = if user.in_canary { &mut requests.canary } else { &mut requests.baseline };
            arm.exposures += errors;
            arm.events += errors;
        }
        let buckets = failed.first_events(&previous, share);
        previous = failed;
        let observation = Observation { requests, buckets, at_risk, ..Observation::default() };
        by_request.observe(&mut requests_stage, &observation);
        by_bucket.observe(&mut bucket_stage, &observation);
        aborted.0 |= by_request.judge(&requests_stage).verdict == Verdict::Abort;
        aborted.1 |= by_bucket.judge(&bucket_stage).verdict == Verdict::Abort;
    }
    aborted
}

pub(crate) fn table(bench: &Bench) -> Vec<Figure> {
    let run = |name: &str, ratio| -> (Vec<bool>, Vec<bool>) {
        let runs = bench.repeat(name, bench.part(333), |random| aborted(random, ratio));
        runs.into_iter().unzip()
    };
    let (healthy, broken) = (run("sticky healthy", 1.0), run("sticky broken", 2.0));
    vec![
        // Far above α. How far depends on the distribution of traffic.
        Figure::share("false aborts by request", &healthy.0).within(0.05, 1.0, Source::Magnitude),
        Figure::share("false aborts by bucket", &healthy.1).at_most(0.01),
        Figure::share("twice as many broken users: by request", &broken.0),
        // By bucket the level at θ = 2 ends at 8.5 ± 4.1, with 100 ± 10 broken users against 50 ± 7, and the
        // threshold is 6.21. By bucket and request it varies more, because a few users make most requests.
        Figure::share("twice as many broken users: by bucket", &broken.1).within(
            0.15,
            0.7,
            Source::Magnitude,
        ),
    ]
}
