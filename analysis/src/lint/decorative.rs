//! The lint of decorative gates: gates that cannot detect in time what they guard against.

use std::fmt;

use serin_core::gate::Ratio;

use super::finding::{Finding, Lint};
use crate::planner::{GateForecast, Metric, Obstacle, RolloutForecast, StepForecast};

/// The gates that cannot detect their regression in time at the traffic of these forecasts.
pub fn decorative(forecasts: &[RolloutForecast]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rollout in forecasts {
        if let Some(obstacle) = rollout.obstacle {
            findings.push(of_rollout(rollout, obstacle));
            continue;
        }
        for step in &rollout.steps {
            findings.extend(step.gates.iter().filter_map(|gate| of_gate(rollout, step, gate)));
        }
    }
    findings
}

fn of_rollout(rollout: &RolloutForecast, obstacle: Obstacle) -> Finding {
    let expected = rollout.traffic.per_minute;
    let (message, help) = match obstacle {
        Obstacle::TooLittleTraffic { wanted } => (
            format!(
                "no step will end: the gate needs {wanted} requests a minute for that and will see {expected}"
            ),
            "lower minRate, and give the steps the time that so few requests take",
        ),
        Obstacle::BaselineUnwell { allowed } => (
            format!("no step will end while more than {allowed} of the baseline's requests fail"),
            "fix the baseline, or raise maxBaselineErrorRate",
        ),
        Obstacle::NobodyToCompareWith => (
            "this gate is decorative: no step has both a canary and a baseline".into(),
            "begin with a share below 100",
        ),
    };
    finding(format!("{}.gates", rollout.path), message, help.into())
}

fn of_gate(rollout: &RolloutForecast, step: &StepForecast, gate: &GateForecast) -> Option<Finding> {
    let (ratio, needed, expected) = gate.decorative()?;
    let what = Regression { metric: gate.metric, ratio };
    let message = format!(
        "this gate is decorative: to see {what} it needs {} requests of the canary and will see {}",
        Grouped(needed),
        Grouped(expected)
    );
    let pace =
        u128::from(rollout.traffic.per_minute).saturating_mul(step.share.millipercent().into());
    let minutes = u128::from(needed).saturating_mul(100_000).div_ceil(pace.max(1));
    let hold = Minutes(u64::try_from(minutes).unwrap_or(u64::MAX));
    let sees = match gate.smallest {
        Some(ratio) => {
            let ratio = rounded(gate.metric, ratio);
            format!("it sees no less than {}", Regression { metric: gate.metric, ratio })
        }
        None => "it sees nothing".into(),
    };
    let waits = if gate.metric == Metric::Errors { ", or wait for it with mode: gate" } else { "" };
    let help = format!("{sees}; hold the step for {hold}, or give it a larger share{waits}");
    Some(finding(step.path.clone(), message, help))
}

fn finding(path: String, message: String, help: String) -> Finding {
    let help = Some(help);
    Finding { lint: Lint::DecorativeGate, path, message, help, replacement: None }
}

/// A regression in words.
struct Regression {
    metric: Metric,
    ratio: Ratio,
}

impl fmt::Display for Regression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratio = self.ratio;
        match self.metric {
            Metric::Errors => write!(f, "{ratio} times the errors"),
            Metric::SlowTail => write!(f, "{ratio} times the requests beyond the baseline's p95"),
            Metric::SlowestTail => {
                write!(f, "{ratio} times the requests beyond the baseline's p99")
            }
            Metric::Kpi => {
                let less = 1000_u32.saturating_sub(ratio.thousandths());
                let (whole, tenth) = (less.checked_div(10), less.checked_rem(10));
                let (whole, tenth) = (whole.unwrap_or(0), tenth.unwrap_or(0));
                match tenth {
                    0 => write!(f, "{whole} % fewer KPI events"),
                    tenth => write!(f, "{whole}.{tenth} % fewer KPI events"),
                }
            }
        }
    }
}

/// A ratio rounded away from one: to tenths, for KPI events to percent. Single runs vary by more.
fn rounded(metric: Metric, ratio: Ratio) -> Ratio {
    let thousandths = ratio.thousandths();
    let rounded = match metric {
        Metric::Kpi => thousandths.checked_div(10).unwrap_or(0).saturating_mul(10),
        _ => thousandths.div_ceil(100).saturating_mul(100),
    };
    Ratio::from_thousandths(rounded).unwrap_or(ratio)
}

/// A number with thousands separators: `12,345`.
struct Grouped(u64);

impl fmt::Display for Grouped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (more, rest) = (self.0.checked_div(1000), self.0.checked_rem(1000));
        match (more.unwrap_or(0), rest.unwrap_or(0)) {
            (0, rest) => write!(f, "{rest}"),
            (more, rest) => write!(f, "{},{rest:03}", Grouped(more)),
        }
    }
}

/// A duration as specs write it: `1h30m`.
struct Minutes(u64);

impl fmt::Display for Minutes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = self.0;
        let (days, rest) = (all.checked_div(1440).unwrap_or(0), all.checked_rem(1440).unwrap_or(0));
        let (hours, minutes) =
            (rest.checked_div(60).unwrap_or(0), rest.checked_rem(60).unwrap_or(0));
        // Beside days, minutes are left out.
        match (days, hours, minutes) {
            (0, 0, minutes) => write!(f, "{minutes}m"),
            (0, hours, 0) => write!(f, "{hours}h"),
            (0, hours, minutes) => write!(f, "{hours}h{minutes}m"),
            (days, 0, _) => write!(f, "{days}d"),
            (days, hours, _) => write!(f, "{days}d{hours}h"),
        }
    }
}
