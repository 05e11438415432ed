//! The text report of a drill.

use super::fault::Fault;
use super::summary::{Composition, Drill, Summary};
use crate::number_format::{counted, duration, grouped, large, percent};
use crate::style::{self, Tone};
use serin_core::Share;

/// The report.
pub(super) fn rendered(drill: &Drill<'_>) -> String {
    let text = head(drill);
    let notes: String = notes(drill).iter().map(|note| format!("  note: {note}\n")).collect();
    let parts = [table(drill), outcomes(drill), healthy(drill), composition(drill) + &notes];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    text + &parts.join("\n")
}

fn head(drill: &Drill<'_>) -> String {
    let (args, subject) = (drill.args, drill.subject);
    let name = style::out(Tone::Strong, &format!("rollouts.{}", subject.rollout));
    format!("{name}, {}: {}, seed {}\n\n", subject.mode_and_arm(), traffic(drill), args.seed)
}

/// The traffic: rate, users and the baseline's error rate.
pub(super) fn traffic(drill: &Drill<'_>) -> String {
    let args = drill.args;
    let requests = if args.rps == 1.0 { "request" } else { "requests" };
    let users = if args.users == 1 { "user" } else { "users" };
    format!(
        "{} {requests} a second from {} {users}, {} of the baseline's requests fail",
        large(args.rps),
        grouped(args.users as u64),
        percent(f64::from(args.error_rate.ppm()) / 1e6),
    )
}

const HEAD: [&str; 7] =
    ["FAULT", "ABORTED", "MTTD", "MTTR", "USERS EXPOSED", "REQUESTS EXPOSED", "FINAL SHARE"];

fn table(drill: &Drill<'_>) -> String {
    let mut rows = vec![HEAD.map(str::to_owned)];
    rows.extend(drill.summaries().iter().map(row));
    let width = |at: usize| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0);
    let widths: [usize; 7] = std::array::from_fn(width);
    let mut text = String::new();
    for row in &rows {
        let cells = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}"));
        let line = cells.collect::<Vec<_>>().join("  ");
        text.push_str(&format!("  {}\n", line.trim_end()));
    }
    text
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn row(summary: &Summary<'_>) -> [String; 7] {
    let time = |ms: Option<f64>| ms.map_or("-".to_owned(), |ms| duration(ms as u64));
    let healthy = summary.fault.is_healthy();
    let users = summary.exposed_users().filter(|_| !healthy);
    let requests = summary.exposed_part().zip(summary.exposed_requests()).filter(|_| !healthy);
    [
        summary.fault.label.clone(),
        abort_count(summary),
        time(summary.mttd_ms()),
        time(summary.mttr_ms()),
        users.map_or("-".to_owned(), percent),
        requests
            .map_or("-".to_owned(), |(part, count)| format!("{}, {}", percent(part), large(count))),
        final_share(summary),
    ]
}

/// The number of aborted runs: `yes` or `no` for a single run, else `3 of 5`.
pub(super) fn abort_count(summary: &Summary<'_>) -> String {
    match (summary.aborted(), summary.timelines.len()) {
        (0, 1) => "no".to_owned(),
        (1, 1) => "yes".to_owned(),
        (aborted, all) => format!("{aborted} of {all}"),
    }
}

/// The share at the end of the runs.
pub(super) fn final_share(summary: &Summary<'_>) -> String {
    let all = summary.timelines.len();
    let max = summary.max_share();
    match (summary.promoted(), summary.aborted()) {
        (promoted, _) if promoted == all && max == Share::ALL => "100 %".to_owned(),
        (_, aborted) if aborted == all => format!("0 %, was {max}"),
        (0, 0) => format!("{max}"),
        (promoted, _) => format!("100 % in {promoted} of {all}"),
    }
}

/// Why the gates aborted, or that they did not.
fn outcomes(drill: &Drill<'_>) -> String {
    let mut text = String::new();
    for summary in drill.summaries() {
        let abort = summary.typical().and_then(|timeline| timeline.aborted());
        let label = &summary.fault.label;
        match abort {
            Some(abort) => {
                let at = duration(abort.at_ms);
                text.push_str(&format!("  {label}: aborted after {at} by {}\n", abort.reason));
            }
            None if drill.subject.has_gates() && !summary.fault.is_healthy() => {
                let missed = style::out(Tone::Bad, "not detected");
                text.push_str(&format!("  {label}: {missed}{}\n", why_missed(drill, &summary)));
            }
            None => {}
        }
    }
    if !drill.subject.has_gates() {
        let none = format!("rollouts.{} has no gates, so nothing aborts it", drill.subject.rollout);
        text.push_str(&format!("  {}\n", style::out(Tone::Bad, &none)));
    }
    text
}

