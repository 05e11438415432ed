//! A plan in force, with the counters that belong to it.

use core::cell::{Cell, RefCell};

use std::rc::Rc;

use serin_core::{Decision, Plan, RolloutDecision};

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
    /// The latest moment seen, in ms since 1970.
    now: Cell<u64>,
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
            now: Cell::new(before.map_or(0, |before| before.now.get())),
            plan,
        }
    }

    /// The host's clock, in ms since 1970. It never goes back, and stands while the host has none:
    /// a step that has begun must not end because a clock fails.
    pub(crate) fn now(&self) -> Option<u64> {
        let now = self.now.get().max(host::now_ms().unwrap_or(0));
        self.now.set(now);
        (now > 0).then_some(now)
    }

    /// Counts a request for its arm.
    pub(crate) fn count(&self, decided: &RolloutDecision) {
        let arms = self.requests.get(decided.rollout.index());
        if let Some(Some(counter)) = arms.and_then(|arms| arms.get(decided.arm.index())) {
            counter.increment();
        }
    }
}
