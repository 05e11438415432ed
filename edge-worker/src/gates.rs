//! Handing outcomes to the object that judges, and learning what follows.

use std::rc::Rc;

use serin_core::gate::{Exposure, Outcome};
use serin_core::plan::RolloutId;
use wasm_bindgen::JsValue;
use worker::Env;

use crate::active::Active;
use crate::host::{self, Response};
use crate::isolate::{GATES, Isolate};
use crate::outcome_counts::FLUSH_MS;
use crate::proxy::Exchange;

/// Has what is counted handed on in a while.
#[must_use]
pub(crate) struct Flush {
    isolate: Rc<Isolate>,
    active: Rc<Active>,
    namespace: JsValue,
}

impl Flush {
    /// `None` if another request does that already, or if nobody judges.
    fn claim(isolate: &Rc<Isolate>, env: &Env, active: &Rc<Active>) -> Option<Flush> {
        if !active.claim_flush(host::now_ms()) {
            return None;
        }
        let namespace = host::binding(env, GATES);
        Some(Flush { isolate: Rc::clone(isolate), active: Rc::clone(active), namespace })
    }

    pub(crate) async fn later(self) {
        host::sleep(u32::try_from(FLUSH_MS).unwrap_or(u32::MAX)).await;
        self.now().await;
    }

    /// Sent at most once: what may have been counted there must not be counted again.
    async fn now(self) {
        let Flush { isolate, active, namespace } = self;
        let batch = active.take_batch().to_bytes();
        match host::ask_judge(&namespace, Some(&batch)).await {
            Ok(text) => {
                isolate.counters.flushed.increment();
                isolate.merge_latches(&text);
            }
            Err(thrown) => {
                isolate.counters.flushes_failed.increment();
                let why = host::why(&thrown);
                host::log("warn", &format!("serin: the gates' object took no outcomes: {why}"));
            }
        }
    }
}

impl Exchange<'_> {
    /// Counts how a request to its arm ended, behind the answer.
    pub(crate) fn record(
        &self,
        active: &Rc<Active>,
        probe: &Exposure,
        response: Option<&Response>,
        began: u64,
    ) {
        let trial = active.plan.rollout(probe.rollout).and_then(|of| of.trial());
        let Some(trial) = trial.filter(|_| self.isolate.has_judge) else { return };
        let header = trial.kpi_header().zip(response);
        let header = header.and_then(|(name, response)| host::response_field(response, name));
        let outcome = Outcome {
            status: response.map_or(0, Response::status),
            failed: response.is_none(),
            micros: Some(host::now_ms().saturating_sub(began).saturating_mul(1000)),
            kpi_header: header.is_some(),
        };
        active.record(probe, &outcome);
        if let Some(flush) = Flush::claim(self.isolate, self.env, active) {
            self.context.wait_until(flush.later());
        }
    }
}

impl Isolate {
    /// Counts an answer of the shadow. What is returned is to be waited for.
    pub(crate) fn record_shadow(
        self: &Rc<Self>,
        env: &Env,
        active: &Rc<Active>,
        rollout: RolloutId,
        differs: bool,
    ) -> Option<Flush> {
        let now = self.clock.advance(Some(host::now_ms()))?;
        let counted = self.has_judge && active.record_shadow(rollout, differs, now);
        if counted { Flush::claim(self, env, active) } else { None }
    }

    /// Asks what is known of latches.
    pub(crate) fn ask(self: &Rc<Self>, env: &Env) -> Option<impl Future<Output = ()> + use<>> {
        let active = self.config.active().filter(|active| active.has_trials && self.has_judge)?;
        let namespace = host::binding(env, GATES);
        Some(Flush { isolate: Rc::clone(self), active, namespace }.now())
    }

    /// The state of the object that judges, as JSON; latches in it are learned.
    pub(crate) async fn judge_state(&self, env: &Env) -> Result<String, String> {
        let namespace = host::binding(env, GATES);
        let text = host::ask_judge(&namespace, None).await;
        let text = text.map_err(|thrown| host::why(&thrown))?;
        self.merge_latches(&text);
        Ok(text)
    }
}