/// How long the run was, and why the gates may have missed the fault.
fn why_missed(drill: &Drill<'_>, summary: &Summary<'_>) -> String {
    let Some(timeline) = summary.typical() else { return String::new() };
    let after = duration(timeline.end_ms);
    if timeline.onset_ms >= timeline.end_ms {
        return format!(" in {after}: the fault had not begun");
    }
    if let Some(pause) = timeline.pauses.first() {
        return format!(" in {after}, but a gate paused the rollout: {pause}");
    }
    match timeline
        .step_records
        .last()
        .filter(|step_record| step_record.is_held_by_gate(drill.subject, timeline.end_ms))
    {
        Some(step_record) => {
            format!(" in {after}, but the gate held the rollout at {}", step_record.share)
        }
        None => format!(" in {after}"),
    }
}

/// The false aborts, and the course of the healthy run.
fn healthy(drill: &Drill<'_>) -> String {
    let (aborted, possible) = drill.false_aborts();
    if possible == 0 || !drill.subject.has_gates() {
        return String::new();
    }
    let tone = if aborted == 0 { Tone::Good } else { Tone::Bad };
    let count = style::out(tone, &format!("{aborted} of {possible}"));
    let mut text = format!("  false aborts: {count} runs without a fault, or before its onset\n");
    if let Some(timeline) = drill.healthy() {
        let step_records = timeline.step_records.iter().map(|step_record| {
            format!("{} after {}", step_record.share, duration(step_record.from_ms / 1000 * 1000))
        });
        text.push_str(&format!(
            "  the healthy run: {}\n",
            step_records.collect::<Vec<_>>().join(", ")
        ));
        if let Some(pause) = timeline.pauses.first() {
            let times = timeline.pauses.len();
            text.push_str(&format!(
                "  a gate paused it {}, first because of {pause}\n",
                counted(times, "time")
            ));
        }
    }
    text
}

/// The users of both arms in each step of the healthy run.
fn composition(drill: &Drill<'_>) -> String {
    let Some(timeline) = drill.healthy() else { return String::new() };
    let mut text = String::new();
    for step_record in &timeline.step_records {
        let Some(composition) = Composition::of(step_record) else { continue };
        let pair = |[new, baseline]: [f64; 2]| format!("{} ({})", percent(new), percent(baseline));
        let groups = drill.subject.groups.iter().zip(&composition.groups);
        let judged = groups.filter(|(group, _)| group.judged);
        let groups = judged.map(|(group, parts)| format!("{} {}", group.name, pair(*parts)));
        let mut cells = vec![format!("{} users", grouped(composition.users[0]))];
        cells.extend(groups);
        cells.push(format!("{} of requests by the busiest 1 %", pair(composition.busiest)));
        text.push_str(&format!("    {:>7}  {}\n", step_record.share.to_string(), cells.join(", ")));
    }
    if text.is_empty() {
        return text;
    }
    format!("  users of the new version in the healthy run (of the baseline in brackets):\n{text}")
}

/// The limits of the figures.
pub(super) fn notes(drill: &Drill<'_>) -> Vec<String> {
    let empty = drill.subject.empty.iter();
    let mut notes: Vec<String> = empty.map(|(name, why)| why.message(name)).collect();
    notes.extend(drill.faults.iter().flat_map(|fault| without_effect(drill, fault)));
    let timelines = || drill.timelines.iter().flatten();
    let cut = timelines().filter(|timeline| timeline.was_cut(drill.subject)).count();
    if cut > 0 {
        notes.push(format!(
            "{} ended before the rollout: --for DURATION sets a longer limit",
            counted(cut, "run")
        ));
    }
    let strays: u64 = timelines().map(|timeline| timeline.strays).sum();
    if strays > 0 {
        notes.push(format!("{} requests matched another rollout, or none", grouped(strays)));
    }
    let unanswered: u64 = timelines().map(|timeline| timeline.unanswered).sum();
    if unanswered > 0 {
        notes.push(format!("{} requests were stopped by the filter", grouped(unanswered)));
    }
    notes
}

/// The parts of a fault that have no effect in this rollout.
fn without_effect(drill: &Drill<'_>, fault: &Fault) -> Vec<String> {
    let (label, subject) = (&fault.label, drill.subject);
    let shadow = subject.plan.rollout(subject.id).is_some_and(|rollout| rollout.shadow().is_some());
    let mut notes = Vec::new();
    if fault.kpi < 1.0 && subject.kpi.is_none() {
        notes.push(format!(
            "{label}: the rollout has no gates.kpi, so missing KPI events have no effect"
        ));
    }
    if fault.shadow && !shadow {
        notes.push(format!("{label}: the rollout has no shadow, so a differing one has no effect"));
    }
    notes
}
