//! Simulated traffic: requests that arrive as a Poisson process, some of which have an event.

use crate::bench::Random;
use rand::RngExt;
use rand_distr::{Binomial, Distribution, Exp1, Gamma, Poisson};
use serin_core::gate::{Counters, Gate, GateSettings, InferenceUnit, Observation, Tally};

/// A canary and its baseline under one stream of requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Traffic {
    /// The canary's share of requests, 0 to 1.
    pub(crate) share: f64,
    /// The probability of an event in a canary request.
    pub(crate) canary: f64,
    /// The probability of an event in a baseline request.
    pub(crate) baseline: f64,
}

impl Traffic {
    /// Traffic with a canary whose event rate is `ratio` times the baseline's.
    pub(crate) fn new(share: f64, baseline: f64, ratio: f64) -> Traffic {
        Traffic { share, canary: (baseline * ratio).min(1.0), baseline }
    }

    fn event_rates(self) -> (f64, f64) {
        (self.share * self.canary, (1.0 - self.share) * self.baseline)
    }

    /// The requests up to and including the next `events` events.
    pub(crate) fn until_events(self, random: &mut Random, events: u64) -> Counters {
        let (ours, theirs) = self.event_rates();
        let rate = ours + theirs;
        let time = match events {
            1 => Distribution::<f64>::sample(&Exp1, random) / rate,
            _ => sample(Gamma::new(events as f64, 1.0 / rate), random),
        };
        let canary = match events {
            1 => u64::from(random.random::<f64>() * rate < ours),
            _ => sample(Binomial::new(events, ours / rate), random),
        };
        self.with_others(random, time, canary, events - canary)
    }

    /// The requests up to and including the canary's next request.
    pub(crate) fn until_request(self, random: &mut Random) -> Counters {
        let time = Distribution::<f64>::sample(&Exp1, random) / self.share;
        let canary =
            Tally { exposures: 1, events: u64::from(random.random::<f64>() < self.canary) };
        let others = Traffic { share: 0.0, ..self }.during(random, time * (1.0 - self.share));
        Counters { canary, baseline: others.baseline }
    }

    /// The same events with exposures in the exact ratio of the share, so that a gate judges as if it
    /// knew the share.
    pub(crate) fn with_known_share(self, counters: Counters) -> Counters {
        const EXPOSURES: f64 = 1e9;
        let tally = |share: f64, events| Tally { exposures: (share * EXPOSURES) as u64, events };
        Counters {
            canary: tally(self.share, counters.canary.events),
            baseline: tally(1.0 - self.share, counters.baseline.events),
        }
    }

    /// The requests in a time in which `time` of them arrive on average.
    pub(crate) fn during(self, random: &mut Random, time: f64) -> Counters {
        let (ours, theirs) = self.event_rates();
        let canary = poisson(random, ours * time);
        let baseline = poisson(random, theirs * time);
        self.with_others(random, time, canary, baseline)
    }

    /// Adds the requests without an event.
    fn with_others(self, random: &mut Random, time: f64, canary: u64, baseline: u64) -> Counters {
        let (ours, theirs) = self.event_rates();
        let tally = |events, good| Tally { exposures: events + good, events };
        let ours = poisson(random, (self.share - ours) * time);
        let theirs = poisson(random, (1.0 - self.share - theirs) * time);
        Counters { canary: tally(canary, ours), baseline: tally(baseline, theirs) }
    }
}

/// A sample of the Poisson distribution; 0 if the mean is 0.
pub(crate) fn poisson(random: &mut Random, mean: f64) -> u64 {
    if mean <= 0.0 {
        return 0;
    }
    let count: f64 = sample(Poisson::new(mean), random);
    count as u64
}

/// Samples a distribution whose parameters must be valid.
pub(crate) fn sample<T, D: Distribution<T>, E: std::fmt::Debug>(
    distribution: Result<D, E>,
    random: &mut Random,
) -> T {
    distribution.expect("the parameters are valid").sample(random)
}

/// The settings of a gate for independent requests, with its e-process alone.
pub(crate) fn bare() -> GateSettings {
    GateSettings {
        unit: InferenceUnit::Request,
        late_fault_errors: 0,
        min_per_minute: 0,
        max_baseline_errors: 100_000,
        ..GateSettings::default()
    }
}

pub(crate) fn compiled(settings: GateSettings) -> Gate {
    Gate::new(settings).expect("the settings are valid")
}

/// An observation of requests alone.
pub(crate) fn observation(requests: Counters) -> Observation<'static> {
    Observation { requests, ..Observation::default() }
}
