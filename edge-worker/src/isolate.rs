//! The state of an isolate. It reads the spec and the latches at its first request, then in the background.

use std::cell::RefCell;
use std::rc::Rc;

use serin_core::MonotonicClock;
use serin_judge::{Dropped, JudgeClock};
use wasm_bindgen::JsValue;
use worker::wasm_bindgen_futures::spawn_local;
use worker::{Context, Env};

use crate::active_plan::ActivePlan;
use crate::config::{Config, OfferResult};
use crate::counters::Counters;
use crate::dropped_counters;
use crate::host::{self, Task, TaskEnd};
use crate::interval::Interval;
use crate::latch_cache::{LatchCache, Merged};
use crate::settings::WorkerSettings;
use crate::spec_source::SpecSource;

/// The binding of the KV namespace with the spec and the latches.
pub(crate) const KV_BINDING: &str = "SERIN_KV";
/// The binding of the Durable Object that judges.
pub(crate) const GATES_BINDING: &str = "SERIN_GATES";
/// The time to live of KV's edge cache, in seconds: the shortest that Cloudflare allows.
const KV_CACHE_TTL: u32 = 30;
/// The shortest time between two reads of the sources because of an unknown plan, in ms.
const REREAD_MS: u64 = 1_000;
/// How long a request waits for KV, in ms. After that the isolate uses what else there is.
const KV_PATIENCE_MS: u32 = 3_000;

/// The state of an isolate, which outlives its requests.
pub(crate) struct Isolate {
    pub(crate) settings: WorkerSettings,
    pub(crate) config: Config,
    pub(crate) counters: Counters,
    /// The time of its first request, in ms since 1970.
    pub(crate) started: u64,
    /// The clock of decisions, under every plan.
    pub(crate) clock: MonotonicClock,
    pub(crate) latches: LatchCache,
    /// Whether the Durable Object that judges is bound.
    pub(crate) has_judge: bool,
    /// In the object that judges: the time between two reads of the sources because of an unknown plan.
    reread: Interval,
    /// In the object that judges: the clock that it evaluates by.
    pub(crate) judge_clock: RefCell<JudgeClock>,
}

impl Isolate {
    pub(crate) fn new(env: &Env, now: u64) -> Isolate {
        let settings = WorkerSettings::read(|name| host::variable(env, name));
        for problem in &settings.problems {
            host::log("warn", &format!("serin: {problem}"));
        }
        let config = Config::new(settings.allow_lower_revision);
        Isolate {
            settings,
            config,
            counters: Counters::default(),
            started: now,
            clock: MonotonicClock::default(),
            latches: LatchCache::default(),
            has_judge: !host::binding(env, GATES_BINDING).is_undefined(),
            reread: Interval::default(),
            judge_clock: RefCell::default(),
        }
    }

    /// The plan in force. Only the first request of an isolate waits for it. Later requests get the stored plan,
    /// and one of them per interval refreshes it after its own response.
    pub(crate) async fn plan(
        self: &Rc<Self>,
        env: &Env,
        context: &Context,
        now: u64,
    ) -> Option<Rc<ActivePlan>> {
        let refresh_ms = self.settings.refresh_ms;
        if !self.config.is_loaded() {
            self.load(env, now, |reading| context.wait_until(reading)).await;
            if let Some(fetching) = self.fetch_latches(env) {
                if host::binding(env, KV_BINDING).is_undefined() {
                    // Without KV the judge is the only source of aborts.
                    fetching.await;
                } else {
                    context.wait_until(fetching);
                }
            }
            self.config.set_loaded(host::now_ms());
        } else if self.config.claim_refresh(now, refresh_ms) {
            let namespace = host::binding(env, KV_BINDING);
            if !namespace.is_undefined() {
                let isolate = Rc::clone(self);
                context.wait_until(async move {
                    let _ = isolate.read_kv(&namespace, now).await;
                });
            } else if let Some(fetching) = self.fetch_latches(env) {
                context.wait_until(fetching);
            }
        }
        self.config.active()
    }

    /// The plan for the object that judges. If a batch has another plan's `digest`, the object first reads its
    /// sources again: the isolate that sent the batch may have a newer spec.
    pub(crate) async fn plan_for_judge(
        self: &Rc<Self>,
        env: &Env,
        digest: Option<&str>,
        now: u64,
    ) -> Option<Rc<ActivePlan>> {
        // An object goes on after its response, so nothing has to keep the reading alive.
        let continue_alone = |reading| spawn_local(reading);
        if !self.config.is_loaded() {
            self.load(env, now, continue_alone).await;
            self.config.set_loaded(host::now_ms());
            self.reread.begin(host::now_ms());
            return self.config.active();
        }
        let is_unknown = || {
            let active = self.config.active();
            digest.is_some_and(|digest| active.is_none_or(|active| active.plan.digest() != digest))
        };
        let mut now = now;
        if is_unknown() && !self.reread.claim(now, REREAD_MS) {
            // The sources have been read a moment ago, maybe before they had the isolate's spec.
            host::sleep(u32::try_from(REREAD_MS).unwrap_or(u32::MAX)).await;
            now = host::now_ms();
            if is_unknown() && self.reread.claim(now, REREAD_MS) {
                self.load(env, now, continue_alone).await;
            }
        } else if is_unknown() || self.config.claim_refresh(now, self.settings.refresh_ms) {
            self.config.set_loaded(now);
            self.load(env, now, continue_alone).await;
        }
        self.config.active()
    }

