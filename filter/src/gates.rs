//! The rollouts of a plan that can be aborted: their latches, their counts, and the judging at each tick.

use core::cell::{Cell, RefCell};

use std::rc::Rc;

use serin_core::Plan;
use serin_core::gate::{ActiveLatches, Exposure, Latch, Latches, Outcome, Verdict};
use serin_core::plan::{RolloutId, Trial};
use serin_judge::{Judge, Lease};

use crate::active_plan::ActivePlan;
use crate::host::{self, Level, Metric};
use crate::in_flight::{InFlight, Upload, WatchId};
use crate::outcome;
use crate::settings::FilterSettings;
use crate::shared_data::SharedData;
use crate::shared_latches::SharedLatches;
use crate::trial_counts::TrialCounts;
use crate::{decision_clock, http_client, vm, webhook};

/// The time after which unchanged tallies are evaluated again, in ms: missing traffic is judged, too.
const QUIET_MS: u64 = 5000;

/// The state of a plan's rollouts that can be aborted, in one VM.
pub(crate) struct Gates {
    settings: Rc<FilterSettings>,
    /// The id of this config in the VM.
    config: u64,
    judge: Judge<SharedData>,
    latches: Rc<SharedLatches>,
    /// In the order of the plan's rollouts.
    rollouts: Vec<AbortableRollout>,
    in_flight: RefCell<InFlight>,
    /// The number of rollouts with gates that are on their baseline because previous aborts are not known.
    waiting: Option<Metric>,
}

/// A rollout that can be aborted: by its gates, or by the latch source.
struct AbortableRollout {
    id: RolloutId,
    /// The rollout's key in the shared data, the same under every config.
    key: String,
    /// The version of the tallies that were evaluated last, and the uptime of it, in ms.
    evaluated: Cell<(u32, u64)>,
    aborted: Option<Metric>,
    /// `None` if it has no gates.
    counts: Option<TrialCounts>,
}

impl Gates {
    /// `None` for a plan of which nothing can be aborted. Where this process has had gates, every rollout may be
    /// aborted already: an abort outlives the gates.
    pub(crate) fn new(plan: &Plan, settings: &Rc<FilterSettings>) -> Option<Gates> {
        let shared = SharedData::of_plugin();
        let has_latches = settings.latch_source.is_some() || SharedLatches::exist(&shared);
        let rollouts: Vec<AbortableRollout> = plan
            .rollouts()
            .iter()
            .enumerate()
            .filter_map(|(index, rollout)| {
                let (name, trial) = (rollout.name(), rollout.trial());
                if trial.is_none() && !has_latches {
                    return None;
                }
                Some(AbortableRollout {
                    id: RolloutId::from_index(index),
                    key: shared.key(name),
                    evaluated: Cell::default(),
                    aborted: Metric::gauge(&format!("serin.latch.{name}.aborted")),
                    counts: trial.map(|trial| TrialCounts::new(rollout, trial)),
                })
            })
            .collect();
        // A latch source can also abort rollouts without gates, and rollouts of a later spec.
        if rollouts.is_empty() && settings.latch_source.is_none() {
            return None;
        }
        let gates = Gates {
            settings: Rc::clone(settings),
            config: host::random(),
            latches: Rc::new(SharedLatches::new(&shared, settings.waits_for_latches)),
            judge: Judge::new(shared),
            rollouts,
            in_flight: RefCell::default(),
            waiting: Metric::gauge("serin.gate.waiting"),
        };
        // Envoy tries a config in a VM of its own before the workers get it: that VM opens the keys for all.
        Lease::open(gates.judge.store());
        let guarded = gates.rollouts.iter().filter_map(|gated| gated.counts.as_ref());
        guarded.for_each(|counts| gates.judge.open(counts.rollout()));
        let keys = gates.rollouts.iter().map(|rollout| rollout.key.as_str());
        vm::set_latest_config(gates.config, keys);
        gates.update_waiting(gates.latches.read(plan).is_complete);
        host::set_tick(settings.tick_ms);
        Some(gates)
    }

