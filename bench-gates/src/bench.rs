//! The runner: many runs of one experiment in parallel, each with its own random numbers.

use rand::SeedableRng;
use rand_xoshiro::Xoshiro256PlusPlus;
use std::sync::atomic::{AtomicU64, Ordering};

/// The generator of random numbers; it gives the same on every machine.
pub(crate) type Random = Xoshiro256PlusPlus;

/// The maximum number of batches in a run, so that the bench ends with a gate that never aborts.
pub(crate) const MAX_BATCHES: u64 = 100_000;

/// The size and the seed of a bench.
#[derive(Clone, Copy, Debug)]
pub struct Bench {
    /// The seed of all random numbers.
    pub seed: u64,
    /// The number of runs of an ordinary experiment; expensive ones have a fixed fraction of it.
    pub runs: u64,
}

impl Bench {
    /// A fraction of `runs` in thousandths, at least 20 or all of them.
    pub(crate) fn part(&self, per_mille: u64) -> u64 {
        (self.runs * per_mille / 1000).max(self.runs.min(20))
    }

    /// Runs an experiment `runs` times, on all processors. Run n of a name always gets the same random
    /// numbers.
    pub(crate) fn repeat<T: Send>(
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
        let name_hash = name.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let run_hash = run.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Random::seed_from_u64(self.seed ^ name_hash ^ run_hash)
    }
}
