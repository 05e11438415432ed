//! The divergence test: whether a shadow's answers differ from the clients' more often than tolerated.
//!
//! There is no baseline to compare with, so the null hypothesis is a fixed rate. The levels are those of
//! Wald's sequential probability ratio test of a Bernoulli sequence (Wald 1945). By Ville's inequality they
//! may be evaluated after every answer.

use super::compiled::threshold;
use super::counters::Tally;
use super::ln::ln;
use super::nats::Nats;
use super::process::{ALTERNATIVES, GridLevels, RISES};
use crate::value::share::Share;

/// The rate 1. Rates are in units of 10⁻⁸: 0.001 % times 0.001.
const WHOLE: u128 = 100_000_000;

/// A test of the null hypothesis that at most the tolerated share of answers differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Divergence {
    tolerated: Share,
    stages: u32,
    threshold: Nats,
    /// For each alternative, the increments by an answer that differs and by one that agrees: lower bounds.
    steps: [(i128, i128); ALTERNATIVES],
}

impl Divergence {
    /// A test that aborts a shadow which differs no more often than `tolerated` with a probability of at
    /// most `alpha_ppm` millionths over all `stages`. `tolerated` is clamped to 10⁻⁸ to 1/2.
    pub fn new(tolerated: Share, alpha_ppm: u32, stages: u32) -> Divergence {
        let null = u128::from(tolerated.millipercent()).saturating_mul(1000).clamp(1, WHOLE / 2);
        let steps = RISES.map(|times| {
            let risen = null.saturating_mul(times.into()).checked_div(1000).unwrap_or(null);
            // An alternative must leave a positive rate of answers that agree.
            let risen = risen.min(null.midpoint(WHOLE));
            let gain = ln(risen).low.saturating_sub(ln(null).high);
            let agreeing = |rate: u128| ln(WHOLE.saturating_sub(rate));
            (gain, agreeing(risen).low.saturating_sub(agreeing(null).high))
        });
        let tests = u128::try_from(ALTERNATIVES).unwrap_or(u128::MAX).saturating_mul(stages.into());
        Divergence { tolerated, stages, threshold: threshold(tests, alpha_ppm), steps }
    }

    /// The share of answers that may differ.
    pub fn tolerated(&self) -> Share {
        self.tolerated
    }

    /// The number of stages that α is divided among.
    pub fn stages(&self) -> u32 {
        self.stages
    }

    /// The level that aborts.
    pub fn threshold(&self) -> Nats {
        self.threshold
    }

    /// Adds compared answers (exposures) and those that differ (events).
    pub fn observe(&self, levels: &mut GridLevels, compared: Tally) {
        let differ = i128::from(compared.bounded_events());
        let agree = i128::from(compared.exposures).saturating_sub(differ);
        levels.add(self.steps.map(|(gain, loss)| {
            Nats::floor(differ.saturating_mul(gain).saturating_add(agree.saturating_mul(loss)))
        }));
    }

    /// The first level that has reached the threshold.
    pub fn crossed(&self, levels: &GridLevels) -> Option<Nats> {
        levels.0.iter().copied().find(|level| *level >= self.threshold)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(test: &Divergence, compared: u64, differ: u64) -> Option<Nats> {
        let mut levels = GridLevels::default();
        test.observe(&mut levels, Tally { exposures: compared, events: differ });
        test.crossed(&levels)
    }

    #[test]
    fn only_a_rate_above_the_tolerated_one_crosses() {
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
    fn levels_agree_with_floats() {
        let test = Divergence::new(Share::from_millipercent(1000).unwrap(), 10_000, 1);
        let mut levels = GridLevels::default();
        test.observe(&mut levels, Tally { exposures: 100, events: 5 });
        // Twice as many: 5·ln 2 + 95·ln(0.98 / 0.99).
        let exact = 5.0 * 2_f64.ln() + 95.0 * (0.98_f64 / 0.99).ln();
        let given = levels.0[1].raw() as f64 / 65_536.0;
        assert!((given - exact).abs() < 1e-3, "{given} for {exact}");
        assert_eq!(test.threshold().to_string(), "6.21");
    }

    use alloc::string::ToString;
}
