//! Steps of a canary, as manifests of every kind give them.

use super::duration;
use serde_json::{Value, json};

/// The duration in ms of a step whose manifest gives none.
pub(super) const DEFAULT_HOLD_MS: u64 = 600_000;

/// One step of a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// The share, in 0.001 %.
    pub(super) share: u32,
    /// The condition that ends the step.
    pub(super) hold: Hold,
    /// Whether the step also waits for the gate.
    pub(super) gated: bool,
}

/// The condition that ends a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    /// The step ends after this many ms.
    For(u64),
    /// A person ends the step.
    Manual,
    /// The step does not end.
    Last,
}

/// The share of all traffic.
pub(super) const ALL: u32 = 100_000;

impl Step {
    pub(super) fn new(share: u32, hold: Hold) -> Step {
        Step { share, hold, gated: false }
    }

    /// The step in the notation of a spec.
    pub(super) fn value(self) -> Value {
        let mut value = json!({"share": percent(self.share)});
        match self.hold {
            Hold::For(ms) => value["hold"] = duration::format(ms).into(),
            Hold::Manual => value["hold"] = "manual".into(),
            Hold::Last => {}
        }
        if self.gated {
            value["mode"] = "gate".into();
        }
        value
    }
}

/// A share in per cent: `5`, `12.5`.
pub(super) fn percent(share: u32) -> Value {
    if share.is_multiple_of(1000) {
        return (share / 1000).into();
    }
    let digits = format!("{}.{:03}", share / 1000, share % 1000);
    // Digits, a point and digits are always a number.
    digits.parse::<f64>().map_or(Value::Null, Value::from)
}

/// A weight as a share of the total weight, in 0.001 %; `None` above the total.
pub(super) fn share(weight: u32, total: u32) -> Option<u32> {
    if weight > total || total == 0 {
        return None;
    }
    u32::try_from(u64::from(weight) * u64::from(ALL) / u64::from(total)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_steps_have_the_notation_of_a_spec() {
        assert_eq!(share(1, 1000).map(percent), Some(json!(0.1)));
        assert_eq!(share(20, 100).map(percent), Some(json!(20)));
        assert_eq!((share(101, 100), share(0, 0)), (None, None));
        let step = Step { gated: true, ..Step::new(12_345, Hold::For(90_000)) };
        assert_eq!(step.value(), json!({"share": 12.345, "hold": "1m30s", "mode": "gate"}));
        assert_eq!(Step::new(ALL, Hold::Last).value(), json!({"share": 100}));
    }
}
