//! The plugin: compiles the spec and stores the last good plan.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use serin_core::Plan;

use crate::active_plan::ActivePlan;
use crate::gates::Gates;
use crate::host::{self, Level, Metric};
use crate::overrides::Overrides;
use crate::request::RequestContext;
use crate::settings::FilterSettings;

/// The state of the plugin in one VM.
#[derive(Default)]
pub(crate) struct Root {
    active: Option<Rc<ActivePlan>>,
    /// Previous plans with gates, until the last request that began under them has ended.
    draining: Vec<Rc<ActivePlan>>,
    overrides: Option<Rc<Overrides>>,
    settings: Option<Rc<FilterSettings>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_vm_start(&mut self, _size: usize) -> bool {
        self.overrides = Overrides::from_environment().map(Rc::new);
        true
    }

    /// `false` makes the host refuse the config; a plan that is already in force stays.
    fn on_configure(&mut self, _size: usize) -> bool {
        let json = host::configuration().unwrap_or_default();
        if json.trim_ascii().is_empty() {
            let effect = match &self.active {
                Some(active) => format!("revision {} stays in force", active.plan.revision()),
                None => "all requests go to the baseline".to_owned(),
            };
            host::log(Level::Warn, &format!("the configuration has no spec; {effect}"));
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
                let effect = match &self.active {
                    Some(active) => format!("revision {} stays in force", active.plan.revision()),
                    None => "this configuration is not used".to_owned(),
                };
                let count = errors.len();
                let noun = if count == 1 { "error" } else { "errors" };
                host::log(Level::Error, &format!("spec refused, {count} {noun}; {effect}"));
                false
            }
        }
    }

    fn on_tick(&mut self) {
        for active in self.draining.iter().chain(&self.active) {
            if let (Some(gates), Some(now)) = (&active.gates, active.now()) {
                gates.tick(active, now);
            }
        }
        self.draining.retain(|active| Rc::strong_count(active) > 1);
    }

    fn create_http_context(&self, _id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(RequestContext::new(self.active.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Root {
    /// Puts a plan in force, unless it is in force already.
    fn activate(&mut self, plan: Plan) {
        if self.active.as_ref().is_some_and(|active| active.plan.digest() == plan.digest()) {
            return;
        }
        let (revision, digest) = (plan.revision(), plan.digest());
        let (rollouts, flags) = (plan.rollouts().len(), plan.flags().len());
        let text =
            format!("revision {revision} ({digest}) in force, {rollouts} rollouts, {flags} flags");
        host::log(Level::Info, &text);
        for error in plan.isolated().iter() {
            host::log(Level::Error, &format!("isolated: {error}"));
        }
        if let Some(gauge) = Metric::gauge("serin.revision") {
            gauge.record(revision);
        }
        let settings =
            self.settings.get_or_insert_with(|| Rc::new(FilterSettings::from_environment()));
        let gates = Gates::new(&plan, settings);
        let active = ActivePlan::new(plan, self.overrides.clone(), gates, self.active.as_deref());
        let previous = self.active.replace(Rc::new(active));
        self.draining.extend(previous.filter(|previous| previous.gates.is_some()));
    }
}
