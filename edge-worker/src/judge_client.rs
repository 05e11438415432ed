//! The client of the Durable Object that judges: sends outcomes, receives latches.

use std::rc::Rc;

use serin_core::gate::{Exposure, Outcome, Tallies};
use serin_core::plan::RolloutId;
use serin_judge::{DropReason, Dropped, OutcomeBatch};
use wasm_bindgen::JsValue;
use worker::Env;

use crate::active_plan::ActivePlan;
use crate::host;
use crate::isolate::{GATES_BINDING, Isolate};
use crate::judge_answer::JudgeAnswer;
use crate::outcome_counts::FLUSH_MS;

/// How often one request sends a batch, if the judge cannot count it yet.
const MAX_SENDS: u32 = 8;

/// The sending of the next batch of outcomes, claimed by one request.
#[must_use]
pub(crate) struct Flush {
    isolate: Rc<Isolate>,
    active: Rc<ActivePlan>,
    namespace: JsValue,
}

impl Flush {
    /// Claims the next batch; `None` if another request has claimed it.
    fn claim(isolate: &Rc<Isolate>, env: &Env, active: &Rc<ActivePlan>) -> Option<Flush> {
        if !active.claim_flush(host::now_ms()) {
            return None;
        }
        let namespace = host::binding(env, GATES_BINDING);
        Some(Flush { isolate: Rc::clone(isolate), active: Rc::clone(active), namespace })
    }

    /// Sends the batch after the time in which outcomes are gathered. Outcomes that the judge could not count yet
    /// are sent again.
    pub(crate) async fn send_later(self) {
        for _ in 0..MAX_SENDS {
            host::sleep(u32::try_from(FLUSH_MS).unwrap_or(u32::MAX)).await;
            if !self.send().await {
                return;
            }
        }
    }

    /// Sends the batch, and merges the latches of the answer. A batch without an answer is not sent again: the
    /// judge may have counted it. Returns whether outcomes are kept for the next batch.
    async fn send(&self) -> bool {
        let Flush { isolate, active, namespace } = self;
        let batch = active.take_batch();
        let now = isolate.clock.advance(Some(host::now_ms())).unwrap_or_default();
        match host::ask_judge(namespace, Some(&batch.to_bytes()), now).await {
            Ok(json) => {
                isolate.counters.flushed.increment();
                isolate.merge_latches(&json);
                self.handle_dropped(batch, &JudgeAnswer::from_json(&json))
            }
            Err(thrown) => {
                isolate.counters.flushes_failed.increment();
                let why = host::thrown_message(&thrown);
                host::log("warn", &format!("serin: the judge did not accept a batch: {why}"));
                let lost = |(rollout, tallies): &(String, Tallies)| {
                    Dropped::new(rollout, DropReason::Unanswered, tallies)
                };
                isolate.count_dropped(active, batch.tallies.iter().map(lost));
                false
            }
        }
    }

    /// Keeps the tallies that may count later, and counts the others as dropped. Returns whether any are kept.
    fn handle_dropped(&self, mut batch: OutcomeBatch, answer: &JudgeAnswer) -> bool {
        let Flush { isolate, active, .. } = self;
        let is_active = || isolate.config.active().is_some_and(|plan| Rc::ptr_eq(&plan, active));
        let mut is_kept = false;
        for (rollout, reason) in &answer.dropped {
            let Some(index) = batch.tallies.iter().position(|(name, _)| name == rollout) else {
                continue;
            };
            let may_keep = answer.may_count_later(*reason, &batch)
                && is_active()
                && active.may_keep(host::now_ms());
            let (_, tallies) = batch.tallies.swap_remove(index);
            if may_keep {
                is_kept = true;
                isolate.count_dropped(active, active.keep(rollout, tallies));
            } else {
                let dropped = Dropped::new(rollout, *reason, &tallies);
                isolate.count_dropped(active, [dropped]);
            }
        }
        if is_kept {
            isolate.counters.kept.increment();
        } else if answer.dropped.is_empty() {
            active.kept_since.set(None);
        }
        is_kept
    }
}

impl Isolate {
    /// Counts the outcome of a request to an arm of a trial. The caller has to run the returned [`Flush`].
    pub(crate) fn record(
        self: &Rc<Self>,
        env: &Env,
        active: &Rc<ActivePlan>,
        exposure: &Exposure,
        outcome: &Outcome,
    ) -> Option<Flush> {
        self.count_dropped(active, active.record(exposure, outcome));
        Flush::claim(self, env, active)
    }

    /// Counts a comparison with the shadow. The caller has to run the returned [`Flush`].
    pub(crate) fn record_shadow(
        self: &Rc<Self>,
        env: &Env,
        active: &Rc<ActivePlan>,
        rollout: RolloutId,
        differs: bool,
    ) -> Option<Flush> {
        let now = self.clock.advance(Some(host::now_ms()))?;
        if !self.has_judge {
            return None;
        }
        self.count_dropped(active, active.record_shadow(rollout, differs, now)?);
        Flush::claim(self, env, active)
    }

    /// Asks the judge for its latches, by sending the batch at once. `None` if the plan needs no judge.
    pub(crate) fn fetch_latches(
        self: &Rc<Self>,
        env: &Env,
    ) -> Option<impl Future<Output = ()> + use<>> {
        let active = self.config.active().filter(|active| active.has_trials && self.has_judge)?;
        let namespace = host::binding(env, GATES_BINDING);
        let flush = Flush { isolate: Rc::clone(self), active, namespace };
        Some(async move {
            let _ = flush.send().await;
        })
    }

    /// The judge's status, as JSON. Its latches are merged.
    pub(crate) async fn fetch_judge_status(&self, env: &Env) -> Result<String, String> {
        let namespace = host::binding(env, GATES_BINDING);
        let json = host::ask_judge(&namespace, None, 0).await;
        let json = json.map_err(|thrown| host::thrown_message(&thrown))?;
        self.merge_latches(&json);
        Ok(json)
    }
}
