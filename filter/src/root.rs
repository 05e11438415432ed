//! The plugin: reads the spec and keeps the last good plan.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use serin_core::Plan;

use crate::active::Active;
use crate::gates::Gates;
use crate::host::{self, Level, Metric};
use crate::http::Http;
use crate::overrides::Overrides;
use crate::settings::Settings;

/// The state of one plugin in one VM.
#[derive(Default)]
pub(crate) struct Root {
    active: Option<Rc<Active>>,
    /// Plans that requests under way began with.
    earlier: Vec<Rc<Active>>,
    overrides: Option<Rc<Overrides>>,
    settings: Option<Rc<Settings>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_vm_start(&mut self, _size: usize) -> bool {
        self.overrides = Overrides::of_environment().map(Rc::new);
        true
    }

    /// `false` makes the host refuse the config; a plan already in force stays.
    fn on_configure(&mut self, _size: usize) -> bool {
        let json = host::configuration().unwrap_or_default();
        if json.trim_ascii().is_empty() {
            let kept = if self.active.is_some() {
                "the running plan stays"
            } else {
                "all requests go to the baseline"
            };
            host::log(Level::Warn, &format!("no spec is configured, {kept}"));
            return true;
        }
        match Plan::from_json(&json) {
            Ok(plan) => {
                self.activate(plan);
                true
            }
            Err(errors) => {
                for error in errors.iter() {
                    host::log(Level::Error, &error.to_string());
                }
                let kept = match &self.active {
                    Some(active) => format!("revision {} stays in force", active.plan.revision()),
                    None => "this configuration is not used".to_owned(),
                };
                let count = errors.len();
                let noun = if count == 1 { "error" } else { "errors" };
                host::log(Level::Error, &format!("spec refused, {count} {noun}; {kept}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        for active in self.earlier.iter().chain(&self.active) {
            if let (Some(gates), Some(now)) = (&active.gates, active.now()) {
                gates.tick(active, now);
            }
        }
        self.earlier.retain(|active| Rc::strong_count(active) > 1);
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(Http::new(self.active.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Root {
    fn activate(&mut self, plan: Plan) {
        if self.active.as_ref().is_some_and(|active| active.plan.digest() == plan.digest()) {
            return;
        }
        let (revision, digest) = (plan.revision(), plan.digest());
        let (rollouts, flags) = (plan.rollouts().len(), plan.flags().len());
        let line =
            format!("revision {revision} ({digest}) in force, {rollouts} rollouts, {flags} flags");
        host::log(Level::Info, &line);
        for error in plan.isolated().iter() {
            host::log(Level::Error, &format!("isolated: {error}"));
        }
        if let Some(gauge) = Metric::gauge("serin.revision") {
            gauge.record(revision);
        }
        let settings = self.settings.get_or_insert_with(|| Rc::new(Settings::of_environment()));
        let gates = Gates::new(&plan, settings);
        let active = Active::new(plan, self.overrides.clone(), gates, self.active.as_deref());
        let before = self.active.replace(Rc::new(active));
        self.earlier.extend(before.filter(|before| before.gates.is_some()));
    }
}
