//! The client of the Durable Object that judges: sends outcomes, receives latches.

use std::rc::Rc;

use serin_core::gate::{Exposure, Outcome};
use serin_core::plan::RolloutId;
use wasm_bindgen::JsValue;
use worker::Env;

use crate::active_plan::ActivePlan;
use crate::host::{self, Response};
use crate::isolate::{GATES_BINDING, Isolate};
use crate::outcome_counts::FLUSH_MS;
use crate::proxy::Exchange;

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

    /// Sends the batch after the time in which outcomes are gathered.
    pub(crate) async fn send_later(self) {
        host::sleep(u32::try_from(FLUSH_MS).unwrap_or(u32::MAX)).await;
        self.send().await;
    }

    /// Sends the batch, and merges the latches of the response. A failed batch is not sent again: the judge may
    /// have counted it.
    async fn send(self) {
        let Flush { isolate, active, namespace } = self;
        let batch = active.take_batch().to_bytes();
        match host::ask_judge(&namespace, Some(&batch)).await {
            Ok(json) => {
                isolate.counters.flushed.increment();
                isolate.merge_latches(&json);
            }
            Err(thrown) => {
                isolate.counters.flushes_failed.increment();
                let why = host::thrown_message(&thrown);
                host::log("warn", &format!("serin: the judge did not accept a batch: {why}"));
            }
        }
    }
}

impl Exchange<'_> {
    /// Counts the outcome of a request to its arm. The batch is sent after the response.
    pub(crate) fn record(
        &self,
        active: &Rc<ActivePlan>,
        exposure: &Exposure,
        response: Option<&Response>,
        sent_at: u64,
    ) {
        let trial = active.plan.rollout(exposure.rollout).and_then(|of| of.trial());
        let Some(trial) = trial.filter(|_| self.isolate.has_judge) else { return };
        let kpi = trial.kpi_header().zip(response);
        let kpi = kpi.and_then(|(name, response)| host::response_field(response, name));
        let outcome = Outcome {
            status: response.map_or(0, Response::status),
            failed: response.is_none(),
            micros: Some(host::now_ms().saturating_sub(sent_at).saturating_mul(1000)),
            kpi_header: kpi.is_some(),
        };
        active.record(exposure, &outcome);
        if let Some(flush) = Flush::claim(self.isolate, self.env, active) {
            self.context.wait_until(flush.send_later());
        }
    }
}

impl Isolate {
    /// Counts a comparison with the shadow. The caller has to run the returned [`Flush`].
    pub(crate) fn record_shadow(
        self: &Rc<Self>,
        env: &Env,
        active: &Rc<ActivePlan>,
        rollout: RolloutId,
        differs: bool,
    ) -> Option<Flush> {
        let now = self.clock.advance(Some(host::now_ms()))?;
        let counted = self.has_judge && active.record_shadow(rollout, differs, now);
        if counted { Flush::claim(self, env, active) } else { None }
    }

    /// Asks the judge for its latches, by sending the batch at once. `None` if the plan needs no judge.
    pub(crate) fn fetch_latches(
        self: &Rc<Self>,
        env: &Env,
    ) -> Option<impl Future<Output = ()> + use<>> {
        let active = self.config.active().filter(|active| active.has_trials && self.has_judge)?;
        let namespace = host::binding(env, GATES_BINDING);
        Some(Flush { isolate: Rc::clone(self), active, namespace }.send())
    }

    /// The judge's status, as JSON. Its latches are merged.
    pub(crate) async fn fetch_judge_status(&self, env: &Env) -> Result<String, String> {
        let namespace = host::binding(env, GATES_BINDING);
        let json = host::ask_judge(&namespace, None).await;
        let json = json.map_err(|thrown| host::thrown_message(&thrown))?;
        self.merge_latches(&json);
        Ok(json)
    }
}
