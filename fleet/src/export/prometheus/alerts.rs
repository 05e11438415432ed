//! Alerts: on the evidence, on aborts, and on hosts that run another spec.

use super::recording::{
    BASELINE_ERRORS, BASELINE_REQUESTS, CANARY_ERRORS, CANARY_REQUESTS, record, recorded,
};
use crate::export::evidence::{
    ABORTED, COMPARED, CROSSED, DECIDED, DIVERGED, DROPPED, LEVEL, REQUESTS, REVISION, Trial,
    decimal, number,
};
use crate::export::source::Source;
use serde_json::{Value, json};

/// The time that a change may take to reach all hosts.
const PROPAGATION: &str = "15m";
/// The time over which requests are compared with their outcomes.
const WINDOW: &str = "10m";

pub(super) fn rollout(trial: &Trial<'_>) -> Vec<Value> {
    let mut rules = vec![crossed(trial), worse(trial), blind(trial), aborted(trial), split(trial)];
    rules.extend(trial.max_divergence.map(|max| diverging(trial, max)));
    rules
}

/// The condition of the gate for the sums of all hosts, with its guards.
fn crossed(trial: &Trial<'_>) -> Value {
    let settings = trial.settings;
    let [canary, failed] = [CANARY_REQUESTS, CANARY_ERRORS].map(|name| recorded(name, trial));
    let [baseline, baseline_failed] =
        [BASELINE_REQUESTS, BASELINE_ERRORS].map(|name| recorded(name, trial));
    let mut expr = format!(
        "max by (serin_rollout, serin_epoch, serin_step) ({level}) >= {threshold}\n\
         and {canary} >= {samples}",
        level = recorded(LEVEL, trial),
        threshold = trial.threshold,
        samples = settings.min_samples,
    );
    if settings.min_difference > 0 {
        let min = decimal(settings.min_difference.into(), 5);
        expr.push_str(&format!(
            "\nand {failed} / {canary} - {baseline_failed} / {baseline} >= {min}"
        ));
    }
    if settings.min_ratio.thousandths() > 1000 {
        let min = number(settings.min_ratio.thousandths());
        expr.push_str(&format!(
            "\nand {failed} * {baseline} >= {min} * {baseline_failed} * {canary}"
        ));
    }
    record(CROSSED, &expr)
}

/// The alert on the evidence. The test stays valid however often it is evaluated, so the alert needs no `for`.
fn worse(trial: &Trial<'_>) -> Value {
    // Requests of one user fail together, so counting them overstates the evidence. The hosts count buckets then, and
    // this alert only warns.
    let (severity, how) = if trial.counts_requests() {
        (
            "critical",
            "A healthy canary seldom comes to this (alpha): take its share to 0, unless the hosts have aborted it by themselves.",
        )
    } else {
        ("warning", "Have a look: this counts requests, and the spec's gate counts users' buckets.")
    };
    alert(
        "SerinCanaryWorse",
        &recorded(CROSSED, trial),
        None,
        severity,
        &format!(
            "{} of rollout {} fails more often than {}",
            trial.canary, trial.rollout, trial.baseline
        ),
        &format!(
            "In step {{{{ $labels.serin_step }}}} of epoch {{{{ $labels.serin_epoch }}}} the evidence is {{{{ $value | humanize }}}} of {} nats. {how}",
            trial.threshold
        ),
    )
}

/// The alert on a gate that judges nothing: the canary gets requests, but their outcomes are not counted, or are
/// counted and dropped because their stage is not in force.
fn blind(trial: &Trial<'_>) -> Value {
    /// As many requests as an evaluation of the gate needs.
    const REQUESTS_NEEDED: u32 = 100;
    let labels = format!("serin_rollout=\"{}\"", trial.rollout);
    let increase = |metric: &str, more: &str| {
        format!("sum by (serin_rollout) (increase({metric}{{{labels}{more}}}[{WINDOW}]))")
    };
    let canary = increase(DECIDED, &format!(",serin_arm=\"{}\"", trial.canary));
    let counted = increase(REQUESTS, "");
    let dropped = increase(DROPPED, ",serin_reason=\"stage\"");
    let mut expr = format!(
        "{canary} >= {REQUESTS_NEEDED}\n\
         unless {counted} - ({dropped} or 0 * {counted}) > 0.01 * {canary}"
    );
    // Before the first step, requests of rings alone are on the canary, and no counter of outcomes exists.
    if trial.has_rings {
        expr.push_str(&format!("\nand sum by (serin_rollout) ({}) >= 0", of(REQUESTS, trial)));
    }
    alert(
        "SerinGateBlind",
        &expr,
        Some("5m"),
        "critical",
        &format!("The gate of rollout {} gets no evidence", trial.rollout),
        &format!(
            "Arm {} got {{{{ $value | humanize }}}} requests in {WINDOW}, and no outcome of the rollout is evidence: a \
             failing canary would stay. Look at serin_gate_dropped and at the hosts' logs.",
            trial.canary
        ),
    )
}

fn aborted(trial: &Trial<'_>) -> Value {
    alert(
        "SerinRolloutAborted",
        &format!("max by (serin_rollout) ({}) == 1", of(ABORTED, trial)),
        None,
        "critical",
        &format!("Rollout {} is aborted", trial.rollout),
        "Everybody gets the baseline until a higher epoch is in the spec. `serin drift` says where and why.",
    )
}

/// The alert on an abort that has not reached all hosts.
fn split(trial: &Trial<'_>) -> Value {
    let latch = of(ABORTED, trial);
    alert(
        "SerinAbortNotEverywhere",
        &format!(
            "max by (serin_rollout) ({latch}) == 1\nand min by (serin_rollout) ({latch}) == 0"
        ),
        Some(PROPAGATION),
        "warning",
        &format!("Some hosts have aborted rollout {}, others have not", trial.rollout),
        "Raise the epoch, or take the canary out of the spec for all of them.",
    )
}

fn diverging(trial: &Trial<'_>, max: u32) -> Value {
    let [compared, diverged] =
        [COMPARED, DIVERGED].map(|name| format!("sum by (serin_rollout) ({})", of(name, trial)));
    alert(
        "SerinShadowDiverges",
        &format!(
            "{diverged} / {compared} > {}\nand {compared} >= {}",
            decimal(max.into(), 5),
            trial.settings.min_samples
        ),
        None,
        "warning",
        &format!("The shadow of rollout {} answers differently", trial.rollout),
        "{{ $value | humanizePercentage }} of the compared answers differ.",
    )
}

/// The alert on hosts that run an older spec.
pub(super) fn hosts(source: &Source<'_>) -> Vec<Value> {
    let revision = source.plan.revision();
    vec![alert(
        "SerinRevisionBehind",
        &format!("{REVISION} < {revision}"),
        Some(PROPAGATION),
        "warning",
        "{{ $labels.instance }} runs an old spec",
        &format!(
            "It runs revision {{{{ $value }}}}, and {revision} is out ({}). `serin drift` compares them.",
            source.plan.digest()
        ),
    )]
}

fn of(metric: &str, trial: &Trial<'_>) -> String {
    format!("{metric}{{serin_rollout=\"{}\"}}", trial.rollout)
}

fn alert(
    name: &str,
    expr: &str,
    duration: Option<&str>,
    severity: &str,
    summary: &str,
    description: &str,
) -> Value {
    let mut rule = json!({
        "alert": name,
        "expr": expr,
        "labels": {"severity": severity},
        "annotations": {"summary": summary, "description": description},
    });
    if let Some(duration) = duration {
        rule["for"] = duration.into();
    }
    rule
}
