//! The plan in force, with its counters.

use core::cell::RefCell;

use std::rc::Rc;

use serin_core::{Decision, MonotonicClock, Plan, RolloutDecision};

use crate::gates::Gates;
use crate::host::{self, Metric};
use crate::overrides::Overrides;
use crate::shadow::ComparedShadows;

/// A plan in force, with everything that its requests need. The requests that began under it share it, so it
/// outlives the next config.
pub(crate) struct ActivePlan {
    pub(crate) plan: Plan,
    /// `None` if the host has no override keys.
    pub(crate) overrides: Option<Rc<Overrides>>,
    /// `None` if no rollout can be aborted.
    pub(crate) gates: Option<Gates>,
    pub(crate) shadows: ComparedShadows,
    /// The decision of the current request. It is reused, so that `decide` allocates nothing.
    pub(crate) decision: RefCell<Decision>,
    clock: MonotonicClock,
    /// The request counter of each arm, by the indices of rollout and arm.
    requests: Vec<Vec<Option<Metric>>>,
}

impl ActivePlan {
    /// Puts a plan in force. The clock goes on from that of the `previous` plan.
    pub(crate) fn new(
        plan: Plan,
        overrides: Option<Rc<Overrides>>,
        gates: Option<Gates>,
        previous: Option<&ActivePlan>,
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
            gates,
            shadows: ComparedShadows::new(&plan),
            decision: RefCell::new(Decision::new(&plan)),
            clock: previous.map(|previous| previous.clock.clone()).unwrap_or_default(),
            plan,
        }
    }

    /// The time of decisions and gates, in ms since 1970. It never goes back.
    pub(crate) fn now(&self) -> Option<u64> {
        self.clock.advance(host::now_ms())
    }

    /// Counts a request for its arm.
    pub(crate) fn count(&self, decided: &RolloutDecision) {
        let arms = self.requests.get(decided.rollout.index());
        if let Some(Some(counter)) = arms.and_then(|arms| arms.get(decided.arm.index())) {
            counter.increment();
        }
    }
}
