//! The guarded rollouts of a plan: what a request needs of them, and what a tick does.

use core::cell::RefCell;

use std::rc::Rc;

use serin_core::Plan;
use serin_core::gate::{ActiveLatches, KnownLatches, Latches, Probe, Tally};
use serin_core::plan::RolloutId;

use crate::active::Active;
use crate::host::{self, Metric};
use crate::latches::SharedLatches;
use crate::outcome;
use crate::settings::Settings;
use crate::state::State;
use crate::tallies::Local;
use crate::watch::{self, Watched};
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
    /// In the order of the plan's rollouts.
    guarded: Vec<Guarded>,
    state: State,
}

/// A rollout that may be aborted.
struct Guarded {
    id: RolloutId,
    watched: Watched,
    aborted: Option<Metric>,
    /// If something is compared of it.
    local: Option<Local>,
}

impl Gates {
    /// `None` for a plan that nothing can stop.
    pub(crate) fn new(plan: &Plan, settings: &Rc<Settings>) -> Option<Gates> {
        let prefix = prefix();
        let trials: Vec<Guarded> = plan
            .rollouts()
            .iter()
            .filter_map(|rollout| {
                let (name, trial) = (rollout.name(), rollout.trial());
                if trial.is_none() && settings.state.is_none() {
                    return None;
                }
                let (id, _) = plan.arm_named(name, rollout.arm(rollout.baseline())?.name())?;
                let local = trial.map(|trial| Local::new(rollout, trial, &prefix));
                let aborted = Metric::gauge(&format!("serin.latch.{name}.aborted"));
                let watched = Watched::new(format!("{prefix}watch/{name}"));
                Some(Guarded { id, watched, aborted, local })
            })
            .collect();
        // A state URL may tell of aborts of rollouts that nothing is compared of.
        if trials.is_empty() && settings.state.is_none() {
            return None;
        }
        let latches = Rc::new(SharedLatches::new(KnownLatches::key(&prefix), settings.waits));
        let gates = Gates {
            settings: Rc::clone(settings),
            number: host::random(),
            lease: format!("{prefix}lease"),
            latches,
            guarded: trials,
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
            for guarded in &self.guarded {
                judges.retain(|(key, _)| *key != guarded.watched.key);
                judges.push((guarded.watched.key.clone(), self.number));
            }
        });
    }

    fn judges(&self, guarded: &Guarded) -> bool {
        let own = (&guarded.watched.key, self.number);
        JUDGES.with(|judges| {
            let judges = judges.try_borrow();
            judges.is_ok_and(|judges| judges.iter().any(|(key, number)| (key, *number) == own))
        })
    }

    /// What decisions have to obey.
    pub(crate) fn active_latches(&self, plan: &Plan) -> Option<Rc<ActiveLatches>> {
        self.latches.active(plan)
    }

    /// Counts the outcome of the request whose log is being written.
    pub(crate) fn record(&self, plan: &Plan, probe: &Probe) {
        let place = self.guarded.binary_search_by_key(&probe.rollout, |guarded| guarded.id);
        let guarded = place.ok().and_then(|place| self.guarded.get(place));
        let local = guarded.and_then(|guarded| guarded.local.as_ref());
        let trial = plan.rollout(probe.rollout).and_then(|rollout| rollout.trial());
        if let Some((local, trial)) = local.zip(trial) {
            local.record(trial, probe, &outcome::outcome(trial, probe));
        }
    }

    /// Adds up, and if this VM is the one, looks.
    pub(crate) fn tick(&self, active: &Active, now: u64) {
        let reading = self.latches.read();
        for guarded in &self.guarded {
            self.add_up(active, guarded, &reading.latches, now);
        }
        webhook::tick(self.settings.webhook.as_ref(), now);
        if !watch::is_elected(&self.lease, VM.with(|vm| *vm), now, self.settings.tick_ms) {
            return;
        }
        self.state.tick(&self.settings, &active.plan, &self.latches, now);
        let judged = || self.guarded.iter().filter(|guarded| self.judges(guarded));
        for guarded in judged().filter(|_| reading.is_complete) {
            self.look(&active.plan, guarded, now);
        }
        let latches = self.latches.read().latches;
        for guarded in judged() {
            guarded.show(&active.plan, &latches, now);
        }
    }

    fn add_up(&self, active: &Active, guarded: &Guarded, latches: &Latches, now: u64) {
        let (rollout, local) = (active.plan.rollout(guarded.id), guarded.local.as_ref());
        let Some((rollout, local)) = rollout.zip(local) else { return };
        // What a config on its way out takes for the stage in force is not.
        let current = if self.judges(guarded) {
            rollout.current_stage(latches.get(rollout.name()), now).map(|current| current.stage)
        } else {
            local.sum().map(|sum| sum.stage)
        };
        local.flush(current, rollout.trial(), active.shadows.take(guarded.id));
    }

    fn look(&self, plan: &Plan, guarded: &Guarded, now: u64) {
        let Some(local) = &guarded.local else { return };
        let audit = guarded.watched.look(plan, guarded.id, local, &self.latches, now);
        if let Some(audit) = audit.filter(|_| self.settings.webhook.is_some()) {
            webhook::tell(&audit, &self.latches.read().latches);
            webhook::tick(self.settings.webhook.as_ref(), now);
        }
    }
}

impl Guarded {
    /// Says by a gauge whether an abort is in force.
    fn show(&self, plan: &Plan, latches: &Latches, now: u64) {
        let (Some(rollout), Some(gauge)) = (plan.rollout(self.id), self.aborted) else { return };
        let abort = rollout.abort_in_force(latches.get(rollout.name()), Some(now));
        gauge.record(abort.is_some().into());
    }
}

impl Drop for Gates {
    /// The last requests of a config may end with no tick to come.
    fn drop(&mut self) {
        for local in self.guarded.iter().filter_map(|guarded| guarded.local.as_ref()) {
            local.flush(local.sum().map(|sum| sum.stage), None, Tally::default());
        }
    }
}

/// Begins every key: hosts share data among all plugins of all versions that run in VMs of one id.
fn prefix() -> String {
    let text = |name| host::property(&[name]).and_then(|name| String::from_utf8(name).ok());
    let (plugin, root_id) = (text("plugin_name"), text("plugin_root_id"));
    KnownLatches::key_prefix(&plugin.unwrap_or_default(), &root_id.unwrap_or_default())
}
