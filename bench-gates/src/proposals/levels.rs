//! The levels of an e-process for several alternatives, in floats.

use serin_core::gate::Counters;

/// The number of alternatives.
pub(crate) const ALTERNATIVES: usize = 5;
/// The alternatives for a rate that should not rise.
pub(crate) const RISES: [f64; ALTERNATIVES] = [1.5, 2.0, 4.0, 10.0, 50.0];
/// The alternatives for a rate that should not fall.
pub(crate) const FALLS: [f64; ALTERNATIVES] = [0.9, 0.8, 0.5, 0.2, 0.02];

/// The logarithm of one e-process for each alternative.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Levels {
    alternatives: [f64; ALTERNATIVES],
    levels: [f64; ALTERNATIVES],
}

impl Levels {
    /// Levels without evidence.
    pub(crate) fn new(alternatives: [f64; ALTERNATIVES]) -> Levels {
        Levels { alternatives, levels: [0.0; ALTERNATIVES] }
    }

    /// Adds events at the canary's share of exposures.
    pub(crate) fn add(&mut self, share: f64, canary: f64, baseline: f64) {
        for (level, alternative) in self.levels.iter_mut().zip(self.alternatives) {
            let cost = (share * (alternative - 1.0)).ln_1p();
            *level += canary * alternative.ln() - (canary + baseline) * cost;
        }
    }

    /// Adds an observation.
    pub(crate) fn observe(&mut self, observed: Counters) {
        let Counters { canary, baseline } = observed;
        let exposures = observed.exposures();
        if exposures > 0 {
            let share = canary.exposures as f64 / exposures as f64;
            self.add(share, canary.events as f64, baseline.events as f64);
        }
    }

    /// The highest level: it ever reaches ln(K/α) with a probability of at most α.
    pub(crate) fn highest(&self) -> f64 {
        self.levels.into_iter().fold(f64::NEG_INFINITY, f64::max)
    }

    /// The logarithm of the mean e-process: it ever reaches ln(1/α) with a probability of at most α.
    pub(crate) fn mixture(&self) -> f64 {
        let highest = self.highest();
        let sum: f64 = self.levels.iter().map(|level| (level - highest).exp()).sum();
        highest + (sum / ALTERNATIVES as f64).ln()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mixture_lies_between_the_highest_level_and_its_share() {
        let mut levels = Levels::new(RISES);
        assert_eq!((levels.highest(), levels.mixture()), (0.0, 0.0));
        levels.add(0.05, 4.0, 6.0);
        let (highest, mixture) = (levels.highest(), levels.mixture());
        assert!(mixture < highest && mixture > highest - (ALTERNATIVES as f64).ln(), "{levels:?}");
    }
}
