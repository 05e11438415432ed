//! The plan in force, with its counters.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use serin_core::gate::{ActiveLatches, Latches};
use serin_core::{Decision, Plan, RolloutDecision};
use serin_judge::{DropReason, TallyBuffer};

use crate::counter::Counter;
use crate::interval::Interval;
use crate::shadow::InFlight;
use crate::spec_source::SpecSource;

/// A plan in force, with everything that its requests need. The requests that began under it share it, so it
/// outlives the next config.
#[derive(Debug)]
pub(crate) struct ActivePlan {
    pub(crate) plan: Plan,
    pub(crate) source: SpecSource,
    /// The time at which it came into force, in ms since 1970.
    pub(crate) since: u64,
    /// The time at which its source last had this spec, in ms since 1970.
    pub(crate) last_confirmed: Cell<u64>,
    /// The decision of the current request. It is reused, so that `decide` allocates nothing.
    pub(crate) decision: RefCell<Decision>,
    /// Whether any decision reads a token's claims.
    pub(crate) needs_claims: bool,
    /// By the rollouts' indices in the plan.
    pub(crate) rollouts: Vec<RolloutCounters>,
    /// The latches of the plan's rollouts.
    active_latches: RefCell<Option<Rc<ActiveLatches>>>,
    /// Whether any rollout has gates.
    pub(crate) has_trials: bool,
    /// The time between two batches of outcomes.
    pub(crate) flush: Interval,
    /// Since when outcomes are sent again that the judge could not count yet, in ms since 1970.
    pub(crate) kept_since: Cell<Option<u64>>,
    /// The kinds of dropped outcomes that are logged, by rollout.
    pub(crate) logged_drops: RefCell<BTreeSet<(String, DropReason)>>,
}

/// The counters of a rollout.
#[derive(Debug, Default)]
pub(crate) struct RolloutCounters {
    /// The requests of each arm, by its index.
    pub(crate) arms: Vec<Counter>,
    pub(crate) shadow: ShadowCounters,
    /// The outcomes that are not yet sent to the judge.
    pub(crate) tallies: RefCell<TallyBuffer>,
    /// The outcomes that are no evidence, because their unit is not verified.
    pub(crate) unverified: Counter,
}

/// The counters of a rollout's shadow.
#[derive(Debug, Default)]
pub(crate) struct ShadowCounters {
    pub(crate) in_flight: RefCell<InFlight>,
    /// Copies sent.
    pub(crate) sent: Counter,
    /// Copies not sent: the limit of copies in flight was reached, or the request could not be copied.
    pub(crate) skipped: Counter,
    /// Copies without a response in time.
    pub(crate) failed: Counter,
    /// Responses that were compared.
    pub(crate) compared: Counter,
    /// Responses that differed.
    pub(crate) diverged: Counter,
}

impl ActivePlan {
    pub(crate) fn new(plan: Plan, source: SpecSource, now: u64) -> ActivePlan {
        let counters = |arms: usize| RolloutCounters {
            arms: (0..arms).map(|_| Counter::default()).collect(),
            ..RolloutCounters::default()
        };
        let rollouts = plan.rollouts().iter().map(|rollout| counters(rollout.arms().len()));
        ActivePlan {
            needs_claims: plan.needs_claims(),
            rollouts: rollouts.collect(),
            active_latches: RefCell::default(),
            has_trials: plan.rollouts().iter().any(|rollout| rollout.trial().is_some()),
            flush: Interval::default(),
            kept_since: Cell::new(None),
            logged_drops: RefCell::default(),
            decision: RefCell::new(Decision::new(&plan)),
            source,
            since: now,
            last_confirmed: Cell::new(now),
            plan,
        }
    }

    /// The latches that decisions obey; `None` if none is known.
    pub(crate) fn active_latches(&self) -> Option<Rc<ActiveLatches>> {
        self.active_latches.borrow().clone()
    }

    /// Makes decisions obey these latches.
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
