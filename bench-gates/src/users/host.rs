//! A host with one proxy: it counts outcomes, evaluates them and stores the latch.

use crate::users::population::User;
use serin_core::gate::{Counters, CurrentStage, Exposure, Latch, Monitor, Outcome, Tallies};
use serin_core::plan::{RolloutId, Trial};
use serin_core::{Decision, Facts, FixedHost, Plan, Share, decide};

/// 2026-11-21T09:00:00Z, in ms.
pub(crate) const START: u64 = 1_795_251_600_000;

/// A host in front of the rollout `shop`.
#[derive(Clone, Debug)]
pub(crate) struct Host<'p> {
    plan: &'p Plan,
    id: RolloutId,
    trial: &'p Trial,
    now: u64,
    monitor: Monitor,
    tallies: Tallies,
    current: CurrentStage,
    /// The exposure of some user in this stage; that of others differs in what belongs to them.
    exposure: Exposure,
    /// The latch of the rollout.
    pub(crate) latch: Latch,
}

impl<'p> Host<'p> {
    /// A host at the start of the rollout.
    pub(crate) fn new(plan: &'p Plan) -> Host<'p> {
        let (id, _) = plan.arm_named("shop", "canary").expect("the rollout has a canary");
        let trial = plan.rollout(id).and_then(|rollout| rollout.trial()).expect("it has gates");
        let latch = Latch::new("shop");
        let current = current_stage(plan, id, &latch, START);
        let mut host = Host {
            plan,
            id,
            trial,
            now: START,
            monitor: Monitor::default(),
            tallies: Tallies::new(current.stage, trial),
            current,
            exposure: decide_exposure(plan, "somebody", START),
            latch,
        };
        // The first evaluation starts the stage.
        host.evaluate(0);
        host
    }

    /// The share in force.
    pub(crate) fn share(&self) -> Share {
        self.current.share
    }

    /// Whether a user is at the canary.
    pub(crate) fn is_canary(&self, user: &User) -> bool {
        user.bucket.is_in(self.current.share)
    }

    /// Counts a request.
    pub(crate) fn record(&mut self, user: &User, outcome: &Outcome) {
        let exposure = Exposure {
            canary: self.is_canary(user),
            bucket: user.bucket,
            cohorts: user.cohorts,
            ..self.exposure
        };
        self.tallies.record(self.trial, &exposure, outcome);
    }

    /// Counts requests of users who are all alike. Only a gate by request may be fed by this.
    pub(crate) fn record_counters(&mut self, requests: Counters) {
        if let Some(everybody) = self.tallies.groups.first_mut() {
            everybody.requests = everybody.requests.merge(requests);
        }
    }

    /// Counts a shadow's response.
    pub(crate) fn record_shadow(&mut self, differs: bool) {
        self.tallies.shadow.exposures += 1;
        self.tallies.shadow.events += u64::from(differs);
    }

    /// Evaluates what was counted, `seconds` after the previous evaluation. Returns whether another step
    /// is in force.
    pub(crate) fn evaluate(&mut self, seconds: u64) -> bool {
        self.now += seconds * 1000;
        self.monitor.evaluate(self.plan, self.id, Some(&self.tallies), &mut self.latch, self.now);
        let current = current_stage(self.plan, self.id, &self.latch, self.now);
        if current.stage == self.current.stage {
            return false;
        }
        self.exposure = Exposure { stage: current.stage, ..self.exposure };
        self.tallies = Tallies::new(current.stage, self.trial);
        self.current = current;
        true
    }
}

fn current_stage(plan: &Plan, id: RolloutId, latch: &Latch, now: u64) -> CurrentStage {
    let rollout = plan.rollout(id).expect("the rollout exists");
    rollout.current_stage(Some(latch), now).expect("the rollout has started")
}

/// The exposure that a user's decision has at a time.
pub(crate) fn decide_exposure(plan: &Plan, user: &str, now: u64) -> Exposure {
    let headers: [(&[u8], &[u8]); 4] = [
        (b":method", b"GET"),
        (b":path", b"/"),
        (b":authority", b"shop.example.com"),
        (b"x-user-id", user.as_bytes()),
    ];
    let facts = Facts::of_request(plan, headers, &mut FixedHost::at(now));
    let mut decision = Decision::new(plan);
    decide(plan, &facts, &mut decision);
    decision.exposure(plan, &facts).expect("the rollout has a trial")
}
