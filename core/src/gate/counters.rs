//! Counters of exposures and events, for each arm.

use super::wire::wire;

/// The exposures and events of one arm. An event is what an e-process counts: an error, a request slower
/// than an edge, a KPI event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// The requests, or buckets, that could have had an event.
    pub exposures: u64,
    /// The exposures that had an event. More events than exposures count as equally many.
    pub events: u64,
}

wire!(Tally { exposures, events });

impl Tally {
    fn plus(self, other: Tally) -> Tally {
        Tally {
            exposures: self.exposures.saturating_add(other.exposures),
            events: self.events.saturating_add(other.events),
        }
    }

    fn minus(self, previous: Tally) -> Tally {
        Tally {
            exposures: self.exposures.saturating_sub(previous.exposures),
            events: self.events.saturating_sub(previous.events),
        }
    }

    /// The events, at most as many as the exposures.
    pub(super) fn bounded_events(self) -> u64 {
        self.events.min(self.exposures)
    }

    /// Whether the events per exposure are above `millipercent` (0.001 %).
    pub(super) fn is_above(self, millipercent: u32) -> bool {
        let events = u128::from(self.events).saturating_mul(100_000);
        events > u128::from(self.exposures).saturating_mul(u128::from(millipercent))
    }
}

/// The tallies of the canary and of the baseline over the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The arm on trial.
    pub canary: Tally,
    /// The arm that the canary is compared with.
    pub baseline: Tally,
}

wire!(Counters { canary, baseline });

impl Counters {
    /// The sum of two counters: of two proxies, or of two periods. Sums saturate.
    #[must_use]
    pub fn merge(self, other: Counters) -> Counters {
        Counters {
            canary: self.canary.plus(other.canary),
            baseline: self.baseline.plus(other.baseline),
        }
    }

    /// The growth since a previous reading of the same counters.
    #[must_use]
    pub fn since(self, previous: Counters) -> Counters {
        Counters {
            canary: self.canary.minus(previous.canary),
            baseline: self.baseline.minus(previous.baseline),
        }
    }

    /// Takes the exposures of other counters. Buckets without an event are a state, not a sum.
    pub(super) fn set_exposures(&mut self, other: Counters) {
        self.canary.exposures = other.canary.exposures;
        self.baseline.exposures = other.baseline.exposures;
    }

    /// The exposures of both arms.
    pub fn exposures(self) -> u64 {
        self.canary.exposures.saturating_add(self.baseline.exposures)
    }

    /// Whether the canary's events per exposure are at least `difference` (0.001 %) above the
    /// baseline's, and at least `ratio` (thousandths) times them.
    pub(super) fn differ_by(self, difference: u32, ratio: u32) -> bool {
        let (canary, baseline) = (self.canary, self.baseline);
        // Cross-multiplied: canary.events / canary.exposures against baseline's.
        let ours = u128::from(canary.events).saturating_mul(u128::from(baseline.exposures));
        let theirs = u128::from(baseline.events).saturating_mul(u128::from(canary.exposures));
        let product = u128::from(canary.exposures).saturating_mul(u128::from(baseline.exposures));
        let wanted = theirs
            .saturating_mul(100_000)
            .saturating_add(product.saturating_mul(u128::from(difference)));
        ours.saturating_mul(100_000) >= wanted
            && ours.saturating_mul(1000) >= theirs.saturating_mul(u128::from(ratio))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn counters(canary: (u64, u64), baseline: (u64, u64)) -> Counters {
        let tally = |(exposures, events)| Tally { exposures, events };
        Counters { canary: tally(canary), baseline: tally(baseline) }
    }

    fn some() -> impl Strategy<Value = Counters> {
        let tally = || (any::<u64>(), any::<u64>());
        (tally(), tally()).prop_map(|(canary, baseline)| counters(canary, baseline))
    }

    #[test]
    fn effects_are_compared_exactly() {
        // 3 % against 2 %: one per cent apart, one and a half times.
        let counted = counters((100, 3), (1000, 20));
        assert!(counted.differ_by(1000, 1500));
        assert!(!counted.differ_by(1001, 0));
        assert!(!counted.differ_by(0, 1501));
        assert!(Tally { exposures: 100, events: 6 }.is_above(5000));
        assert!(!Tally { exposures: 100, events: 5 }.is_above(5000));
    }

    proptest! {
        #[test]
        fn merging_commutes_and_associates(a in some(), b in some(), c in some()) {
            prop_assert_eq!(a.merge(b), b.merge(a));
            prop_assert_eq!(a.merge(b).merge(c), a.merge(b.merge(c)));
            prop_assert_eq!(a.merge(Counters::default()), a);
        }

        #[test]
        fn since_undoes_merge(a in 0_u64..1 << 60, b in 0_u64..1 << 60) {
            let (a, b) = (counters((a, b), (b, a)), counters((b, a), (a, a)));
            prop_assert_eq!(a.merge(b).since(a), b);
        }
    }
}
