//! The spec that people edit: one rollout, of which a history changes what production changes.

use serde_json::{Value, json};
use serin_core::Plan;

pub(crate) const START: u64 = 1_795_000_000_000;
const MINUTE: u64 = 60_000;

/// How the canary's share grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ramp {
    Half,
    Fifth,
    /// 20 %, which lasts until its gate ends it; then 50 %.
    Gated,
    /// 10, 30, 60 and 90 %, by the clock. At 100 % there would be no baseline, and no evidence.
    Timed,
}

impl Ramp {
    /// The shares in 0.001 %, each with its time in ms.
    fn steps(self) -> &'static [(u32, u64)] {
        match self {
            Ramp::Half => &[(50_000, 0)],
            Ramp::Fifth => &[(20_000, 0)],
            Ramp::Gated => &[(20_000, MINUTE), (50_000, 0)],
            Ramp::Timed => {
                &[(10_000, 2 * MINUTE), (30_000, 20 * MINUTE), (60_000, 600 * MINUTE), (90_000, 0)]
            }
        }
    }

    /// The share at a time in ms since 1970, in 0.001 %, if no gate holds a step. A ramp begins a minute before the
    /// history.
    pub(crate) fn share_at(self, now: i64) -> u32 {
        let steps = self.steps();
        let mut start = START.cast_signed() - MINUTE.cast_signed();
        if steps.len() > 1 && now < start {
            return 0;
        }
        for (share, hold) in steps {
            start += hold.cast_signed();
            if *hold == 0 || now < start {
                return *share;
            }
        }
        0
    }

    /// The step with a share.
    pub(crate) fn step_of(self, share: u32) -> u32 {
        let step = self.steps().iter().position(|(known, _)| *known == share);
        step.and_then(|step| u32::try_from(step).ok()).unwrap_or_default()
    }

    fn json(self, has_gates: bool) -> Value {
        let steps = self.steps();
        if let [(share, _)] = steps {
            return json!({"share": share / 1000});
        }
        let step = |(share, hold): &(u32, u64)| {
            let mut step = json!({"share": share / 1000});
            if *hold > 0 {
                step["hold"] = json!(format!("{}m", hold / MINUTE));
            }
            if self == Ramp::Gated && has_gates && *hold > 0 {
                step["mode"] = json!("gate");
            }
            step
        };
        let steps: Vec<Value> = steps.iter().map(step).collect();
        // A minute before `START`.
        json!({"start": "2026-11-18T11:05:40Z", "steps": steps})
    }
}

/// What people have written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) epoch: u64,
    pub(crate) has_rollout: bool,
    pub(crate) has_gates: bool,
    pub(crate) ramp: Ramp,
    /// A flag that has nothing to do with the rollout.
    pub(crate) unrelated: u64,
    pub(crate) revision: u64,
}

/// What makes a rollout another one for its users and for its evidence.
pub(crate) type RolloutKey = (bool, bool, u64, Ramp);

impl Spec {
    pub(crate) fn rollout_key(self) -> RolloutKey {
        (self.has_rollout, self.has_gates, self.epoch, self.ramp)
    }

    pub(crate) fn json(self) -> String {
        let mut spec = json!({
            "formatVersion": 1,
            "revision": self.revision,
            "units": {"user": [{"header": "x-user-id"}]},
            "rollouts": {},
            "flags": {"other": {"variants": {"n": self.unrelated}, "defaultVariant": "n"}},
        });
        if self.has_rollout {
            spec["rollouts"]["web"] = json!({
                "unit": "user",
                "arms": {"a": {"target": "a"}, "b": {"target": "b"}},
                "baseline": "a",
                "canary": self.ramp.json(self.has_gates),
                "epoch": self.epoch,
            });
            if self.has_gates {
                spec["rollouts"]["web"]["gates"] =
                    json!({"alpha": 5, "minSamples": 20, "minRate": 1});
            }
        }
        spec.to_string()
    }

    /// The fingerprint of the rollout's trial; `None` without gates.
    pub(crate) fn fingerprint(self) -> Option<u64> {
        let plan = Plan::from_json(self.json().as_bytes()).ok()?;
        Some(plan.rollouts().first()?.trial()?.fingerprint())
    }
}

/// A change by people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Edit {
    Unrelated,
    EpochUp,
    EpochDown,
    GatesInOrOut,
    RolloutInOrOut,
    Ramp(Ramp),
    /// Rollout and gates are there, and no abort stops the epoch.
    Resume,
}

/// A spec that must be refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mistake {
    Empty,
    Blank,
    NotJson,
    UnknownField,
}

impl Mistake {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Mistake::Empty => "",
            Mistake::Blank => " \n",
            Mistake::NotJson => "{\"formatVersion\": 1,",
            Mistake::UnknownField => "{\"formatVersion\": 1, \"rolouts\": {}}",
        }
    }
}
