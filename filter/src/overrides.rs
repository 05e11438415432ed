//! The keys that testers sign overrides with, and what became of their tokens.

use serin_core::{OverrideError, OverrideKeys};

use crate::host::{self, Level, Metric};

/// The VM's environment variable that holds the keys.
const KEYS: &str = "SERIN_OVERRIDE_KEYS";

/// Keys, with the counters that belong to them.
pub(crate) struct Overrides {
    keys: OverrideKeys,
    applied: Option<Metric>,
    /// By [`OverrideError`].
    ignored: Vec<Option<Metric>>,
}

impl Overrides {
    /// The VM's keys; `None` without any, and for bad ones, which the log tells of.
    pub(crate) fn of_environment() -> Option<Overrides> {
        let keys = host::environment_variable(KEYS)?;
        match OverrideKeys::from_json(&keys) {
            Ok(keys) => {
                let ids = keys.ids().collect::<Vec<_>>().join(", ");
                host::log(Level::Info, &format!("overrides are on, signed by {ids}"));
                let ignored = OverrideError::ALL.iter().map(|error| counter(error.as_str()));
                let ignored = ignored.collect();
                Some(Overrides { keys, applied: counter("applied"), ignored })
            }
            Err(errors) => {
                for error in errors.iter() {
                    host::log(Level::Error, &format!("{KEYS}: {error}"));
                }
                host::log(Level::Error, "the keys are refused, so there are no overrides");
                None
            }
        }
    }

    /// The keys.
    pub(crate) fn keys(&self) -> &OverrideKeys {
        &self.keys
    }

    /// Counts what became of a request's token.
    pub(crate) fn count(&self, outcome: Option<Result<(), OverrideError>>) {
        let counter = match outcome {
            None => return,
            Some(Ok(())) => self.applied,
            Some(Err(why)) => self.ignored.get(why as usize).copied().flatten(),
        };
        if let Some(counter) = counter {
            counter.increment();
        }
    }
}

fn counter(outcome: &str) -> Option<Metric> {
    Metric::counter(&format!("serin.overrides.{outcome}"))
}
