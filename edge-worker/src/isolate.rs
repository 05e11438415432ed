//! Reading the spec from where it is: at the first request of an isolate, then in the background.

use std::cell::Cell;
use std::rc::Rc;

use serin_core::MonotonicClock;
use worker::{Context, Env};

use crate::active::Active;
use crate::config::{Config, Offered, Source};
use crate::counters::Counters;
use crate::host;
use crate::latch_cache::{LatchCache, Merged};
use crate::settings::Settings;

pub(crate) const KV: &str = "SERIN_KV";
/// The shortest time that KV's edge cache allows, in seconds.
const KV_CACHE_TTL: u32 = 30;

/// What outlives a request.
pub(crate) struct Isolate {
    pub(crate) settings: Settings,
    pub(crate) config: Config,
    pub(crate) counters: Counters,
    pub(crate) started: u64,
    /// The time that decisions go by, under every plan.
    pub(crate) clock: MonotonicClock,
    pub(crate) latches: LatchCache,
    /// Whether there is an object that judges.
    pub(crate) has_judge: bool,
    /// From when on a plan that the object does not know has it read KV again, ms since 1970.
    reread: Cell<u64>,
}

/// The binding of the object that judges.
pub(crate) const GATES: &str = "SERIN_GATES";
/// How often a plan that the object does not know has it read KV again, in ms.
const REREAD_MS: u64 = 1_000;

impl Isolate {
    pub(crate) fn new(env: &Env, now: u64) -> Isolate {
        let settings = Settings::read(|name| host::variable(env, name));
        for problem in &settings.problems {
            host::log("warn", &format!("serin: {problem}"));
        }
        let config = Config::new(settings.allow_older);
        Isolate {
            settings,
            config,
            counters: Counters::default(),
            started: now,
            clock: MonotonicClock::default(),
            latches: LatchCache::default(),
            has_judge: !host::binding(env, GATES).is_undefined(),
            reread: Cell::new(0),
        }
    }

    /// The plan in force. Only the first request of an isolate waits for it; later ones get what is
    /// there, and one of them reads the source again behind its own answer.
    pub(crate) async fn plan(
        self: &Rc<Self>,
        env: &Env,
        context: &Context,
        now: u64,
    ) -> Option<Rc<Active>> {
        let refresh = self.settings.refresh;
        if !self.config.is_loaded() {
            self.load(env, now).await;
            if let Some(asked) = self.ask(env) {
                if host::binding(env, KV).is_undefined() {
                    // Nobody else can say whether there was an abort.
                    asked.await;
                } else {
                    context.wait_until(asked);
                }
            }
            self.config.set_loaded(now, refresh);
        } else if self.config.claim_refresh(now, refresh) {
            let namespace = host::binding(env, KV);
            if !namespace.is_undefined() {
                let isolate = Rc::clone(self);
                context.wait_until(async move {
                    isolate.read_kv(&namespace, now).await;
                });
            } else if let Some(asked) = self.ask(env) {
                context.wait_until(asked);
            }
        }
        self.config.active()
    }

    /// The plan for the object that judges, which is also asked by isolates that have a newer one.
    pub(crate) async fn plan_like(
        &self,
        env: &Env,
        digest: Option<&str>,
        now: u64,
    ) -> Option<Rc<Active>> {
        let refresh = self.settings.refresh;
        if !self.config.is_loaded() {
            self.load(env, now).await;
            self.config.set_loaded(now, refresh);
        } else {
            let active = self.config.active();
            let other = |digest| active.is_none_or(|active| active.plan.digest() != digest);
            let unknown = digest.is_some_and(other) && now >= self.reread.get();
            if unknown || self.config.claim_refresh(now, refresh) {
                self.reread.set(now.saturating_add(REREAD_MS));
                let namespace = host::binding(env, KV);
                if !namespace.is_undefined() {
                    self.read_kv(&namespace, now).await;
                }
            }
        }
        self.config.active()
    }

