//! What follows: on the evidence, on aborts, and on hosts that run something else.

use super::recording::{
    BASELINE_ERRORS, BASELINE_REQUESTS, CANARY_ERRORS, CANARY_REQUESTS, record, recorded,
};
use crate::export::Source;
use crate::export::evidence::{
    ABORTED, COMPARED, CROSSED, DIVERGED, LEVEL, REVISION, Trial, decimal, number,
};
use serde_json::{Value, json};

/// How long hosts may differ while a change is on its way.
const SETTLE: &str = "15m";

pub(super) fn rollout(trial: &Trial<'_>) -> Vec<Value> {
    let mut rules = vec![crossed(trial), worse(trial), aborted(trial), split(trial)];
    rules.extend(trial.max_divergence.map(|most| diverging(trial, most)));
    rules
}

/// The gate's own condition on the sums of all hosts, its guards included.
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
        let least = decimal(settings.min_difference.into(), 5);
        expr.push_str(&format!(
            "\nand {failed} / {canary} - {baseline_failed} / {baseline} >= {least}"
        ));
    }
    if settings.min_ratio.thousandths() > 1000 {
        let least = number(settings.min_ratio.thousandths());
        expr.push_str(&format!(
            "\nand {failed} * {baseline} >= {least} * {baseline_failed} * {canary}"
        ));
    }
    record(CROSSED, &expr)
}

/// The test may be looked at as often as one likes, so nothing has to hold `for` a while.
fn worse(trial: &Trial<'_>) -> Value {
    // Users whose requests fail together are too much evidence when requests are counted; the hosts
    // count buckets then, and this is a reason to look.
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

/// An abort is local until the state reaches the other hosts.
fn split(trial: &Trial<'_>) -> Value {
    let latch = of(ABORTED, trial);
    alert(
        "SerinAbortNotEverywhere",
        &format!(
            "max by (serin_rollout) ({latch}) == 1\nand min by (serin_rollout) ({latch}) == 0"
        ),
        Some(SETTLE),
        "warning",
        &format!("Some hosts have aborted rollout {}, others have not", trial.rollout),
        "Raise the epoch, or take the canary out of the spec for all of them.",
    )
}

fn diverging(trial: &Trial<'_>, most: u32) -> Value {
    let [compared, diverged] =
        [COMPARED, DIVERGED].map(|name| format!("sum by (serin_rollout) ({})", of(name, trial)));
    alert(
        "SerinShadowDiverges",
        &format!(
            "{diverged} / {compared} > {}\nand {compared} >= {}",
            decimal(most.into(), 5),
            trial.settings.min_samples
        ),
        None,
        "warning",
        &format!("The shadow of rollout {} answers differently", trial.rollout),
        "{{ $value | humanizePercentage }} of the compared answers differ.",
    )
}

/// Hosts that run another spec than this one.
pub(super) fn hosts(source: &Source<'_>) -> Vec<Value> {
    let revision = source.plan.revision();
    vec![alert(
        "SerinRevisionBehind",
        &format!("{REVISION} < {revision}"),
        Some(SETTLE),
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
    lasting: Option<&str>,
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
    if let Some(lasting) = lasting {
        rule["for"] = lasting.into();
    }
    rule
}
