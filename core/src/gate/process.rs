//! The e-process of a gate: evidence that the canary's event rate is θ times the baseline's, in nats.
//!
//! Let r be the canary's share of exposures. If the rates are equal, an event is the canary's with
//! probability r. If the canary's rate is θ times as high, it is the canary's with probability
//! rθ / (1 + r(θ−1)). The logarithms of the likelihood ratios add up over events. By Ville's inequality
//! the sum ever exceeds ln(1/α) with probability at most α, however often it is evaluated. All events of
//! an observation share its r; `docs/gates-method.md` proves that this is valid.

use super::counters::{Counters, Tally};
use super::ln::ln;
use super::nats::Nats;
use super::ratio::Ratio;
use super::wire::{Bytes, Reader, Wire, wire};

/// The number of alternatives in a grid.
pub const ALTERNATIVES: usize = 5;

/// The alternatives for a rate that should not rise, in thousandths of the tolerated ratio.
pub(super) const RISES: [u32; ALTERNATIVES] = [1500, 2000, 4000, 10_000, 50_000];

/// The alternatives for a rate that should not fall, in thousandths of the tolerated ratio.
const FALLS: [u32; ALTERNATIVES] = [900, 800, 500, 200, 20];

/// A test of one alternative ratio against a null ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Test {
    alternative: Ratio,
    null: Ratio,
    /// The gain of each of the canary's events: a lower bound of ln(alternative / null).
    gain: i128,
}

impl Test {
    /// A test of `alternative` against `null`. If the alternative is above the null, the null hypothesis
    /// is "at most `null`"; if it is below, "at least `null`".
    pub fn new(alternative: Ratio, null: Ratio) -> Test {
        let gain = alternative.ln().low.saturating_sub(null.ln().high);
        Test { alternative, null, gain }
    }

    /// The ratio that this test is evidence for.
    pub fn alternative(self) -> Ratio {
        self.alternative
    }

    /// The increment of the level by an observation, rounded down. Without events it is 0.
    pub fn increment(self, observed: Counters) -> Nats {
        self.at_exposures(observed).increment(observed)
    }

    /// The test at the exposures of an observation.
    pub(super) fn at_exposures(self, exposed: Counters) -> ExposedTest {
        let high = ln(weight(exposed, self.alternative)).high;
        let low = ln(weight(exposed, self.null)).low;
        ExposedTest { gain: self.gain, cost: high.saturating_sub(low) }
    }
}

/// A test with the constants of one observation's exposures, for several kinds of events, such as the
/// requests beyond each latency edge.
#[derive(Clone, Copy, Debug)]
pub(super) struct ExposedTest {
    gain: i128,
    /// The cost of each event of either arm: an upper bound of the logarithm of the mean ratio.
    cost: i128,
}

impl ExposedTest {
    pub(super) fn increment(self, observed: Counters) -> Nats {
        let canary = observed.canary.bounded_events();
        let all = i128::from(canary).saturating_add(observed.baseline.bounded_events().into());
        let gained = i128::from(canary).saturating_mul(self.gain);
        Nats::floor(gained.saturating_sub(all.saturating_mul(self.cost)))
    }
}

/// 1 + r(θ−1), times a factor that is the same for all ratios of an observation.
fn weight(exposed: Counters, ratio: Ratio) -> u128 {
    let times = |tally: Tally, thousandths: u32| {
        u128::from(tally.exposures).saturating_mul(u128::from(thousandths))
    };
    times(exposed.baseline, Ratio::ONE.thousandths())
        .saturating_add(times(exposed.canary, ratio.thousandths()))
}

/// The tests of five alternatives against one null ratio.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grid([Test; ALTERNATIVES]);

impl Grid {
    /// Tests for a rate that should not rise: 1.5, 2, 4, 10 and 50 times the tolerated ratio.
    pub fn rises(tolerated: Ratio) -> Grid {
        Grid(RISES.map(|times| Test::new(tolerated.times(times), tolerated)))
    }