    /// Merges a latch document, given as JSON, and decides by it.
    pub(crate) fn merge_latches(&self, text: &str) {
        match self.latches.merge(text) {
            Merged::Unchanged => {}
            Merged::Changed => self.apply_latches(),
            Merged::Refused => host::log("error", "serin: latches refused: not a document"),
        }
    }

    fn apply_latches(&self) {
        if let Some(active) = self.config.active() {
            active.set_latches(&self.latches.latches());
        }
    }

    async fn load(&self, env: &Env, now: u64) {
        let namespace = host::binding(env, KV);
        if !namespace.is_undefined() && self.read_kv(&namespace, now).await {
            return;
        }
        // Another request may have been quicker while this one waited.
        if self.config.active().is_some() {
            return;
        }
        let problem = self.config.problem();
        let variable = || host::variable(env, "SERIN_SPEC");
        let sources: [(Source, &dyn Fn() -> Option<String>); 2] =
            [(Source::Variable, &variable), (Source::Bundled, &host::bundled)];
        for (source, read) in sources {
            if let Some(text) = read() {
                self.offer(source, &text, now);
                if self.config.active().is_some() {
                    break;
                }
            }
        }
        if !problem.is_empty() {
            self.config.failed(&problem);
        }
        if self.config.active().is_none() {
            host::log("warn", "serin: there is no good spec, all requests go to the baseline");
        }
    }

    /// Whether KV has given a good spec. Latches are read beside it.
    async fn read_kv(&self, namespace: &wasm_bindgen::JsValue, now: u64) -> bool {
        let key = &self.settings.kv_key;
        let spec = host::Reading::new(namespace, key, KV_CACHE_TTL);
        let latches = host::Reading::new(namespace, &self.settings.latches_key, KV_CACHE_TTL);
        match latches.text().await {
            Ok(Some(text)) => self.merge_latches(&text),
            Ok(None) => {}
            Err(thrown) => {
                let why = host::why(&thrown);
                host::log("warn", &format!("serin: KV's latches could not be read: {why}"));
            }
        }
        match spec.text().await {
            Ok(Some(text)) => self.offer(Source::Kv, &text, now),
            Ok(None) => {
                self.trouble(&format!("the KV key {key} holds nothing"));
                false
            }
            Err(thrown) => {
                self.trouble(&format!(
                    "the KV key {key} could not be read: {}",
                    host::why(&thrown)
                ));
                false
            }
        }
    }

    fn trouble(&self, what: &str) {
        if self.config.problem() != what {
            host::log("warn", &format!("serin: {what}"));
            self.config.failed(what);
        }
    }

    fn offer(&self, source: Source, text: &str, now: u64) -> bool {
        match self.config.offer(source, text, now) {
            Offered::Same => self.config.problem().is_empty(),
            Offered::Activated => {
                self.counters.activated.increment();
                self.apply_latches();
                if let Some(active) = self.config.active() {
                    let (plan, source) = (&active.plan, source.as_str());
                    let (revision, digest) = (plan.revision(), plan.digest());
                    let line =
                        format!("serin: revision {revision} ({digest}) in force, from {source}");
                    host::log("log", &line);
                    if active.has_trials && !self.has_judge {
                        let what = "the spec has gates, and without SERIN_GATES nobody judges";
                        host::log("warn", &format!("serin: {what}"));
                    }
                    for error in plan.isolated().iter() {
                        host::log("error", &format!("serin: isolated: {error}"));
                    }
                }
                true
            }
            Offered::Refused => {
                self.counters.refused.increment();
                let kept = match self.config.active() {
                    Some(active) => format!("revision {} stays in force", active.plan.revision()),
                    None => "there is no plan to fall back to".to_owned(),
                };
                host::log("error", &format!("serin: {}; {kept}", self.config.problem()));
                false
            }
        }
    }
}
