//! Users: their buckets, rates of requests and habits.

use crate::bench::Random;
use crate::users::alias::AliasTable;
use crate::users::scenario::{Arm, Latency, Scenario};
use rand::RngExt;
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
    failure: f32,
    /// The user's part of the logarithm of a latency.
    slowness: f32,
    conversion: f32,
}

/// The users of a run.
#[derive(Clone, Debug)]
pub(crate) struct Population {
    /// What the users' ids begin with.
    pub(super) name: u64,
    users: Vec<User>,
    /// The users' rates of requests, relative to each other.
    weights: Vec<f64>,
}

impl Population {
    /// Users with random buckets.
    pub(crate) fn new(scenario: &Scenario, random: &mut Random) -> Population {
        let pareto = Pareto::new(1.0, scenario.shape).expect("the shape is positive");
        let mut weights: Vec<f64> = (0..scenario.users).map(|_| pareto.sample(random)).collect();
        let mut users: Vec<User> =
            (0..scenario.users).map(|_| User::random(scenario, random)).collect();
        let total: f64 = weights.iter().sum();
        if let (Some(tenant), Some(user), Some(weight)) =
            (scenario.tenant, users.first_mut(), weights.first_mut())
        {
            *weight = (total - *weight) * tenant.requests / (1.0 - tenant.requests);
            user.failure = tenant.failure as f32;
        }
        if let Some(cohort) = scenario.cohort {
            let mut room = total * cohort.requests;
            // Without the heaviest users, so that the cohort has many.
            let light =
                users.iter_mut().zip(&weights).filter(|(_, weight)| **weight < total * 1e-3);
            for (user, weight) in light {
                if *weight <= room {
                    room -= weight;
                    user.cohorts = 1;
                }
            }
        }
        Population { name: random.random(), users, weights }
    }

    /// The same users with other buckets, given by their positions.
    pub(crate) fn with_buckets(mut self, bucket: impl Fn(usize) -> Bucket) -> Population {
        for (index, user) in self.users.iter_mut().enumerate() {
            user.bucket = bucket(index);
        }
        self
    }

    /// The users as they ask while `share` of the buckets is at the canary, which differs as `arm` says.
    /// Of the successful requests only the part `successes` is simulated.
    pub(crate) fn at(&self, scenario: &Scenario, share: Share, arm: Arm, successes: f64) -> Crowd {
        let (mut askers, mut weights) = (self.users.clone(), self.weights.clone());
        for (asker, weight) in askers.iter_mut().zip(&mut weights) {
            let differs = scenario.cohort.is_none() || asker.cohorts != 0;
            if asker.bucket.is_in(share) && differs {
                *weight *= if arm.loses(asker.bucket) { 0.0 } else { arm.volume };
                // A user converts as often in a day, however often its client asks.
                asker.conversion /= arm.volume.max(1.0) as f32;
                asker.failure = (asker.failure * arm.failures as f32).min(1.0);
                asker.slowness += arm.slowness.ln() as f32;
            }
            let failure = f64::from(asker.failure);
            let simulated = failure + (1.0 - failure) * successes;
            *weight *= simulated;
            asker.failure = (failure / simulated) as f32;
        }
        let total = |weights: &[f64]| weights.iter().sum::<f64>();
        let rate = scenario.rate * total(&weights) / total(&self.weights);
        let noise = scenario.habits.latency.map(|latency| latency.noise());
        Crowd { askers, table: AliasTable::new(&weights), rate, noise }
    }
}

impl Arm {
    /// Whether the users of a bucket are lost. The lost buckets are spread over all of them.
    fn loses(self, bucket: Bucket) -> bool {
        f64::from(bucket.number() % 100) < self.lost_users * 100.0
    }
}

impl User {
    fn random(scenario: &Scenario, random: &mut Random) -> User {
        let habits = scenario.habits;
        let conversion = habits.conversion.map_or(0.0, |conversion| {
            let converts = random.random::<f64>() < conversion.users;
            if converts { conversion.probability as f32 } else { 0.0 }
        });
        let slowness = habits.latency.map_or(0.0, |latency| latency.of_user(random)) as f32;
        let is_broken = habits.broken > 0.0 && random.random::<f64>() < habits.broken;
        User {
            bucket: Bucket::from_number(random.random_range(0..100_000)).expect("below 100,000"),
            cohorts: 0,
            failure: if is_broken { 1.0 } else { habits.failure as f32 },
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
    table: AliasTable,
    /// The requests in a second.
    pub(crate) rate: f64,
    /// The standard deviation of the logarithm of one user's latencies; `None` without latencies.
    noise: Option<f64>,
}

impl Crowd {
    /// The next request: its user and its outcome.
    pub(crate) fn request(&self, random: &mut Random) -> (&User, Outcome) {
        let user = &self.askers[self.table.sample(random)];
        let failed = user.failure > 0.0 && random.random::<f32>() < user.failure;
        let converts = user.conversion > 0.0 && random.random::<f32>() < user.conversion;
        let status = match (failed, converts) {
            (true, _) => 503,
            (false, true) => 201,
            (false, false) => 200,
        };
        let micros = self.noise.map(|noise| {
            let z: f64 = StandardNormal.sample(random);
            (f64::from(user.slowness) + noise * z).exp() as u64
        });
        (user, Outcome { status, micros, ..Outcome::default() })
    }
}
