//! The simulated users: a few send most of the requests, and some have clients that always fail.

use super::request::Request;
use super::subject::Subject;
use rand::{RngExt, SeedableRng};
use rand_distr::{Distribution, Pareto};
use rand_xoshiro::Xoshiro256PlusPlus;

/// The random number generator, which gives the same numbers on every machine.
pub(super) type Random = Xoshiro256PlusPlus;

/// The shape of the Pareto distribution of the users' traffic.
const SHAPE: f64 = 1.2;
/// One user of this many is among the busiest.
const BUSIEST: usize = 100;

/// The generator for a purpose in a run: purposes and runs draw independent numbers.
pub(super) fn random(seed: u64, purpose: &str, run: u64) -> Random {
    // FNV-1a, and SplitMix64's constant.
    let named = purpose.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    Random::seed_from_u64(seed ^ named ^ run.wrapping_mul(0x9e37_79b9_7f4a_7c15))
}

/// A simulated user.
pub(super) struct User {
    /// The request that this user sends.
    pub(super) request: Request,
    /// The user's groups: bit n for the n-th group of the subject.
    pub(super) groups: u32,
    /// A number from 0 to 1: the client always fails if the part of broken clients is larger.
    pub(super) luck: f64,
    /// Whether this is one of the hundredth with the most requests.
    pub(super) busiest: bool,
}

/// All simulated users.
pub(super) struct Users {
    pub(super) list: Vec<User>,
    /// The sums of the weights up to each user, inclusive.
    cumulative: Vec<f64>,
}

impl Users {
    /// Draws users and their groups.
    pub(super) fn new(subject: &Subject, count: usize, random: &mut Random) -> Users {
        let weigh = |_| match Pareto::new(1.0, SHAPE) {
            Ok(pareto) => pareto.sample(random),
            Err(_) => 1.0,
        };
        let weights: Vec<f64> = (0..count).map(weigh).collect();
        let mut sorted = weights.clone();
        sorted.sort_by(|a, b| b.total_cmp(a));
        let min_weight = sorted.get((count / BUSIEST).max(1) - 1).copied().unwrap_or(f64::MAX);
        let mut sum = 0.0;
        let cumulative = weights.iter().map(|weight| {
            sum += weight;
            sum
        });
        let cumulative = cumulative.collect();
        let user = |(index, weight): (usize, &f64)| {
            let mut groups = 0;
            let mut attributes: Vec<(String, String)> = Vec::new();
            for (bit, group) in subject.groups.iter().enumerate() {
                if random.random::<f64>() >= group.part {
                    continue;
                }
                let free = |name: &String| !attributes.iter().any(|(known, _)| known == name);
                if group.attributes.iter().all(|(name, _)| free(name)) {
                    groups |= 1 << bit.min(31);
                    attributes.extend(group.attributes.iter().cloned());
                }
            }
            let id = format!("user-{index}");
            User {
                request: Request::new(subject, &id, &attributes),
                groups,
                luck: random.random(),
                busiest: *weight >= min_weight,
            }
        };
        Users { list: weights.iter().enumerate().map(user).collect(), cumulative }
    }

    /// The index of the user who sends the next request.
    pub(super) fn next(&self, random: &mut Random) -> usize {
        let all = self.cumulative.last().copied().unwrap_or(1.0);
        let at = random.random::<f64>() * all;
        self.cumulative.partition_point(|sum| *sum <= at).min(self.list.len() - 1)
    }
}
