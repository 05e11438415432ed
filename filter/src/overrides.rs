//! The keys that override tokens are signed with, and the counters of the tokens' outcomes.

use serin_core::{OverrideError, OverrideKeys};

use crate::host::{self, Level, Metric};

/// The VM's environment variable that holds the keys.
const KEYS: &str = "SERIN_OVERRIDE_KEYS";

/// The override keys of this VM, with their counters.
pub(crate) struct Overrides {
    keys: OverrideKeys,
    applied: Option<Metric>,
    /// In the order of [`OverrideError::ALL`].
    ignored: Vec<Option<Metric>>,
}

impl Overrides {
    /// Reads the VM's keys. `None` if there are none, or if they have an error, which is logged.
    pub(crate) fn from_environment() -> Option<Overrides> {
        let keys = host::environment_variable(KEYS)?;
        match OverrideKeys::from_json(&keys) {
            Ok(keys) => {
                let ids = keys.ids().collect::<Vec<_>>().join(", ");
                host::log(Level::Info, &format!("overrides are on, with keys: {ids}"));
                let ignored = OverrideError::ALL.iter().map(|error| counter(error.as_str()));
                let ignored = ignored.collect();
                Some(Overrides { keys, applied: counter("applied"), ignored })
            }
            Err(errors) => {
                for error in errors.iter() {
                    host::log(Level::Error, &format!("{KEYS}: {error}"));
                }
                host::log(Level::Error, &format!("{KEYS} is refused: overrides are off"));
                None
            }
        }
    }

    /// The keys.
    pub(crate) fn keys(&self) -> &OverrideKeys {
        &self.keys
    }

    /// Counts the outcome of a request's token; `None` for a request without one.
    pub(crate) fn count(&self, outcome: Option<Result<(), OverrideError>>) {
        let counter = match outcome {
            None => return,
            Some(Ok(())) => self.applied,
            Some(Err(error)) => self.ignored.get(error as usize).copied().flatten(),
        };
        if let Some(counter) = counter {
            counter.increment();
        }
    }
}

fn counter(outcome: &str) -> Option<Metric> {
    Metric::counter(&format!("serin.overrides.{outcome}"))
}
