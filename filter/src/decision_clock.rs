//! The clock of decisions and gates. The VMs of a process keep it together in the shared data.

use core::cell::Cell;

use serin_core::MonotonicClock;
use serin_judge::{get_pair, set_pair};

use crate::host::{self, Level};
use crate::shared_data::SharedData;

/// The key of the shared time: the time of decisions in ms since 1970, and the uptime at it in ms.
const KEY: &str = "clock";

thread_local! {
    /// A VM has one thread, and one clock across its configs.
    static CLOCK: DecisionClock = DecisionClock::default();
}

#[derive(Default)]
struct DecisionClock {
    time: MonotonicClock,
    is_started: Cell<bool>,
    /// Whether the log says already that decisions do not follow the host's clock.
    is_difference_logged: Cell<bool>,
}

/// The time of decisions and gates, in ms since 1970. It never goes back.
pub(crate) fn now() -> Option<u64> {
    CLOCK.with(|clock| {
        let reading = host::now_ms();
        let now = clock.time.advance_with(reading, host::uptime_ms);
        if let Some((now, reading)) = now.zip(reading) {
            clock.log_difference(now, reading);
        }
        now
    })
}

/// Starts the clock of this VM: where the others are, if there are others, otherwise at the host's clock.
pub(crate) fn start(shared: &SharedData) {
    CLOCK.with(|clock| {
        if clock.is_started.replace(true) {
            return;
        }
        if let Some((time, uptime)) = get_pair(shared, KEY).0 {
            clock.time.join(time, uptime);
        }
    });
    let _ = now();
}

/// Writes the time of decisions for VMs that start later.
pub(crate) fn share(shared: &SharedData, now: u64, uptime: u64) {
    let (_, version) = get_pair(shared, KEY);
    // A conflict means that another VM has written the same.
    let _ = set_pair(shared, KEY, (now, uptime), &version);
}

/// Takes over the shared time if it is a little later. VMs read the clock at different times, and where it is set
/// back afterwards, each would stand still at another time.
pub(crate) fn follow(shared: &SharedData) {
    let Some((time, _)) = get_pair(shared, KEY).0 else { return };
    CLOCK.with(|clock| {
        if clock.time.is_near(time) {
            let _ = clock.time.advance(Some(time));
        }
    });
}

impl DecisionClock {
    /// Logs once that decisions do not follow the host's clock, and once that they do again.
    fn log_difference(&self, now: u64, reading: u64) {
        let is_followed = now.abs_diff(reading) <= MonotonicClock::TOLERANCE_MS;
        if is_followed {
            if self.is_difference_logged.replace(false) {
                host::log(Level::Info, "the host's clock is followed again");
            }
            return;
        }
        if self.is_difference_logged.replace(true) {
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