    /// Tests for a rate that should not fall: 0.9, 0.8, 0.5, 0.2 and 0.02 times the tolerated ratio.
    pub fn falls(tolerated: Ratio) -> Grid {
        Grid(FALLS.map(|times| Test::new(tolerated.times(times), tolerated)))
    }

    /// The alternative of each test.
    pub fn alternatives(&self) -> [Ratio; ALTERNATIVES] {
        self.0.map(Test::alternative)
    }

    /// The increment of each alternative's level by an observation.
    pub fn increments(&self, observed: Counters) -> [Nats; ALTERNATIVES] {
        self.0.map(|test| test.increment(observed))
    }

    /// The tests at the exposures of an observation.
    pub(super) fn at_exposures(&self, exposed: Counters) -> [ExposedTest; ALTERNATIVES] {
        self.0.map(|test| test.at_exposures(exposed))
    }
}

/// The levels of a grid's alternatives: the logarithm of one e-process for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GridLevels(pub [Nats; ALTERNATIVES]);

impl Wire for GridLevels {
    fn write(&self, out: &mut Bytes) {
        self.0.write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Option<GridLevels> {
        Wire::read(reader).map(GridLevels)
    }
}

impl GridLevels {
    /// Adds the increments of an observation.
    pub fn add(&mut self, increments: [Nats; ALTERNATIVES]) {
        for (level, increment) in self.0.iter_mut().zip(increments) {
            *level = level.plus(increment);
        }
    }
}

/// A detector of a change in the rate: an e-detector of the CUSUM form. Its level restarts at 0 instead of
/// becoming negative, so that it detects a late fault as fast as an early one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ChangeDetector {
    /// max(level, 0) + increment.
    pub level: Nats,
    /// The requests since the level restarted.
    pub since: Counters,
}

wire!(ChangeDetector { level, since });

