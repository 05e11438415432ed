//! The observer of a rollout's gate: reads the evidence that the filter's elected VM has stored.

use super::proxy::Proxy;
use super::subject::Subject;
use super::timeline::Likelihoods;
use serin_core::gate::{Evidence, Monitor, Process};
use serin_core::plan::Trial;

/// The observer of one rollout. It judges nothing itself.
pub(super) struct Observer<'s> {
    trial: &'s Trial,
    rollout: &'s str,
}

impl<'s> Observer<'s> {
    /// The observer of the drilled rollout; `None` without gates.
    pub(super) fn new(subject: &'s Subject) -> Option<Observer<'s>> {
        Some(Observer { trial: subject.trial()?, rollout: &subject.rollout })
    }

    /// The likelihoods of the latest evaluation; zeros before the first one of a stage.
    pub(super) fn likelihoods(&self, proxy: &Proxy) -> Likelihoods {
        let monitor = proxy.monitor(self.rollout);
        monitor.map_or(Likelihoods::default(), |monitor| likelihoods(&monitor, self.trial))
    }
}

/// The largest likelihood against the new version in any group, and the likelihood for promotion, which
/// only the first group has: everybody.
fn likelihoods(monitor: &Monitor, trial: &Trial) -> Likelihoods {
    let mut found = Likelihoods::default();
    for (index, evidence) in monitor.evidence(trial).enumerate() {
        let group = of_group(&evidence);
        found.against = found.against.max(group.against);
        if index == 0 {
            found.promotion = group.promotion;
        }
    }
    found
}

#[allow(clippy::cast_precision_loss)]
fn of_group(evidence: &Evidence) -> Likelihoods {
    let mut found = Likelihoods::default();
    for level in &evidence.levels {
        let part = level.level.raw() as f64 / level.threshold.raw().max(1) as f64;
        match level.process {
            Process::Promotion => found.promotion = part.max(0.0),
            _ => found.against = found.against.max(part),
        }
    }
    found
}
