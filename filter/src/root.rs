//! The plugin: compiles the spec and stores the last good plan.

use std::rc::Rc;

use proxy_wasm::traits::{Context, HttpContext, RootContext};
use proxy_wasm::types::ContextType;
use serin_core::{IdKeys, Plan, Spec};

use crate::active_plan::ActivePlan;
use crate::gates::Gates;
use crate::host::{self, Level, Metric};
use crate::overrides::Overrides;
use crate::request::RequestContext;
use crate::shared_data::SharedData;
use crate::{actions, decision_clock, id_keys, vm};

/// A config of the plugin. Envoy makes a new one for each push, in the same VM.
pub(crate) struct Root {
    /// The host's id of this context.
    context: u32,
    active: Option<Rc<ActivePlan>>,
    /// Previous plans with gates, until the last request that began under them has ended.
    draining: Vec<Rc<ActivePlan>>,
    overrides: Option<Rc<Overrides>>,
    id_keys: Option<Rc<IdKeys>>,
}

impl Context for Root {}

impl RootContext for Root {
    fn on_vm_start(&mut self, _size: usize) -> bool {
        self.overrides = Overrides::from_environment().map(Rc::new);
        self.id_keys = id_keys::from_environment().map(Rc::new);
        true
    }

    /// `false` makes the host refuse the config; a plan that is already in force stays.
    fn on_configure(&mut self, size: usize) -> bool {
        // A document that is too long is not copied: a VM never gives memory back.
        decision_clock::start(&SharedData::of_plugin());
        let compiled = Spec::check_size(size)
            .and_then(|()| Plan::from_json(&host::configuration().unwrap_or_default()));
        match compiled {
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
            if let (Some(gates), Some(now)) = (&active.gates, decision_clock::now()) {
                gates.tick(active, self.context, now);
            }
        }
        self.draining.retain(|active| Rc::strong_count(active) > 1);
    }

    fn create_http_context(&self, id: u32) -> Option<Box<dyn HttpContext>> {
        Some(Box::new(RequestContext::new(id, self.active.clone())))
    }

    fn get_type(&self) -> Option<ContextType> {
        Some(ContextType::HttpContext)
    }
}

impl Root {
    pub(crate) fn new(context: u32) -> Root {
        Root { context, active: None, draining: Vec::new(), overrides: None, id_keys: None }
    }

    /// Puts a plan in force, unless it is in force already.
    fn activate(&mut self, plan: Plan) {
        if plan.units().iter().any(|unit| unit.anonymous_cookie().is_some()) {
            actions::declare_state();
        }
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
        let gates = Gates::new(&plan, &vm::settings());
        let tick_ms = gates.as_ref().map(Gates::tick_ms);
        let active = ActivePlan::new(plan, self.overrides.clone(), self.id_keys.clone(), gates);
        let previous = self.active.replace(Rc::new(active));
        self.draining.extend(previous.filter(|previous| previous.gates.is_some()));
        if tick_ms.is_some_and(vm::is_tick_due) {
            self.on_tick();
        }
    }
}

impl Drop for Root {
    /// Stops the timer. Envoy keeps the timer of a context that is gone and lets it fire on.
    fn drop(&mut self) {
        if self.draining.iter().chain(&self.active).any(|active| active.gates.is_some()) {
            host::set_tick(0);
        }
    }
}
