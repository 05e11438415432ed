//! `serin check --rps`: the forecasts of what the gates can detect at an expected traffic.

use super::args::CheckArgs;
use super::lints;
use crate::diagnostics::report::Report;
use crate::number_format::{duration, grouped, large, percent};
use crate::style::{self, Tone};
use serde_json::{Value, json};
use serin_analysis::lint::decorative;
use serin_analysis::planner::{
    Detection, GateForecast, Metric, Obstacle, RolloutForecast, StepForecast, Traffic, forecast,
};
use serin_core::gate::Ratio;

/// Adds the forecasts for a spec without errors, with a warning for each gate that detects too little.
pub(super) fn add(report: &mut Report, args: &CheckArgs) {
    let Some((spec, plan)) = &report.good else { return };
    let found = forecast(spec, plan, |rollout| args.traffic(rollout));
    let warnings = decorative(&found).into_iter();
    let warnings: Vec<_> = warnings
        .map(|finding| lints::diagnostic(finding, report))
        .filter(|diagnostic| !args.allow.contains(&diagnostic.id))
        .collect();
    report.forecasts = found;
    report.add(warnings);
}

/// The forecasts as text; empty without expected traffic.
pub(super) fn rendered(found: &[RolloutForecast]) -> String {
    let mut text: String = found.iter().map(rollout).collect();
    if !found.is_empty() {
        text.push_str(
            "The numbers of requests are means: 19 of 20 runs need less than 2.3 times as many. By default \
             only\na bucket's first error, slow request or KPI event counts in a step: if few users cause most \
             of them,\nmore requests are needed.\n\n",
        );
    }
    text
}

#[allow(clippy::cast_precision_loss)]
fn rollout(found: &RolloutForecast) -> String {
    let traffic = found.traffic;
    let mut text = format!(
        "{} at {} requests a second, {} of the baseline's requests fail\n\n",
        style::out(Tone::Strong, &found.path),
        large(traffic.per_minute as f64 / 60.0),
        percent(f64::from(traffic.errors.ppm()) / 1e6),
    );
    if let Some(obstacle) = found.obstacle {
        text.push_str(&format!("  {}\n\n", style::out(Tone::Bad, &warning(obstacle, traffic))));
    }
    text.push_str(&table(found));
    text.push_str("\n  A regression that exists from the first step on:\n");
    for detection in &found.detections {
        let regression = regression(detection.metric, detection.ratio);
        text.push_str(&format!("    {regression:<14}  {}\n", detection_text(detection, found)));
    }
    if let Some(requests) = found.slight_drop {
        let ms = u128::from(requests) * 60_000 / u128::from(traffic.per_minute);
        let longest = found.steps.iter().filter_map(|step| step.hold_ms).max().unwrap_or(0);
        let hidden = if ms > longest.into() { ": every hold is too short" } else { "" };
        text.push_str(&format!(
            "    {:<14}  needs {} requests of both arms, {}{hidden}\n",
            "KPI -0.3 %",
            large(requests as f64),
            duration(u64::try_from(ms).unwrap_or(u64::MAX)),
        ));
    }
    text.push('\n');
    text
}

/// The warning about an obstacle: the figures below it assume that steps end.
fn warning(obstacle: Obstacle, traffic: Traffic) -> String {
    let why = match obstacle {
        Obstacle::TooLittleTraffic { wanted } => format!(
            "a step needs {} requests a minute to end and gets {}",
            grouped(wanted),
            grouped(traffic.per_minute)
        ),
        Obstacle::BaselineUnwell { allowed } => {
            format!("more of the baseline's requests fail than {allowed}")
        }
        Obstacle::NobodyToCompareWith => {
            return "These gates judge nothing: everybody has the canary from the start."
                .to_owned();
        }
    };
    format!("No step ends, and the gates can only abort: {why}. Without that obstacle:")
}

/// Of each step: the regression, the canary requests that its detection needs and that the step has, the
/// smallest regression that the step detects, and the time and exposure until the detection.
const HEAD: [&str; 6] =
    ["STEP", "REGRESSION", "NEEDS", "HAS", "DETECTS", "DETECTED AFTER, EXPOSING"];

fn table(found: &RolloutForecast) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    for step in &found.steps {
        let mut name = step_name(step);
        let mut expected = step.expected.map_or("no end".to_owned(), grouped);
        if step.gates.is_empty() {
            let nobody = if step.share.millipercent() == 0 { "no canary" } else { "no baseline" };
            rows.push([name, nobody.into(), "-".into(), expected, "-".into(), "-".into()]);
            continue;
        }
        for gate in &step.gates {
            let mut smallest = smallest(step, gate);
            for (ratio, needed) in &gate.needed {
                rows.push([
                    std::mem::take(&mut name),
                    regression(gate.metric, *ratio),
                    needed.map_or("-".to_owned(), grouped),
                    std::mem::take(&mut expected),
                    std::mem::take(&mut smallest),
                    exposed(found, step, gate, *ratio),
                ]);
            }
        }
        if let Some(requests) = step.promotable {
            let empty = String::new;
            let what = "promotable".to_owned();
            let after = format!("after {}, if healthy", duration(time(found, step, requests)));
            rows.push([empty(), what, grouped(requests), empty(), empty(), after]);
        }
    }
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: [usize; 6] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).enumerate().map(|(at, (cell, width))| match at {
            2 | 3 => format!("{cell:>width$}"),
            _ => format!("{cell:<width$}"),
        });
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(&format!("  {}\n", line.trim_end()));
    }
    text
}