    /// Counts dropped outcomes, and logs the first ones of each kind.
    pub(crate) fn count_dropped(
        &self,
        active: &ActivePlan,
        dropped: impl IntoIterator<Item = Dropped>,
    ) {
        for dropped in dropped {
            self.counters.dropped.count(&dropped);
            let Dropped { rollout, reason, outcomes, .. } = dropped;
            let is_new = active
                .logged_drops
                .try_borrow_mut()
                .is_ok_and(|mut logged| logged.insert((rollout.clone(), reason)));
            if is_new {
                let why = dropped_counters::explanation(reason);
                let text =
                    format!("serin: rollout {rollout}: {outcomes} outcomes are not counted: {why}");
                host::log("warn", &text);
            }
        }
    }

    /// Merges a latch document, given as JSON, and makes decisions obey it.
    pub(crate) fn merge_latches(&self, json: &str) {
        match self.latches.merge(json) {
            Merged::Unchanged => {}
            Merged::Changed => self.apply_latches(),
            Merged::Refused => host::log("error", "serin: latches refused: not a latch document"),
        }
    }

    fn apply_latches(&self) {
        if let Some(active) = self.config.active() {
            active.set_latches(&self.latches.latches());
        }
    }

    /// Reads the sources in order: KV, the variable, the bundled file. The first valid spec is used. A read of KV
    /// that takes too long is handed to `continue_alone`.
    async fn load(self: &Rc<Self>, env: &Env, now: u64, continue_alone: impl FnOnce(TaskEnd)) {
        let namespace = host::binding(env, KV_BINDING);
        if !namespace.is_undefined() {
            let isolate = Rc::clone(self);
            let reading = Task::start(async move { isolate.read_kv(&namespace, now).await });
            match reading.result_within(KV_PATIENCE_MS).await {
                Some(true) => return,
                Some(false) => {}
                None => {
                    let key = &self.settings.kv_key;
                    self.report_read_problem(&format!(
                        "the KV key {key} could not be read within {KV_PATIENCE_MS} ms"
                    ));
                    continue_alone(reading.finish());
                }
            }
        }
        // Another request may have loaded a spec meanwhile, and the last good one stays.
        if self.config.active().is_some() {
            return;
        }
        let problem = self.config.spec_problem();
        let variable = || host::variable(env, "SERIN_SPEC");
        let sources: [(SpecSource, &dyn Fn() -> Option<String>); 2] =
            [(SpecSource::Variable, &variable), (SpecSource::Bundled, &host::bundled_spec)];
        for (source, read) in sources {
            if let Some(json) = read() {
                self.offer(source, &json, now);
                if self.config.active().is_some() {
                    break;
                }
            }
        }
        if !problem.is_empty() {
            self.config.set_spec_problem(&problem);
        }
        if self.config.active().is_none() {
            host::log("warn", "serin: there is no valid spec: all requests go to the baseline");
        }
    }

    /// Reads the spec and the latches from KV. Returns whether the spec is in force.
    async fn read_kv(&self, namespace: &JsValue, now: u64) -> bool {
        let key = &self.settings.kv_key;
        let spec = host::KvRead::new(namespace, key, KV_CACHE_TTL);
        let latches = host::KvRead::new(namespace, &self.settings.latches_key, KV_CACHE_TTL);
        match latches.value().await {
            Ok(Some(json)) => self.merge_latches(&json),
            Ok(None) => {}
            Err(thrown) => {
                let (key, why) = (&self.settings.latches_key, host::thrown_message(&thrown));
                host::log("warn", &format!("serin: the KV key {key} could not be read: {why}"));
            }
        }
        let problem = match spec.value().await {
            Ok(Some(json)) => {
                self.config.set_read_problem("");
                return self.offer(SpecSource::Kv, &json, now);
            }
            Ok(None) => format!("the KV key {key} holds nothing"),
            Err(thrown) => {
                format!("the KV key {key} could not be read: {}", host::thrown_message(&thrown))
            }
        };
        self.report_read_problem(&problem);
        false
    }

    /// Records why a source could not be read, and logs it once.
    fn report_read_problem(&self, problem: &str) {
        if self.config.set_read_problem(problem) {
            host::log("warn", &format!("serin: {problem}"));
        }
    }

    /// Offers a spec to the config and logs the result. Returns whether the spec is in force.
    fn offer(&self, source: SpecSource, json: &str, now: u64) -> bool {
        match self.config.offer(source, json, now) {
            OfferResult::Unchanged => self.config.spec_problem().is_empty(),
            OfferResult::Activated => {
                self.counters.activated.increment();
                self.apply_latches();
                if let Some(active) = self.config.active() {
                    let (plan, source) = (&active.plan, source.as_str());
                    let (revision, digest) = (plan.revision(), plan.digest());
                    let text =
                        format!("serin: revision {revision} ({digest}) in force, from {source}");
                    host::log("log", &text);
                    if active.has_trials && !self.has_judge {
                        let text =
                            "serin: the spec has gates, and without SERIN_GATES nobody judges them";
                        host::log("warn", text);
                    }
                    for error in plan.isolated().iter() {
                        host::log("error", &format!("serin: isolated: {error}"));
                    }
                }
                true
            }
            OfferResult::Refused => {
                self.counters.refused.increment();
                let effect = match self.config.active() {
                    Some(active) => format!("revision {} stays in force", active.plan.revision()),
                    None => "there is no plan yet".to_owned(),
                };
                host::log("error", &format!("serin: {}; {effect}", self.config.spec_problem()));
                false
            }
        }
    }
}
