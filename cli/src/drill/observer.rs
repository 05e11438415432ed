//! The observer of a rollout's gate: reads the evidence that the filter's elected VM has stored.

use super::proxy::Proxy;
use super::subject::Subject;
use super::timeline::Likelihoods;
use serin_core::gate::{CountedBy, Evidence, Level, Monitor, Process};
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
    let highest = |process: Process| {
        let levels = evidence.levels.iter().filter(|level| level.process == process);
        let part = |level: &Level| level.level.raw() as f64 / level.threshold.raw().max(1) as f64;
        levels.map(part).fold(0.0, f64::max)
    };
    let mut found = Likelihoods::default();
    for process in evidence.levels.iter().map(|level| level.process) {
        if process.counted_by() == CountedBy::BucketAndRequest {
            continue;
        }
        // A test that has to be confirmed is as far as the less likely of the two.
        let confirming = process.confirming().map_or(f64::INFINITY, highest);
        let part = highest(process).min(confirming);
        match process {
            Process::Promotion(_) => found.promotion = part,
            _ => found.against = found.against.max(part),
        }
    }
    found
}