fn step_name(step: &StepForecast) -> String {
    let share = step.share;
    match (step.hold_ms, step.promotable) {
        (Some(hold), Some(_)) => format!("{share} for {} and the gate", duration(hold)),
        (Some(hold), None) => format!("{share} for {}", duration(hold)),
        (None, _) => share.to_string(),
    }
}

/// The smallest regression that a step detects.
fn smallest(step: &StepForecast, gate: &GateForecast) -> String {
    match (step.expected, gate.smallest) {
        (None, _) => String::new(),
        (Some(_), None) => "nothing".to_owned(),
        (Some(_), Some(ratio)) => format!("from {}", amount(gate.metric, ratio)),
    }
}

fn exposed(
    found: &RolloutForecast,
    step: &StepForecast,
    gate: &GateForecast,
    ratio: Ratio,
) -> String {
    let Some(needed) = gate.needed(ratio) else { return "tolerated".to_owned() };
    if !gate.sees(ratio) {
        return style::out(Tone::Bad, "not in this step");
    }
    let after = duration(time(found, step, needed));
    format!("{after}: {} of users, {} requests", step.share, grouped(needed))
}

/// The time until a step has had this many canary requests, in ms.
fn time(found: &RolloutForecast, step: &StepForecast, requests: u64) -> u64 {
    let wanted = u128::from(requests) * 60_000 * 100_000;
    let pace = u128::from(found.traffic.per_minute) * u128::from(step.share.millipercent());
    u64::try_from(wanted / pace.max(1)).unwrap_or(u64::MAX)
}

fn detection_text(detection: &Detection, found: &RolloutForecast) -> String {
    let Some(step) = detection.seen_in else {
        return style::out(Tone::Bad, "is not detected: everybody gets it");
    };
    let share = found.steps.get(step).map_or(detection.share, |step| step.share);
    let all = u128::from(found.traffic.per_minute) * u128::from(detection.after_ms) / 60_000;
    let all = u64::try_from(all).unwrap_or(u64::MAX);
    format!(
        "is detected at {share}, after {}: {} of users, {} of {} requests",
        duration(detection.after_ms),
        detection.share,
        grouped(detection.requests),
        grouped(all.max(detection.requests)),
    )
}

/// The name of a regression: `errors × 2`, `beyond p95 × 2`, `KPI -10 %`.
fn regression(metric: Metric, ratio: Ratio) -> String {
    let name = match metric {
        Metric::Errors => "errors",
        Metric::SlowTail => "beyond p95",
        Metric::SlowestTail => "beyond p99",
        Metric::Kpi => "KPI",
    };
    format!("{name} {}", amount(metric, ratio))
}

fn amount(metric: Metric, ratio: Ratio) -> String {
    let thousandths = f64::from(ratio.thousandths());
    match metric {
        Metric::Kpi => format!("-{}", percent(1.0 - thousandths / 1e3)),
        _ if thousandths < 1010.0 => format!("× {}", thousandths / 1e3),
        _ if thousandths >= 10_000.0 => format!("× {:.0}", thousandths / 1e3),
        _ => format!("× {}", (thousandths / 10.0).round() / 100.0),
    }
}

/// A forecast as JSON.
pub(super) fn value(found: &RolloutForecast) -> Value {
    let traffic = found.traffic;
    json!({
        "path": found.path,
        "requestsPerMinute": traffic.per_minute,
        "errorPercent": f64::from(traffic.errors.ppm()) / 1e4,
        "kpiPercent": f64::from(traffic.kpi.ppm()) / 1e4,
        "endsNoStep": found.obstacle.is_some_and(Obstacle::holds_steps),
        "steps": found.steps.iter().map(step_value).collect::<Vec<_>>(),
        "fromTheStart": found.detections.iter().map(detection_value).collect::<Vec<_>>(),
        "requestsForKpiDropOf0.3Percent": found.slight_drop,
    })
}

fn step_value(step: &StepForecast) -> Value {
    let gate = |gate: &GateForecast| {
        let regressions = gate.needed.iter().map(|(ratio, needed)| {
            json!({
                "times": times(*ratio),
                "canaryRequests": needed,
                "seen": gate.sees(*ratio),
            })
        });
        json!({
            "evidence": evidence_name(gate.metric),
            "smallestTimes": gate.smallest.map(times),
            "regressions": regressions.collect::<Vec<_>>(),
        })
    };
    json!({
        "path": step.path,
        "sharePercent": f64::from(step.share.millipercent()) / 1e3,
        "holdMs": step.hold_ms,
        "canaryRequests": step.expected,
        "canaryRequestsUntilPromotable": step.promotable,
        "gates": step.gates.iter().map(gate).collect::<Vec<_>>(),
    })
}

fn detection_value(detection: &Detection) -> Value {
    json!({
        "evidence": evidence_name(detection.metric),
        "times": times(detection.ratio),
        "seenInStep": detection.seen_in,
        "afterMs": detection.after_ms,
        "canaryRequests": detection.requests,
        "usersPercent": f64::from(detection.share.millipercent()) / 1e3,
    })
}

fn times(ratio: Ratio) -> f64 {
    f64::from(ratio.thousandths()) / 1e3
}

fn evidence_name(metric: Metric) -> &'static str {
    match metric {
        Metric::Errors => "errors",
        Metric::SlowTail => "p95",
        Metric::SlowestTail => "p99",
        Metric::Kpi => "kpi",
    }
}
