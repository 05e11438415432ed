//! Users: their buckets, rates of requests and habits.

use crate::bench::Random;
use crate::traffic::sample;
use crate::users::scenario::{Arm, Latency, Scenario};
use rand::RngExt;
use rand_distr::weighted::WeightedAliasIndex;
use rand_distr::{Distribution, Pareto, StandardNormal};
use serin_core::gate::Outcome;
use serin_core::{Bucket, Share};

/// The standard deviation of the logarithm of a latency: p99 is four times p50.
const LATENCY_DEVIATION: f64 = 1.386_294 / 2.326_348;
/// The logarithm of p50 in µs.
const LATENCY_MEDIAN: f64 = 10.819_778;

/// A user. Probabilities and latencies are those at the baseline.
#[derive(Clone, Copy, Debug)]
pub(crate) struct User {
    pub(crate) bucket: Bucket,
    /// The trial's cohorts, as in an exposure.
    pub(crate) cohorts: u32,
    /// The rate of requests, relative to those of the others.
    weight: f64,
    failure: f64,
    /// The user's part of the logarithm of a latency.
    slowness: f64,
    conversion: f64,
}

/// The users of a run.
#[derive(Clone, Debug)]
pub(crate) struct Population(Vec<User>);

impl Population {
    /// Users with random buckets.
    pub(crate) fn new(scenario: &Scenario, random: &mut Random) -> Population {
        let mut users: Vec<User> =
            (0..scenario.users).map(|_| User::random(scenario, random)).collect();
        let total: f64 = users.iter().map(|user| user.weight).sum();
        if let (Some(tenant), Some(first)) = (scenario.tenant, users.first_mut()) {
            let others = total - first.weight;
            first.weight = others * tenant.requests / (1.0 - tenant.requests);
            first.failure = tenant.failure;
        }
        if let Some(cohort) = scenario.cohort {
            let mut room = total * cohort.requests;
            for user in users.iter_mut().filter(|user| user.weight < total * 1e-3) {
                if user.weight <= room {
                    room -= user.weight;
                    user.cohorts = 1;
                }
            }
        }
        Population(users)
    }

    /// The same users with other buckets, given by their positions.
    pub(crate) fn with_buckets(mut self, bucket: impl Fn(usize) -> Bucket) -> Population {
        for (index, user) in self.0.iter_mut().enumerate() {
            user.bucket = bucket(index);
        }
        self
    }

    /// The users as they ask while `share` of the buckets is at the canary, which differs as `arm` says.
    pub(crate) fn at(&self, scenario: &Scenario, share: Share, arm: Arm) -> Crowd {
        let asker = |user: &User| {
            let mut asker = *user;
            let differs = scenario.cohort.is_none() || user.cohorts != 0;
            if user.bucket.is_in(share) && differs {
                asker.weight *= arm.volume;
                // A user converts as often in a day, however often its client asks.
                asker.conversion /= arm.volume.max(1.0);
                asker.failure = (user.failure * arm.failures).min(1.0);
                asker.slowness += arm.slowness.ln();
            }
            asker
        };
        let askers: Vec<User> = self.0.iter().map(asker).collect();
        let total = |users: &[User]| users.iter().map(|user| user.weight).sum::<f64>();
        let rate = scenario.rate * total(&askers) / total(&self.0);
        let weights = askers.iter().map(|user| user.weight).collect();
        let index = WeightedAliasIndex::new(weights).expect("the weights are positive");
        let noise = scenario.habits.latency.map(|latency| latency.noise());
        Crowd { askers, index, rate, noise }
    }
}

impl User {
    fn random(scenario: &Scenario, random: &mut Random) -> User {
        let habits = scenario.habits;
        let conversion = habits.conversion.map_or(0.0, |conversion| {
            let converts = random.random::<f64>() < conversion.users;
            if converts { conversion.probability } else { 0.0 }
        });
        let slowness = habits.latency.map_or(0.0, |latency| latency.of_user(random));
        let is_broken = habits.broken > 0.0 && random.random::<f64>() < habits.broken;
        User {
            bucket: Bucket::from_number(random.random_range(0..100_000)).expect("below 100,000"),
            cohorts: 0,
            weight: sample(Pareto::new(1.0, scenario.shape), random),
            failure: if is_broken { 1.0 } else { habits.failure },
            slowness,
            conversion,
        }
    }
}

impl Latency {
    fn of_user(self, random: &mut Random) -> f64 {
        let z: f64 = StandardNormal.sample(random);
        LATENCY_MEDIAN + LATENCY_DEVIATION * self.users_part.sqrt() * z
    }

    fn noise(self) -> f64 {
        LATENCY_DEVIATION * (1.0 - self.users_part).sqrt()
    }
}

/// The users during a step, each at its arm.
#[derive(Clone, Debug)]
pub(crate) struct Crowd {
    askers: Vec<User>,
    index: WeightedAliasIndex<f64>,
    /// The requests in a second.
    pub(crate) rate: f64,
    /// The standard deviation of the logarithm of one user's latencies; `None` without latencies.
    noise: Option<f64>,
}

impl Crowd {
    /// The next request: its user and its outcome.
    pub(crate) fn request(&self, random: &mut Random) -> (&User, Outcome) {
        let user = &self.askers[self.index.sample(random)];
        let failed = user.failure > 0.0 && random.random::<f64>() < user.failure;
        let converts = user.conversion > 0.0 && random.random::<f64>() < user.conversion;
        let status = match (failed, converts) {
            (true, _) => 503,
            (false, true) => 201,
            (false, false) => 200,
        };
        let micros = self.noise.map(|noise| {
            let z: f64 = StandardNormal.sample(random);
            (user.slowness + noise * z).exp() as u64
        });
        (user, Outcome { status, micros, ..Outcome::default() })
    }
}
