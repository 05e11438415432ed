//! Many runs of one experiment, each with random numbers of its own.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::sync::atomic::{AtomicU64, Ordering};

/// Random numbers; the same on every machine.
pub(crate) type Random = Xoshiro256PlusPlus;

/// No run looks more often: with a gate that never says anything, the bench has to end too.
pub(crate) const MOST_LOOKS: u64 = 100_000;

/// How much is run, and with which random numbers.
#[derive(Clone, Copy, Debug)]
pub struct Bench {
    /// Everything random follows from it.
    pub seed: u64,
    /// Runs of an ordinary experiment; costly ones take fewer, in proportion.
    pub runs: u64,
}

impl Bench {
    /// `runs` times a part of thousand, at least 20.
    pub(crate) fn part(&self, per_mille: u64) -> u64 {
        (self.runs * per_mille / 1000).max(20)
    }

    /// Runs an experiment so many times, on all processors. Run n of a name always sees the same
    /// random numbers.
    pub(crate) fn trials<T: Send>(
        &self,
        name: &str,
        runs: u64,
        experiment: impl Fn(&mut Random) -> T + Sync,
    ) -> Vec<T> {
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let next = AtomicU64::new(0);
        let work = || {
            let mut done = Vec::new();
            loop {
                let run = next.fetch_add(1, Ordering::Relaxed);
                if run >= runs {
                    return done;
                }
                done.push((run, experiment(&mut self.random(name, run))));
            }
        };
        let mut all: Vec<(u64, T)> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            threads.into_iter().flat_map(|thread| thread.join().expect("a run panicked")).collect()
        });
        all.sort_by_key(|(run, _)| *run);
        all.into_iter().map(|(_, result)| result).collect()
    }

    fn random(&self, name: &str, run: u64) -> Random {
        let named = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let spread = run.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Random::seed_from_u64(self.seed ^ named ^ spread)
    }
}
