//! A plan in force, with the counters that belong to it.

use core::cell::RefCell;

use std::rc::Rc;

use serin_core::{Decision, MonotonicClock, Plan, RolloutDecision};

use crate::gates::Gates;
use crate::host::{self, Metric};
use crate::overrides::Overrides;
use crate::shadow::Shadows;

/// Everything a request needs of the current config. Shared by the requests that began under it.
pub(crate) struct Active {
    pub(crate) plan: Plan,
    /// If the host was given keys.
    pub(crate) overrides: Option<Rc<Overrides>>,
    /// If rollouts are guarded.
    pub(crate) gates: Option<Gates>,
    pub(crate) shadows: Shadows,
    /// Reused, so that deciding allocates nothing.
    pub(crate) decision: RefCell<Decision>,
    clock: MonotonicClock,
    /// A counter for each arm of each rollout, by position.
    requests: Vec<Vec<Option<Metric>>>,
}

impl Active {
    /// A plan that comes into force, after `before` if there was one.
    pub(crate) fn new(
        plan: Plan,
        overrides: Option<Rc<Overrides>>,
        gates: Option<Gates>,
        before: Option<&Active>,
    ) -> Active {
        let counter = |rollout: &str, arm: &str| {
            Metric::counter(&format!("serin.rollout.{rollout}.arm.{arm}.requests"))
        };
        let requests = plan.rollouts().iter().map(|rollout| {
            rollout.arms().iter().map(|arm| counter(rollout.name(), arm.name())).collect()
        });
        Active {
            requests: requests.collect(),
            overrides,
            gates,
            shadows: Shadows::new(&plan),
            decision: RefCell::new(Decision::new(&plan)),
            clock: before.map(|before| before.clock.clone()).unwrap_or_default(),
            plan,
        }
    }

    /// The time that decisions and gates go by, in ms since 1970.
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
