//! Labels: Envoy's tag regexes for the names of the filter's counters.

use serde_json::{Value, json};

/// Each label with the regex that extracts it from the name of a counter in Envoy. Envoy removes the first group
/// from the name; the second group is the value of the label.
///
/// | counter of the filter | as Prometheus shows it |
/// |---|---|
/// | `serin.rollout.R.arm.A.requests` | `serin_rollout_arm_requests{serin_rollout,serin_arm}` |
/// | `serin.gate.R.epoch.E.step.K.arm.A.requests`, `.errors` | `serin_gate_epoch_step_arm_requests{serin_rollout,serin_epoch,serin_step,serin_arm}`, `…_errors` |
/// | `serin.gate.R.dropped.REASON` | `serin_gate_dropped{serin_rollout,serin_reason}` |
/// | `serin.latch.R.aborted` | `serin_latch_aborted{serin_rollout}` |
/// | `serin.shadow.R.compared`, `.diverged`, `.dropped` | `serin_shadow_compared{serin_rollout}`, … |
/// | `serin.overrides.OUTCOME` | `serin_overrides{serin_outcome}` |
pub fn tags() -> [(&'static str, &'static str); 6] {
    [
        ("serin_rollout", r"^wasmcustom\.serin\.(?:rollout|gate|latch|shadow)(\.([^.]+))\."),
        ("serin_epoch", r"^wasmcustom\.serin\.gate\.[^.]+\.epoch(\.([0-9]+))\.step\."),
        ("serin_step", r"^wasmcustom\.serin\.gate\.[^.]+\.epoch\.[0-9]+\.step(\.([0-9]+))\.arm\."),
        (
            "serin_arm",
            r"^wasmcustom\.serin\.(?:rollout\.[^.]+|gate\.[^.]+\.epoch\.[0-9]+\.step\.[0-9]+)\.arm(\.([^.]+))\.[^.]+$",
        ),
        ("serin_reason", r"^wasmcustom\.serin\.gate\.[^.]+\.dropped(\.([^.]+))$"),
        ("serin_outcome", r"^wasmcustom\.serin\.overrides(\.(.+))$"),
    ]
}

/// `stats_config` with all labels.
pub(super) fn config() -> Value {
    let tag = |(name, regex): (&str, &str)| json!({"tag_name": name, "regex": regex});
    json!({"stats_tags": tags().map(tag)})
}
