//! A plan in force, with the counters that belong to it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use serin_core::gate::{ActiveLatches, Latches};
use serin_core::{Decision, Plan, RolloutDecision};
use serin_judge::TallyBuffer;

use crate::config::Source;
use crate::counters::Counter;
use crate::shadow::InFlight;

/// Everything a request needs of the current config. Shared by the requests that began under it.
#[derive(Debug)]
pub(crate) struct Active {
    pub(crate) plan: Plan,
    pub(crate) source: Source,
    /// When it came into force, ms since 1970.
    pub(crate) since: u64,
    /// When its text was last seen at the source.
    pub(crate) seen: Cell<u64>,
    /// Reused, so that deciding allocates nothing.
    pub(crate) decision: RefCell<Decision>,
    /// Whether any decision looks at a token's claims.
    pub(crate) needs_claims: bool,
    /// By position in the plan.
    pub(crate) rollouts: Vec<RolloutCounters>,
    /// The latches of the plan's rollouts.
    active_latches: RefCell<Option<Rc<ActiveLatches>>>,
    /// Whether any rollout has gates.
    pub(crate) has_trials: bool,
    /// When the next batch of outcomes is due, in ms since 1970.
    pub(crate) flush_due: Cell<u64>,
}

/// What is counted for a rollout.
#[derive(Debug, Default)]
pub(crate) struct RolloutCounters {
    /// Requests for each arm, by position.
    pub(crate) arms: Vec<Counter>,
    pub(crate) shadow: ShadowCounters,
    /// The outcomes that are not yet sent to the judge.
    pub(crate) tallies: RefCell<TallyBuffer>,
}

/// What is counted for a rollout's shadow.
#[derive(Debug, Default)]
pub(crate) struct ShadowCounters {
    pub(crate) in_flight: RefCell<InFlight>,
    /// Copies sent.
    pub(crate) sent: Counter,
    /// Copies not sent: too many were under way, or the request could not be copied.
    pub(crate) skipped: Counter,
    /// Copies without an answer in time.
    pub(crate) failed: Counter,
    /// Answers that were compared.
    pub(crate) compared: Counter,
    /// Answers that differed.
    pub(crate) diverged: Counter,
}

impl Active {
    pub(crate) fn new(plan: Plan, source: Source, now: u64) -> Active {
        let counters = |arms: usize| RolloutCounters {
            arms: (0..arms).map(|_| Counter::default()).collect(),
            ..RolloutCounters::default()
        };
        let rollouts = plan.rollouts().iter().map(|rollout| counters(rollout.arms().len()));
        Active {
            needs_claims: plan.needs_claims(),
            rollouts: rollouts.collect(),
            active_latches: RefCell::default(),
            has_trials: plan.rollouts().iter().any(|rollout| rollout.trial().is_some()),
            flush_due: Cell::new(0),
            decision: RefCell::new(Decision::new(&plan)),
            source,
            since: now,
            seen: Cell::new(now),
            plan,
        }
    }

    /// The latches in force; `None` if none is known.
    pub(crate) fn active_latches(&self) -> Option<Rc<ActiveLatches>> {
        self.active_latches.borrow().clone()
    }

    /// Decides by these latches from now on.
    pub(crate) fn set_latches(&self, latches: &Latches) {
        self.active_latches.replace(latches.for_plan(&self.plan).map(Rc::new));
    }

    /// Counts a request for its arm.
    pub(crate) fn count(&self, decided: &RolloutDecision) {
        let rollout = self.rollouts.get(decided.rollout.index());
        if let Some(counter) = rollout.and_then(|rollout| rollout.arms.get(decided.arm.index())) {
            counter.increment();
        }
    }
}
