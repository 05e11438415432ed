//! The state of this VM that outlives its configs: Envoy makes a new root context for each config, in the same
//! VM.

use core::cell::{Cell, OnceCell, RefCell};

use std::rc::Rc;

use serin_core::MonotonicClock;
use serin_judge::Store;

use crate::host::{self, Level};
use crate::latch_source::LatchSource;
use crate::settings::FilterSettings;
use crate::shared_data::SharedData;

thread_local! {
    /// A VM has one thread.
    static VM: Vm = Vm::default();
}

#[derive(Default)]
struct Vm {
    id: OnceCell<u64>,
    settings: OnceCell<Rc<FilterSettings>>,
    clock: MonotonicClock,
    is_started: Cell<bool>,
    /// Whether the log says already that decisions do not follow the host's clock.
    clock_logged: Cell<bool>,
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

/// The time of decisions and gates, in ms since 1970. It never goes back.
pub(crate) fn now() -> Option<u64> {
    VM.with(|vm| {
        let reading = host::now_ms();
        let now = vm.clock.advance_with(reading, host::uptime_ms);
        if let Some((now, reading)) = now.zip(reading) {
            vm.log_difference(now, reading);
        }
        now
    })
}

/// The shared time of decisions: two numbers, the time in ms since 1970 and the uptime at it in ms.
const CLOCK: &str = "clock";

/// Starts the clock of this VM: where the others are, if there are others, otherwise at the host's clock.
pub(crate) fn start_clock(shared: &SharedData) {
    VM.with(|vm| {
        if vm.is_started.replace(true) {
            return;
        }
        if let Some((time, uptime)) = shared.get(CLOCK).0.as_deref().and_then(two_numbers) {
            vm.clock.join(time, uptime);
        }
    });
    let _ = now();
}

/// Writes the time of decisions for VMs that start later.
pub(crate) fn share_clock(shared: &SharedData, now: u64, uptime: u64) {
    let bytes = [now.to_le_bytes(), uptime.to_le_bytes()].concat();
    let (_, version) = shared.get(CLOCK);
    // A conflict means that another VM has written the same.
    let _ = shared.set(CLOCK, &bytes, &version);
}

/// Takes over the shared time if it is a little later. VMs read the clock at different times, and where it is set
/// back afterwards, each would stand still at another time.
pub(crate) fn follow_clock(shared: &SharedData) {
    let Some((time, _)) = shared.get(CLOCK).0.as_deref().and_then(two_numbers) else { return };
    VM.with(|vm| {
        if vm.clock.is_near(time) {
            let _ = vm.clock.advance(Some(time));
        }
    });
}

fn two_numbers(bytes: &[u8]) -> Option<(u64, u64)> {
    let (first, second) = bytes.split_at_checked(8)?;
    let number = |bytes: &[u8]| Some(u64::from_le_bytes(bytes.try_into().ok()?));
    Some((number(first)?, number(second)?))
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

impl Vm {
    /// Logs once that decisions do not follow the host's clock, and once that they do again.
    fn log_difference(&self, now: u64, reading: u64) {
        let is_followed = now.abs_diff(reading) <= MonotonicClock::TOLERANCE_MS;
        if is_followed {
            if self.clock_logged.replace(false) {
                host::log(Level::Info, "the host's clock is followed again");
            }
            return;
        }
        if self.clock_logged.replace(true) {
            return;
        }
        let seconds = now.abs_diff(reading) / 1000;
        let text = if reading < now {
            format!(
                "the host's clock is {seconds} s behind the latest decision: decisions stay at that time, and each \
                 step is held, until the clock reaches it"
            )
        } else {
            let confirmation = MonotonicClock::CONFIRMATION_MS / 1000;
            format!(
                "the host's clock has jumped ahead by {seconds} s: decisions follow it in {confirmation} s, if it \
                 stays there"
            )
        };
        host::log(Level::Warn, &text);
    }
}
