//! The spec that people push, and their edits of it.

use serin_core::Plan;

/// What a push may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) epoch: u64,
    pub(crate) has_rollout: bool,
    pub(crate) has_gates: bool,
    /// Grows by steps, the first of which waits for its gate; otherwise a fixed share.
    pub(crate) has_steps: bool,
    /// A flag that has nothing to do with the rollout.
    pub(crate) unrelated: u64,
}

impl Spec {
    pub(crate) fn plan(self) -> Plan {
        let canary = if self.has_steps {
            r#"{"start":"2026-11-01T00:00:00Z","steps":[{"share":20,"hold":"1m","mode":"gate"},{"share":50}]}"#
        } else {
            r#"{"share":50}"#
        };
        // The first step waits for its gate only where there is one.
        let canary = if self.has_gates {
            canary.to_owned()
        } else {
            canary.replace(r#","mode":"gate""#, "")
        };
        let gates = if self.has_gates { r#","gates":{"alpha":0.001}"# } else { "" };
        let epoch = self.epoch;
        let rollout = format!(
            r#""web":{{"unit":"user","arms":{{"a":{{"target":"a"}},"b":{{"target":"b"}}}},"baseline":"a",
            "canary":{canary},"epoch":{epoch}{gates}}}"#
        );
        let rollouts = if self.has_rollout { rollout } else { String::new() };
        let unrelated = self.unrelated;
        let spec = format!(
            r#"{{"formatVersion":1,"units":{{"user":[{{"header":"x-user"}}]}},"rollouts":{{{rollouts}}},
            "flags":{{"f":{{"variants":{{"n":{unrelated}}},"defaultVariant":"n"}}}}}}"#
        );
        Plan::from_json(spec.as_bytes()).expect("a good spec")
    }
}

/// A change of the spec by people.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Edit {
    Unrelated,
    EpochUp,
    EpochDown,
    GatesInOrOut,
    RolloutInOrOut,
    StepsInOrOut,
    Nothing,
}

impl Edit {
    pub(crate) fn apply(self, spec: &mut Spec) {
        match self {
            Edit::Unrelated => spec.unrelated += 1,
            Edit::EpochUp => spec.epoch += 1,
            Edit::EpochDown => spec.epoch = spec.epoch.saturating_sub(1),
            Edit::GatesInOrOut => spec.has_gates ^= true,
            Edit::RolloutInOrOut => spec.has_rollout ^= true,
            Edit::StepsInOrOut => spec.has_steps ^= true,
            Edit::Nothing => {}
        }
    }
}