impl ChangeDetector {
    /// Adds the increment and the requests of an observation.
    pub fn add(&mut self, increment: Nats, requests: Counters) {
        if self.level <= Nats::ZERO {
            *self = ChangeDetector::default();
        }
        self.level = self.level.plus(increment);
        self.since = self.since.merge(requests);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    extern crate std;

    fn counters(canary: (u64, u64), baseline: (u64, u64)) -> Counters {
        let tally = |(exposures, events)| Tally { exposures, events };
        Counters { canary: tally(canary), baseline: tally(baseline) }
    }

    fn ratio(thousandths: u32) -> Ratio {
        Ratio::from_thousandths(thousandths).unwrap()
    }

    /// The increment in floats.
    fn exact(batch: Counters, alternative: f64, null: f64) -> f64 {
        let (canary, baseline) = (batch.canary, batch.baseline);
        let r = canary.exposures as f64 / (canary.exposures + baseline.exposures) as f64;
        let mean = |theta: f64| 1.0 + r * (theta - 1.0);
        let events = (canary.events + baseline.events) as f64;
        canary.events as f64 * (alternative / null).ln()
            - events * (mean(alternative) / mean(null)).ln()
    }

    fn float(nats: Nats) -> f64 {
        nats.raw() as f64 / 65_536.0
    }

    fn tally(limit: u64) -> impl Strategy<Value = (u64, u64)> {
        (1..limit).prop_flat_map(|exposures| (Just(exposures), 0..=exposures))
    }

    #[test]
    fn one_event_of_the_canary_at_five_percent() {
        let batch = counters((5, 1), (95, 0));
        let grid = Grid::rises(Ratio::ONE);
        let shown = grid.increments(batch).map(|nats| std::format!("{nats}"));
        // x·ln θ − ln(1 + 0.05(θ−1))
        assert_eq!(shown, ["0.38", "0.64", "1.24", "1.93", "2.67"]);
    }

    #[test]
    fn without_exposures_or_events_nothing_is_added() {
        let test = Test::new(ratio(2000), Ratio::ONE);
        for batch in [counters((0, 0), (0, 0)), counters((9, 0), (9, 0)), counters((0, 7), (9, 0))]
        {
            assert_eq!(test.increment(batch), Nats::ZERO, "{batch:?}");
        }
    }

    #[test]
    fn a_detector_restarts_when_its_level_is_not_positive() {
        let mut detector = ChangeDetector::default();
        detector.add(Nats::from_raw(-10), counters((1, 0), (9, 1)));
        detector.add(Nats::from_raw(7), counters((1, 1), (9, 0)));
        detector.add(Nats::from_raw(-2), counters((1, 0), (9, 1)));
        assert_eq!(detector.level, Nats::from_raw(5));
        assert_eq!(detector.since, counters((2, 1), (18, 1)));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn an_increment_is_never_above_the_truth(
            canary in tally(1 << 30),
            baseline in tally(1 << 30),
            alternative in 1_u32..60_000,
            null in 1_u32..60_000,
        ) {
            let batch = counters(canary, baseline);
            let given = float(Test::new(ratio(alternative), ratio(null)).increment(batch));
            let truth = exact(batch, f64::from(alternative) / 1e3, f64::from(null) / 1e3);
            // f64's own rounding, in a sum of numbers of this size.
            let events = (canary.1 + baseline.1) as f64;
            let slack = 1e-14 * (events + 1.0) * 20.0;
            prop_assert!(given <= truth + slack, "{given} > {truth}");
            prop_assert!(given >= truth - 2e-5 - events * 1e-13 - slack, "{given}");
        }

        /// Under equal rates the mean likelihood ratio is at most 1, exactly summed over all ways
        /// that the events of a batch may fall.
        #[test]
        fn equal_rates_are_a_fair_game(
            canary in 0_u64..12, baseline in 0_u64..12, events in 0_u64..12, which in 0_usize..5,
            falls: bool,
        ) {
            let events = events.min(canary + baseline);
            let grid = if falls { Grid::falls(Ratio::ONE) } else { Grid::rises(Ratio::ONE) };
            let choose = |n: u64, k: u64| (0..k).fold(1.0, |c, i| c * (n - i) as f64 / (i + 1) as f64);
            let mut mean = 0.0;
            for ours in events.saturating_sub(baseline)..=events.min(canary) {
                let batch = counters((canary, ours), (baseline, events - ours));
                let chance = choose(canary, ours) * choose(baseline, events - ours)
                    / choose(canary + baseline, events);
                mean += chance * float(grid.increments(batch)[which]).exp();
            }
            prop_assert!(mean <= 1.0 + 1e-12, "{mean}");
        }
    }

    /// The same where each arm's requests fail independently, for any null, in both directions.
    #[test]
    fn independent_failures_are_a_fair_game() {
        let chance = |n: u64, k: u64, p: f64| {
            let choose = (0..k).fold(1.0, |c, i| c * (n - i) as f64 / (i + 1) as f64);
            choose * p.powf(k as f64) * (1.0 - p).powf((n - k) as f64)
        };
        let cases: [(u32, u32, u64); 5] =
            [(2000, 1000, 3), (4000, 2000, 8), (1000, 2000, 8), (500, 1000, 12), (900, 950, 1)];
        for (alternative, null, canary) in cases {
            let test = Test::new(ratio(alternative), ratio(null));
            for rate in [0.01, 0.1, 0.4] {
                let mut mean = 0.0;
                for ours in 0..=canary {
                    for theirs in 0..=10 {
                        let batch = counters((canary, ours), (10, theirs));
                        mean += chance(canary, ours, rate * f64::from(null) / 1e3)
                            * chance(10, theirs, rate)
                            * float(test.increment(batch)).exp();
                    }
                }
                assert!(mean <= 1.0 + 1e-12, "{alternative} against {null} at {rate}: {mean}");
                assert!(mean > 0.5, "{alternative} against {null} at {rate}: {mean}");
            }
        }
    }
}
