//! The plan in force, with its counters.

use core::cell::RefCell;

use std::rc::Rc;

use serin_core::{Decision, IdKeys, Plan, RolloutDecision};

use crate::gates::Gates;
use crate::host::Metric;
use crate::overrides::Overrides;
use crate::shadow::ComparedShadows;

/// A plan in force, with everything that its requests need. The requests that began under it share it, so it
/// outlives the next config.
pub(crate) struct ActivePlan {
    pub(crate) plan: Plan,
    /// `None` if the host has no override keys.
    pub(crate) overrides: Option<Rc<Overrides>>,
    /// `None` if the host does not sign the ids that it mints.
    pub(crate) id_keys: Option<Rc<IdKeys>>,
    /// `None` if no rollout can be aborted.
    pub(crate) gates: Option<Gates>,
    pub(crate) shadows: ComparedShadows,
    /// The decision of the current request. It is reused, so that `decide` allocates nothing.
    pub(crate) decision: RefCell<Decision>,
    /// The request counter of each arm, by the indices of rollout and arm.
    requests: Vec<Vec<Option<Metric>>>,
}

impl ActivePlan {
    /// Puts a plan in force.
    pub(crate) fn new(
        plan: Plan,
        overrides: Option<Rc<Overrides>>,
        id_keys: Option<Rc<IdKeys>>,
        gates: Option<Gates>,
    ) -> ActivePlan {
        let counter = |rollout: &str, arm: &str| {
            Metric::counter(&format!("serin.rollout.{rollout}.arm.{arm}.requests"))
        };
        let requests = plan.rollouts().iter().map(|rollout| {
            rollout.arms().iter().map(|arm| counter(rollout.name(), arm.name())).collect()
        });
        ActivePlan {
            requests: requests.collect(),
            overrides,
            id_keys,
            gates,
            shadows: ComparedShadows::new(&plan),
            decision: RefCell::new(Decision::new(&plan)),
            plan,
        }
    }

    /// Counts a request for its arm.
    pub(crate) fn count(&self, decided: &RolloutDecision) {
        let arms = self.requests.get(decided.rollout.index());
        if let Some(Some(counter)) = arms.and_then(|arms| arms.get(decided.arm.index())) {
            counter.increment();
        }
    }
}