    fn is_judge_of(&self, rollout: &AbortableRollout) -> bool {
        vm::is_judging(self.config, &rollout.key)
    }

    fn update_waiting(&self, is_complete: bool) {
        let guarded = self.rollouts.iter().filter(|rollout| rollout.counts.is_some()).count();
        if let Some(gauge) = self.waiting {
            gauge.record(if is_complete { 0 } else { u64::try_from(guarded).unwrap_or(u64::MAX) });
        }
    }

    /// The time between two ticks, in ms.
    pub(crate) fn tick_ms(&self) -> u32 {
        self.settings.tick_ms
    }

    /// The latches that decisions obey.
    pub(crate) fn active_latches(&self, plan: &Plan) -> Option<Rc<ActiveLatches>> {
        self.latches.active(plan)
    }

    /// Whether the outcome of an exposure counts. One that does not is counted as dropped.
    pub(crate) fn admits(&self, exposure: &Exposure) -> bool {
        if !exposure.counts
            && let Some(counts) = self.counts_of(exposure)
        {
            counts.drop_unverified();
        }
        exposure.counts
    }

    /// Watches a request until its outcome is known.
    pub(crate) fn watch(&self, exposure: Exposure, upload: Option<Upload>) -> Option<WatchId> {
        self.in_flight.try_borrow_mut().ok()?.begin(exposure, upload)
    }

    /// Records that a watched request has a response header.
    pub(crate) fn respond(&self, id: WatchId) {
        if let Ok(mut in_flight) = self.in_flight.try_borrow_mut() {
            in_flight.respond(id);
        }
    }

    /// Ends the watch of a request. Returns whether the request has counted as failed already.
    pub(crate) fn end_watch(&self, id: WatchId) -> bool {
        self.in_flight.try_borrow_mut().is_ok_and(|mut in_flight| in_flight.end(id))
    }

    /// Counts the requests that have been without a response header for too long as failed.
    fn time_out(&self, plan: &Plan, root: u32, uptime: u64) {
        let Ok(mut in_flight) = self.in_flight.try_borrow_mut() else { return };
        let limit = |exposure: &Exposure| {
            let trial = plan.rollout(exposure.rollout).and_then(|rollout| rollout.trial());
            trial.map_or(u64::MAX, Trial::timeout_ms)
        };
        let received = |context| {
            let known = host::set_effective_context(context);
            let bytes = known.then(|| outcome::number(&["request", "total_size"])).flatten();
            host::set_effective_context(root);
            bytes
        };
        in_flight.tick(uptime, limit, received, |exposure| {
            let micros = Some(limit(exposure).saturating_mul(1000));
            let failed = Outcome { failed: true, micros, ..Outcome::default() };
            self.count(plan, exposure, |_| failed);
        });
    }

    /// Counts the outcome of the request whose access log is being written.
    pub(crate) fn record(&self, plan: &Plan, exposure: &Exposure) {
        self.count(plan, exposure, |trial| outcome::outcome(trial, exposure));
    }

    fn counts_of(&self, exposure: &Exposure) -> Option<&TrialCounts> {
        let index = self.rollouts.binary_search_by_key(&exposure.rollout, |rollout| rollout.id);
        self.rollouts.get(index.ok()?)?.counts.as_ref()
    }

    fn count(&self, plan: &Plan, exposure: &Exposure, outcome: impl Fn(&Trial) -> Outcome) {
        let counts = self.counts_of(exposure);
        let trial = plan.rollout(exposure.rollout).and_then(|rollout| rollout.trial());
        if let Some((counts, trial)) = counts.zip(trial) {
            counts.record(trial, exposure, &outcome(trial));
        }
    }

