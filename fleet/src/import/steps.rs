//! Shares that grow, as they are read from steps of all kinds.

use super::span;
use serde_json::{Value, json};

/// How long a step lasts whose length nobody says.
pub(super) const ASSUMED_HOLD: u64 = 600_000;

/// One step of a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Step {
    /// In 0.001 %.
    pub(super) share: u32,
    pub(super) hold: Hold,
    /// Whether it waits for the gate, too.
    pub(super) gated: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Hold {
    For(u64),
    Manual,
    /// For good.
    Last,
}

pub(super) const ALL: u32 = 100_000;

impl Step {
    pub(super) fn new(share: u32, hold: Hold) -> Step {
        Step { share, hold, gated: false }
    }

    pub(super) fn value(self) -> Value {
        let mut value = json!({"share": percent(self.share)});
        match self.hold {
            Hold::For(ms) => value["hold"] = span::written(ms).into(),
            Hold::Manual => value["hold"] = "manual".into(),
            Hold::Last => {}
        }
        if self.gated {
            value["mode"] = "gate".into();
        }
        value
    }
}

/// A share as people write it: `5`, `12.5`.
pub(super) fn percent(share: u32) -> Value {
    if share.is_multiple_of(1000) {
        return (share / 1000).into();
    }
    let digits = format!("{}.{:03}", share / 1000, share % 1000);
    // Always a number: digits, a point, digits.
    digits.parse::<f64>().map_or(Value::Null, Value::from)
}

/// A weight out of a whole, in 0.001 %; `None` above the whole.
pub(super) fn share(weight: u32, whole: u32) -> Option<u32> {
    if weight > whole || whole == 0 {
        return None;
    }
    u32::try_from(u64::from(weight) * u64::from(ALL) / u64::from(whole)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_and_steps_are_written_as_people_do() {
        assert_eq!(share(1, 1000).map(percent), Some(json!(0.1)));
        assert_eq!(share(20, 100).map(percent), Some(json!(20)));
        assert_eq!((share(101, 100), share(0, 0)), (None, None));
        let step = Step { gated: true, ..Step::new(12_345, Hold::For(90_000)) };
        assert_eq!(step.value(), json!({"share": 12.345, "hold": "1m30s", "mode": "gate"}));
        assert_eq!(Step::new(ALL, Hold::Last).value(), json!({"share": 100}));
    }
}
