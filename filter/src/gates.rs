//! The guarded rollouts of a plan: what a request needs of them, and what a tick does.

use core::cell::RefCell;

use std::rc::Rc;

use serin_core::Plan;
use serin_core::gate::{Probe, Standing, Tally};

use crate::active::Active;
use crate::host::{self, Metric};
use crate::latches::SharedLatches;
use crate::outcome;
use crate::settings::Settings;
use crate::state::State;
use crate::tallies::Local;
use crate::watch;
use crate::webhook;

thread_local! {
    /// By key, which config of this VM judges a rollout: the latest. One that is on its way out still adds
    /// up what its last requests have come to.
    static JUDGES: RefCell<Vec<(String, u64)>> = const { RefCell::new(Vec::new()) };
    /// Tells this VM from others.
    static VM: u64 = host::random();
}

/// What a VM keeps of a plan's guarded rollouts.
pub(crate) struct Gates {
    settings: Rc<Settings>,

    /// Tells this config from others in the VM.
    number: u64,
    lease: String,
    latches: Rc<SharedLatches>,
    trials: Vec<Guarded>,
    state: State,
}

struct Guarded {
    local: Local,
    watch: String,
    aborted: Option<Metric>,
}

impl Gates {
    /// `None` for a plan that nothing can stop.
    pub(crate) fn new(plan: &Plan, settings: &Rc<Settings>) -> Option<Gates> {
        let prefix = prefix();
        let trials: Vec<Guarded> = plan
            .rollouts()
            .iter()
            .filter_map(|rollout| {
                let (name, trial) = (rollout.name(), rollout.guard().trial()?);
                let (id, _) = plan.arm_named(name, rollout.arm(trial.canary())?.name())?;
                let local = Local::new(id, rollout, trial, &prefix);
                let aborted = Metric::gauge(&format!("serin.latch.{name}.aborted"));
                Some(Guarded { local, watch: format!("{prefix}watch/{name}"), aborted })
            })
            .collect();
        // A state URL may tell of aborts of rollouts that nothing is compared of.
        if trials.is_empty() && settings.state.is_none() {
            return None;
        }
        let latches = Rc::new(SharedLatches::new(format!("{prefix}latches"), settings.waits));
        let gates = Gates {
            settings: Rc::clone(settings),

            number: host::random(),
            lease: format!("{prefix}lease"),
            latches,
            trials,
            state: State::default(),
        };
        gates.take_over();
        host::set_tick(settings.tick_ms);
        Some(gates)
    }

    /// From now on this config judges its rollouts.
    fn take_over(&self) {
        JUDGES.with(|judges| {
            let Ok(mut judges) = judges.try_borrow_mut() else { return };
            for guarded in &self.trials {
                judges.retain(|(key, _)| *key != guarded.watch);
                judges.push((guarded.watch.clone(), self.number));
            }
        });
    }

    fn judges(&self, guarded: &Guarded) -> bool {
        let own = (&guarded.watch, self.number);
        JUDGES.with(|judges| {
            let judges = judges.try_borrow();
            judges.is_ok_and(|judges| judges.iter().any(|(key, number)| (key, *number) == own))
        })
    }

    /// What decisions have to obey.
    pub(crate) fn standing(&self, plan: &Plan) -> Option<Rc<Standing>> {
        self.latches.standing(plan)
    }

    /// Counts the outcome of the request whose log is being written.
    pub(crate) fn record(&self, plan: &Plan, probe: &Probe) {
        let guarded = self.trials.iter().find(|guarded| guarded.local.id == probe.rollout);
        let trial = plan.rollout(probe.rollout).and_then(|rollout| rollout.guard().trial());
        if let Some((guarded, trial)) = guarded.zip(trial) {
            guarded.local.record(trial, probe, &outcome::outcome(trial, probe));
        }
    }

    /// Adds up, and if this VM is the one, looks.
    pub(crate) fn tick(&self, active: &Active, now: u64) {
        let plan = &active.plan;
        let reading = self.latches.read();
        for guarded in &self.trials {
            let local = &guarded.local;
            let Some(rollout) = plan.rollout(local.id) else { continue };
            // What a config on its way out takes for the stage in force is not.
            let current = if self.judges(guarded) {
                rollout.current(reading.latches.get(&local.name), now).map(|current| current.stage)
            } else {
                local.sum().map(|sum| sum.stage)
            };
            let compared = active.shadows.take(local.id);
            local.flush(current, rollout.guard().trial(), compared);
        }
        webhook::tick(self.settings.webhook.as_ref(), now);
        if !watch::is_elected(&self.lease, VM.with(|vm| *vm), now, self.settings.tick_ms) {
            return;
        }
        self.state.tick(&self.settings, plan, &self.latches, now);
        for guarded in self.trials.iter().filter(|guarded| self.judges(guarded)) {
            if reading.known {
                let audit = watch::look(plan, &guarded.local, &self.latches, &guarded.watch, now);
                if let Some(audit) = audit.filter(|_| self.settings.webhook.is_some()) {
                    webhook::tell(&audit, &self.latches.read().latches);
                    webhook::tick(self.settings.webhook.as_ref(), now);
                }
            }
            self.show(plan, guarded, now);
        }
    }

    /// Says by a gauge whether an abort is in force.
    fn show(&self, plan: &Plan, guarded: &Guarded, now: u64) {
        let latches = self.latches.read().latches;
        let stops = plan
            .rollout(guarded.local.id)
            .zip(latches.get(&guarded.local.name))
            .is_some_and(|(rollout, latch)| {
                let guard = rollout.guard();
                latch.stops(guard.epoch(), guard.cooldown_ms(), Some(now))
            });
        if let Some(gauge) = guarded.aborted {
            gauge.record(stops.into());
        }
    }
}

impl Drop for Gates {
    /// The last requests of a config may end with no tick to come.
    fn drop(&mut self) {
        for Guarded { local, .. } in &self.trials {
            local.flush(local.sum().map(|sum| sum.stage), None, Tally::default());
        }
    }
}

/// Begins every key: hosts share data among all plugins of all versions that run in VMs of one id.
fn prefix() -> String {
    let text = |name| host::property(&[name]).and_then(|name| String::from_utf8(name).ok());
    let (plugin, root) = (text("plugin_name"), text("plugin_root_id"));
    let version = env!("CARGO_PKG_VERSION");
    format!("serin/{version}/{}/{}/", plugin.unwrap_or_default(), root.unwrap_or_default())
}