    /// Adds the counts of this VM to the shared tallies, and judges if this VM is elected. `root` is the id of the
    /// context that ticks.
    pub(crate) fn tick(&self, active: &ActivePlan, root: u32, now: u64) {
        let (plan, uptime) = (&active.plan, vm::uptime());
        vm::note_tick(self.config);
        decision_clock::follow(self.judge.store());
        let known = self.latches.read(plan);
        self.time_out(plan, root, uptime);
        for rollout in &self.rollouts {
            self.flush(active, rollout, &known.latches, now);
        }
        http_client::expire(uptime);
        webhook::tick(self.settings.webhook.as_ref(), uptime);
        // One VM of the process judges and sends requests for gates.
        let lease = Lease { vm: vm::id(), tick_ms: self.settings.tick_ms };
        if !lease.take(self.judge.store(), uptime) {
            return;
        }
        decision_clock::share(self.judge.store(), now, uptime);
        vm::latch_source().tick(&self.settings, plan, &self.latches, uptime);
        let judged = || self.rollouts.iter().filter(|rollout| self.is_judge_of(rollout));
        if known.is_complete {
            judged().for_each(|rollout| self.evaluate(plan, rollout, now, uptime));
        }
        let known = self.latches.read(plan);
        for rollout in judged() {
            rollout.update_gauge(plan, &known.latches, now);
        }
        self.update_waiting(known.is_complete);
    }

    fn flush(&self, active: &ActivePlan, gated: &AbortableRollout, latches: &Latches, now: u64) {
        let (rollout, counts) = (active.plan.rollout(gated.id), gated.counts.as_ref());
        let Some((rollout, counts)) = rollout.zip(counts) else { return };
        let compared = active.shadows.take(gated.id);
        let Some(trial) = rollout.trial().filter(|_| self.is_judge_of(gated)) else {
            return counts.flush_draining(&self.judge);
        };
        match rollout.current_stage(latches.get(rollout.name()), now) {
            Some(current) => counts.flush(&self.judge, current.stage, trial, compared),
            None => counts.drop_all(),
        }
    }

    /// Evaluates a trial. A changed latch is in the shared latches when this returns, and the audit record in
    /// the log.
    fn evaluate(&self, plan: &Plan, gated: &AbortableRollout, now: u64, uptime: u64) {
        let Some(rollout) = plan.rollout(gated.id).filter(|_| gated.counts.is_some()) else {
            return;
        };
        let name = rollout.name();
        let (tallies, version) = self.judge.read_tallies(name);
        let (evaluated, at) = gated.evaluated.get();
        if evaluated == version && uptime < at.saturating_add(QUIET_MS) {
            return;
        }
        gated.evaluated.set((version, uptime));
        let known = self.latches.read(plan);
        let mut latch = known.latches.get(name).cloned().unwrap_or_else(|| Latch::new(name));
        let audit = self.judge.evaluate(plan, gated.id, tallies.as_ref(), &mut latch, now);
        // A conflict means that another VM has evaluated these tallies.
        let Ok(Some(audit)) = audit else { return };
        let is_known = Cell::new(false);
        self.latches.change(|latches| {
            is_known.set(serin_judge::is_known(latches, &audit));
            latches.update(name, |shared| shared.adopt(&latch));
        });
        if is_known.get() {
            return;
        }
        let is_abort = audit.evaluation.judgement.verdict == Verdict::Abort;
        host::log(if is_abort { Level::Warn } else { Level::Info }, &audit.to_json());
        if self.settings.webhook.is_some() {
            webhook::enqueue(&audit, &self.latches.read(plan).latches);
            webhook::tick(self.settings.webhook.as_ref(), uptime);
        }
    }
}

impl AbortableRollout {
    /// Sets the gauge: 1 while an abort is in force, else 0.
    fn update_gauge(&self, plan: &Plan, latches: &Latches, now: u64) {
        let (Some(rollout), Some(gauge)) = (plan.rollout(self.id), self.aborted) else { return };
        let abort = rollout.abort_in_force(latches.get(rollout.name()), Some(now));
        gauge.record(abort.is_some().into());
    }
}

impl Drop for Gates {
    /// Adds the last counts: requests of a config may end after its last tick.
    fn drop(&mut self) {
        for counts in self.rollouts.iter().filter_map(|rollout| rollout.counts.as_ref()) {
            counts.flush_draining(&self.judge);
        }
    }
}
