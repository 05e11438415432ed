//! Randomness is an argument too: seeded in tests, the system's in a server.

/// Where the guests' `random_get` comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Entropy {
    /// The same bytes in every run. Each worker gets its own stream of them.
    Seeded(u64),
    /// The operating system's.
    System,
}

/// One worker's source of randomness.
#[derive(Debug)]
pub(crate) enum Source {
    Seeded(u64),
    System,
}

impl Source {
    pub(crate) fn new(entropy: &Entropy, worker: u64) -> Self {
        match entropy {
            Entropy::Seeded(seed) => {
                Self::Seeded(seed.wrapping_add(worker.wrapping_mul(0xd1b5_4a32_d192_ed03)))
            }
            Entropy::System => Self::System,
        }
    }

    /// Fills the bytes; false when the system has none to give.
    pub(crate) fn fill(&mut self, bytes: &mut [u8]) -> bool {
        match self {
            Self::Seeded(state) => {
                for chunk in bytes.chunks_mut(8) {
                    let word = split_mix(state).to_le_bytes();
                    chunk.copy_from_slice(&word[..chunk.len()]);
                }
                true
            }
            Self::System => getrandom::fill(bytes).is_ok(),
        }
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_and_workers_differ() {
        let bytes = |seed, worker| {
            let mut bytes = [0; 13];
            assert!(Source::new(&Entropy::Seeded(seed), worker).fill(&mut bytes));
            bytes
        };
        assert_eq!(bytes(7, 0), bytes(7, 0));
        assert_ne!(bytes(7, 0), bytes(7, 1));
        assert_ne!(bytes(7, 0), bytes(8, 0));
    }
}
