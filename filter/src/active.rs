//! A plan in force, with the counters that belong to it.

use core::cell::RefCell;

use serin_core::{Decision, Plan, RolloutDecision};

use crate::host::Metric;

/// Everything a request needs of the current config. Shared by the requests that began under it.
pub(crate) struct Active {
    pub(crate) plan: Plan,
    /// Reused, so that deciding allocates nothing.
    pub(crate) decision: RefCell<Decision>,
    /// A counter for each arm of each rollout, by position.
    requests: Vec<Vec<Option<Metric>>>,
}

impl Active {
    pub(crate) fn new(plan: Plan) -> Active {
        let counter = |rollout: &str, arm: &str| {
            Metric::counter(&format!("serin.rollout.{rollout}.arm.{arm}.requests"))
        };
        let requests = plan.rollouts().iter().map(|rollout| {
            rollout.arms().iter().map(|arm| counter(rollout.name(), arm.name())).collect()
        });
        Active { requests: requests.collect(), decision: RefCell::new(Decision::new(&plan)), plan }
    }

    /// Counts a request for its arm.
    pub(crate) fn count(&self, decided: &RolloutDecision) {
        let arms = self.requests.get(decided.rollout.index());
        if let Some(Some(counter)) = arms.and_then(|arms| arms.get(decided.arm.index())) {
            counter.increment();
        }
    }
}
