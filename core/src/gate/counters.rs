//! What has been seen of each arm.

/// What has been seen of one arm. An event is whatever the process counts: an error, a request
/// slower than an edge, a KPI event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Requests, or buckets, that could have had an event.
    pub exposures: u64,
    /// Those that had one; never more than exposures, and counted together with them.
    pub events: u64,
}

impl Tally {
    fn plus(self, other: Tally) -> Tally {
        Tally {
            exposures: self.exposures.saturating_add(other.exposures),
            events: self.events.saturating_add(other.events),
        }
    }

    fn minus(self, earlier: Tally) -> Tally {
        Tally {
            exposures: self.exposures.saturating_sub(earlier.exposures),
            events: self.events.saturating_sub(earlier.events),
        }
    }

    /// Events, at most as many as exposures.
    pub(super) fn sound_events(self) -> u64 {
        self.events.min(self.exposures)
    }

    /// Whether more than this share of exposures, in 0.001 %, had an event.
    pub(super) fn is_above(self, millipercent: u32) -> bool {
        let events = u128::from(self.events).saturating_mul(100_000);
        events > u128::from(self.exposures).saturating_mul(u128::from(millipercent))
    }
}

/// What has been seen of the canary and of the baseline in the same time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The arm on trial.
    pub canary: Tally,
    /// The arm it is compared with.
    pub baseline: Tally,
}

impl Counters {
    /// Both together: of two proxies, or of two spans of time. Sums that do not fit stay at the
    /// largest number.
    #[must_use]
    pub fn merge(self, other: Counters) -> Counters {
        Counters {
            canary: self.canary.plus(other.canary),
            baseline: self.baseline.plus(other.baseline),
        }
    }

    /// What has been added since an earlier reading of the same counters.
    #[must_use]
    pub fn since(self, earlier: Counters) -> Counters {
        Counters {
            canary: self.canary.minus(earlier.canary),
            baseline: self.baseline.minus(earlier.baseline),
        }
    }

    /// Exposures of both arms.
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
        let seen = counters((100, 3), (1000, 20));
        assert!(seen.differ_by(1000, 1500));
        assert!(!seen.differ_by(1001, 0));
        assert!(!seen.differ_by(0, 1501));
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
        fn what_was_added_is_what_came_since(a in 0_u64..1 << 60, b in 0_u64..1 << 60) {
            let (a, b) = (counters((a, b), (b, a)), counters((b, a), (a, a)));
            prop_assert_eq!(a.merge(b).since(a), b);
        }
    }
}
