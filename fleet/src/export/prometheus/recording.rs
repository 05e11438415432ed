//! Recording rules: the sums of all hosts' counters, and the e-process on them.
//!
//! For each step and each alternative θ, with θ0 the tolerated ratio:
//!
//! ```text
//! level = ln(θ/θ0)·e_c − ln((1 + r(θ−1)) / (1 + r(θ0−1)))·(e_c + e_b)      r = n_c / (n_c + n_b)
//! ```

use crate::export::evidence::{ALTERNATIVES, ERRORS, LEVEL, REQUESTS, THRESHOLD, Trial, number};
use serde_json::{Value, json};

/// The recorded requests and errors of each arm, by rollout, epoch and step.
pub(super) const CANARY_REQUESTS: &str = "serin:gate_canary_requests:sum";
pub(super) const CANARY_ERRORS: &str = "serin:gate_canary_errors:sum";
pub(super) const BASELINE_REQUESTS: &str = "serin:gate_baseline_requests:sum";
pub(super) const BASELINE_ERRORS: &str = "serin:gate_baseline_errors:sum";
/// The canary's share of the requests.
const SHARE: &str = "serin:gate_canary_share:ratio";

pub(super) fn rules(trial: &Trial<'_>) -> Vec<Value> {
    let mut rules = Vec::new();
    for (arm, requests, errors) in [
        (trial.canary, CANARY_REQUESTS, CANARY_ERRORS),
        (trial.baseline, BASELINE_REQUESTS, BASELINE_ERRORS),
    ] {
        let of = |metric: &str| {
            let labels = trial.labels();
            format!(
                "sum by (serin_rollout, serin_epoch, serin_step) ({metric}{{{labels},serin_arm=\"{arm}\"}})"
            )
        };
        rules.push(record(requests, &of(REQUESTS)));
        // An arm without a failure has no counter of errors.
        let none = format!("0 * {requests}{{{}}}", trial.labels());
        rules.push(record(errors, &format!("{}\nor {none}", of(ERRORS))));
    }
    let [canary, baseline] = [CANARY_REQUESTS, BASELINE_REQUESTS].map(|name| recorded(name, trial));
    rules.push(record(SHARE, &format!("{canary} / ({canary} + {baseline})")));
    rules.extend(ALTERNATIVES.map(|times| level(trial, times)));
    let mut threshold = record(THRESHOLD, &format!("vector({})", trial.threshold));
    threshold["labels"] = json!({"serin_epoch": trial.epoch.to_string()});
    rules.push(threshold);
    rules
}

fn level(trial: &Trial<'_>, times: u32) -> Value {
    let tolerated = trial.settings.tolerated.thousandths();
    // The product of two numbers below 100,000 fits.
    let alternative = u64::from(tolerated) * u64::from(times) / 1000;
    let alternative = number(u32::try_from(alternative).unwrap_or(u32::MAX));
    let [canary, baseline] = [CANARY_ERRORS, BASELINE_ERRORS].map(|name| recorded(name, trial));
    let share = recorded(SHARE, trial);
    let weight = |ratio: &str| format!("(1 + {share} * ({ratio} - 1))");
    let mut cost = weight(&alternative);
    if tolerated != 1000 {
        cost = format!("{cost} / {}", weight(&number(tolerated)));
    }
    let gain = gain(times);
    let expr = format!("{gain} * {canary}\n- ln({cost}) * ({canary} + {baseline})");
    let mut rule = record(LEVEL, &expr);
    rule["labels"] = json!({"serin_theta": alternative});
    rule
}

/// The contribution of an error of the canary: ln(θ/θ0), rounded down. PromQL has logarithms of series only.
fn gain(times: u32) -> String {
    const DECIMALS: f64 = 1e9;
    let nats = (f64::from(times) / 1000.0).ln();
    format!("{:.9}", (nats * DECIMALS).floor() / DECIMALS)
}

/// The selector of a recorded metric of this trial.
pub(super) fn recorded(name: &str, trial: &Trial<'_>) -> String {
    format!("{name}{{{}}}", trial.labels())
}

pub(super) fn record(name: &str, expr: &str) -> Value {
    json!({"record": name, "expr": expr})
}
