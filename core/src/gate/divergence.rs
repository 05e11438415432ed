//! How often a shadow may disagree with what the client got.
//!
//! There is no baseline to compare with, so a fixed rate is tolerated: the likelihood of a higher one
//! against it, for a sequence of yes and no (Wald 1945). By Ville's inequality it may be looked at
//! after every answer, as the others.

use super::compiled::threshold;
use super::counters::Tally;
use super::ln::ln;
use super::nats::Nats;
use super::process::{ALTERNATIVES, Levels, RISES};
use crate::value::share::Share;

/// One, in the units that rates are computed in: 0.001 % of 0.001.
const WHOLE: u128 = 100_000_000;

/// A test of "at most so many answers differ".
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    tolerated: Share,
    threshold: Nats,
    /// What an answer that differs adds, and what one that agrees takes off: lower bounds.
    steps: [(i128, i128); ALTERNATIVES],
}

impl Divergence {
    /// A test with a chance of `alpha_ppm` millionths, shared out over `stages`, to abort a shadow that
    /// differs no more often than `tolerated`. The tolerated share counts as at least 10⁻⁸ and at
    /// most a half.
    pub fn new(tolerated: Share, alpha_ppm: u32, stages: u32) -> Divergence {
        let null = u128::from(tolerated.millipercent()).saturating_mul(1000).clamp(1, WHOLE / 2);
        let steps = RISES.map(|times| {
            let risen = null.saturating_mul(times.into()).checked_div(1000).unwrap_or(null);
            // As far as that leaves something that agrees.
            let risen = risen.min(null.midpoint(WHOLE));
            let gain = ln(risen).low.saturating_sub(ln(null).high);
            let kept = |rate: u128| ln(WHOLE.saturating_sub(rate));
            (gain, kept(risen).low.saturating_sub(kept(null).high))
        });
        let tests = u128::try_from(ALTERNATIVES).unwrap_or(u128::MAX).saturating_mul(stages.into());
        Divergence { tolerated, threshold: threshold(tests, alpha_ppm), steps }
    }

    /// The share of answers that may differ.
    pub fn tolerated(&self) -> Share {
        self.tolerated
    }

    /// From where on a likelihood counts.
    pub fn threshold(&self) -> Nats {
        self.threshold
    }

    /// Adds compared answers (exposures) and those that differ (events).
    pub fn observe(&self, levels: &mut Levels, compared: Tally) {
        let differ = i128::from(compared.sound_events());
        let agree = i128::from(compared.exposures).saturating_sub(differ);
        levels.add(self.steps.map(|(gain, loss)| {
            Nats::floor(differ.saturating_mul(gain).saturating_add(agree.saturating_mul(loss)))
        }));
    }

    /// The likelihood that has crossed, if one has.
    pub fn crossed(&self, levels: &Levels) -> Option<Nats> {
        levels.0.iter().copied().find(|level| *level >= self.threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(test: &Divergence, compared: u64, differ: u64) -> Option<Nats> {
        let mut levels = Levels::default();
        test.observe(&mut levels, Tally { exposures: compared, events: differ });
        test.crossed(&levels)
    }

    #[test]
    fn what_is_tolerated_never_crosses_and_what_is_not_does() {
        for millipercent in [1, 10, 1000, 30_000, 50_000] {
            let tolerated = Share::from_millipercent(millipercent).unwrap();
            let test = Divergence::new(tolerated, 10_000, 1);
            let compared = 100_000_000;
            let at = compared / 100_000 * u64::from(millipercent);
            assert_eq!(after(&test, compared, at), None, "{millipercent}");
            let above = after(&test, compared, at * 3 / 2);
            assert!(above.is_some(), "{millipercent}");
        }
    }

    #[test]
    fn a_likelihood_is_what_floats_say() {
        let test = Divergence::new(Share::from_millipercent(1000).unwrap(), 10_000, 1);
        let mut levels = Levels::default();
        test.observe(&mut levels, Tally { exposures: 100, events: 5 });
        // Twice as many: 5·ln 2 + 95·ln(0.98 / 0.99).
        let exact = 5.0 * 2_f64.ln() + 95.0 * (0.98_f64 / 0.99).ln();
        let given = levels.0[1].raw() as f64 / 65_536.0;
        assert!((given - exact).abs() < 1e-3, "{given} for {exact}");
        assert_eq!(test.threshold().to_string(), "6.21");
    }

    use alloc::string::ToString;
}
