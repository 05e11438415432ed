//! The rollouts of a plan that can be aborted: their latches, their counts, and the judging at each tick.

use core::cell::{Cell, RefCell};

use std::rc::Rc;

use serin_core::Plan;
use serin_core::gate::{ActiveLatches, Exposure, Latch, Latches, Tally, Verdict};
use serin_core::plan::RolloutId;
use serin_judge::Judge;

use crate::active_plan::ActivePlan;
use crate::election;
use crate::host::{self, Level, Metric};
use crate::latch_source::LatchSource;
use crate::outcome;
use crate::settings::FilterSettings;
use crate::shared_data::SharedData;
use crate::shared_latches::SharedLatches;
use crate::trial_counts::TrialCounts;
use crate::webhook;

/// The time after which unchanged tallies are evaluated again, in ms: missing traffic is judged, too.
const QUIET_MS: u64 = 5000;

thread_local! {
    /// The config of this VM that judges a rollout, with the rollout's shared key: the latest config. A draining
    /// config still adds the outcomes of its last requests.
    static JUDGING_CONFIGS: RefCell<Vec<(String, u64)>> = const { RefCell::new(Vec::new()) };
    /// The id of this VM.
    static VM: u64 = host::random();
}

/// The state of a plan's rollouts that can be aborted, in one VM.
pub(crate) struct Gates {
    settings: Rc<FilterSettings>,
    /// The id of this config in the VM.
    config: u64,
    judge: Judge<SharedData>,
    latches: Rc<SharedLatches>,
    /// In the order of the plan's rollouts.
    rollouts: Vec<AbortableRollout>,
    source: LatchSource,
}

/// A rollout that can be aborted: by its gates, or by the latch source.
struct AbortableRollout {
    id: RolloutId,
    /// The rollout's key in the shared data, the same under every config.
    key: String,
    /// The version of the tallies that were evaluated last, and the time of it, in ms since 1970.
    evaluated: Cell<(u32, u64)>,
    aborted: Option<Metric>,
    /// `None` if it has no gates.
    counts: Option<TrialCounts>,
}

impl Gates {
    /// `None` for a plan of which nothing can be aborted.
    pub(crate) fn new(plan: &Plan, settings: &Rc<FilterSettings>) -> Option<Gates> {
        let shared = SharedData::of_plugin();
        let rollouts: Vec<AbortableRollout> = plan
            .rollouts()
            .iter()
            .enumerate()
            .filter_map(|(index, rollout)| {
                let (name, trial) = (rollout.name(), rollout.trial());
                if trial.is_none() && settings.latch_source.is_none() {
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
            source: LatchSource::default(),
        };
        gates.claim_rollouts();
        host::set_tick(settings.tick_ms);
        Some(gates)
    }

    /// Makes this config the judging one of its rollouts.
    fn claim_rollouts(&self) {
        JUDGING_CONFIGS.with(|configs| {
            let Ok(mut configs) = configs.try_borrow_mut() else { return };
            for rollout in &self.rollouts {
                configs.retain(|(key, _)| *key != rollout.key);
                configs.push((rollout.key.clone(), self.config));
            }
        });
    }

    fn is_judge_of(&self, rollout: &AbortableRollout) -> bool {
        let own = (&rollout.key, self.config);
        JUDGING_CONFIGS.with(|configs| {
            let configs = configs.try_borrow();
            configs.is_ok_and(|configs| configs.iter().any(|(key, config)| (key, *config) == own))
        })
    }

    /// The latches that decisions obey.
    pub(crate) fn active_latches(&self, plan: &Plan) -> Option<Rc<ActiveLatches>> {
        self.latches.active(plan)
    }

    /// Counts the outcome of the request whose access log is being written.
    pub(crate) fn record(&self, plan: &Plan, exposure: &Exposure) {
        let index = self.rollouts.binary_search_by_key(&exposure.rollout, |rollout| rollout.id);
        let rollout = index.ok().and_then(|index| self.rollouts.get(index));
        let counts = rollout.and_then(|rollout| rollout.counts.as_ref());
        let trial = plan.rollout(exposure.rollout).and_then(|rollout| rollout.trial());
        if let Some((counts, trial)) = counts.zip(trial) {
            counts.record(trial, exposure, &outcome::outcome(trial, exposure));
        }
    }

    /// Adds the counts of this VM to the shared tallies, and judges if this VM is elected.
    pub(crate) fn tick(&self, active: &ActivePlan, now: u64) {
        let plan = &active.plan;
        let known = self.latches.read(plan);
        for rollout in &self.rollouts {
            self.flush(active, rollout, &known.latches, now);
        }
        webhook::tick(self.settings.webhook.as_ref(), now);
        let vm = VM.with(|vm| *vm);
        if !election::is_elected(self.judge.store(), vm, now, self.settings.tick_ms) {
            return;
        }
        self.source.tick(&self.settings, plan, &self.latches, now);
        let judged = || self.rollouts.iter().filter(|rollout| self.is_judge_of(rollout));
        if known.is_complete {
            judged().for_each(|rollout| self.evaluate(plan, rollout, now));
        }
        let latches = &self.latches.read(plan).latches;
        for rollout in judged() {
            rollout.update_gauge(plan, latches, now);
        }
    }

    fn flush(&self, active: &ActivePlan, gated: &AbortableRollout, latches: &Latches, now: u64) {
        let (rollout, counts) = (active.plan.rollout(gated.id), gated.counts.as_ref());
        let Some((rollout, counts)) = rollout.zip(counts) else { return };
        // A draining config's own stage is over: the judging config determines the stage in force.
        let current = if self.is_judge_of(gated) {
            let stage = rollout.current_stage(latches.get(rollout.name()), now);
            stage.map(|current| current.stage)
        } else {
            self.judge.tallies(rollout.name()).map(|sum| sum.stage)
        };
        let compared = active.shadows.take(gated.id);
        counts.flush(&self.judge, current, rollout.trial(), compared);
    }

    /// Evaluates a trial. A changed latch is in the shared latches when this returns, and the audit record in
    /// the log.
    fn evaluate(&self, plan: &Plan, gated: &AbortableRollout, now: u64) {
        let Some(rollout) = plan.rollout(gated.id).filter(|_| gated.counts.is_some()) else {
            return;
        };
        let name = rollout.name();
        let (tallies, version) = self.judge.read_tallies(name);
        let (evaluated, at) = gated.evaluated.get();
        if evaluated == version && now < at.saturating_add(QUIET_MS) {
            return;
        }
        gated.evaluated.set((version, now));
        let known = self.latches.read(plan);
        let mut latch = known.latches.get(name).cloned().unwrap_or_else(|| Latch::new(name));
        let audit = self.judge.evaluate(plan, gated.id, tallies.as_ref(), &mut latch, now);
        // A conflict means that another VM has evaluated these tallies.
        let Ok(Some(audit)) = audit else { return };
        self.latches.change(|latches| latches.update(name, |shared| shared.adopt(&latch)));
        let is_abort = audit.evaluation.judgement.verdict == Verdict::Abort;
        host::log(if is_abort { Level::Warn } else { Level::Info }, &audit.to_json());
        if self.settings.webhook.is_some() {
            webhook::enqueue(&audit, &self.latches.read(plan).latches);
            webhook::tick(self.settings.webhook.as_ref(), now);
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
            let stage = self.judge.tallies(counts.rollout()).map(|sum| sum.stage);
            counts.flush(&self.judge, stage, None, Tally::default());
        }
    }
}
