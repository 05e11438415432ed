//! The state of this VM that outlives its configs, besides its clock: Envoy makes a new root context for each
//! config, in the same VM.

use core::cell::{Cell, OnceCell, RefCell};

use std::rc::Rc;

use crate::host;
use crate::latch_source::LatchSource;
use crate::settings::FilterSettings;

thread_local! {
    /// A VM has one thread.
    static VM: Vm = Vm::default();
}

#[derive(Default)]
struct Vm {
    id: OnceCell<u64>,
    settings: OnceCell<Rc<FilterSettings>>,
    latest_config: Cell<u64>,
    /// The uptime at the latest tick of the latest config, in ms.
    ticked_at: Cell<Option<u64>>,
    latch_source: Rc<LatchSource>,
    /// The config that judges each rollout, by the rollout's shared key: the latest config that has the rollout.
    judging_configs: RefCell<Vec<(String, u64)>>,
}

/// The id of this VM.
pub(crate) fn id() -> u64 {
    VM.with(|vm| *vm.id.get_or_init(host::random))
}

/// The settings.
pub(crate) fn settings() -> Rc<FilterSettings> {
    VM.with(|vm| Rc::clone(vm.settings.get_or_init(|| Rc::new(FilterSettings::from_environment()))))
}

/// The schedule of reading the latch source.
pub(crate) fn latch_source() -> Rc<LatchSource> {
    VM.with(|vm| Rc::clone(&vm.latch_source))
}

/// The time that durations are measured with, in ms since any time in the past. All VMs of a process have the
/// same one. Leases, intervals and retries use it, because the host's clock may be set.
pub(crate) fn uptime() -> u64 {
    host::uptime_ms().or_else(host::now_ms).unwrap_or_default()
}

/// Makes a config the latest one, and the judging one of its rollouts.
pub(crate) fn set_latest_config<'a>(config: u64, rollouts: impl Iterator<Item = &'a str>) {
    VM.with(|vm| {
        vm.latest_config.set(config);
        if vm.ticked_at.get().is_none() {
            vm.ticked_at.set(Some(uptime()));
        }
        let Ok(mut configs) = vm.judging_configs.try_borrow_mut() else { return };
        for rollout in rollouts {
            configs.retain(|(known, _)| *known != rollout);
            configs.push((rollout.to_owned(), config));
        }
    });
}

/// Whether a config judges a rollout. A draining config does not, but still adds the outcomes of its last
/// requests.
pub(crate) fn is_judging(config: u64, rollout: &str) -> bool {
    VM.with(|vm| {
        let configs = vm.judging_configs.try_borrow();
        let is_own = |(key, judging): &(String, u64)| key == rollout && *judging == config;
        configs.is_ok_and(|configs| configs.iter().any(is_own))
    })
}

/// Records that a config ticks.
pub(crate) fn note_tick(config: u64) {
    VM.with(|vm| {
        if vm.latest_config.get() == config {
            vm.ticked_at.set(Some(uptime()));
        }
    });
}

/// Whether a tick is due. A config's timer starts when the config arrives, so where configs arrive more often than
/// the timer fires, no timer ever fires.
pub(crate) fn is_tick_due(tick_ms: u32) -> bool {
    VM.with(|vm| {
        let is_over = |at: u64| uptime().abs_diff(at) >= u64::from(tick_ms);
        vm.ticked_at.get().is_some_and(is_over)
    })
}
