//! A drill for people, on a terminal.

use super::fault::Fault;
use super::summary::{Drill, Likeness, Summary};
use crate::number_format::{counted, duration, grouped, large, percent};
use crate::style::{self, Tone};
use serin_core::Share;

/// All of it.
pub(super) fn rendered(drill: &Drill<'_>) -> String {
    let text = head(drill);
    let notes: String = notes(drill).iter().map(|note| format!("  note: {note}\n")).collect();
    // What has nothing to say leaves no gap.
    let parts = [table(drill), reasons(drill), healthy(drill), likeness(drill) + &notes];
    let parts: Vec<String> = parts.into_iter().filter(|part| !part.is_empty()).collect();
    text + &parts.join("\n")
}

fn head(drill: &Drill<'_>) -> String {
    let (args, subject) = (drill.args, drill.subject);
    let name = style::out(Tone::Strong, &format!("rollouts.{}", subject.rollout));
    format!("{name}, {}: {}, seed {}\n\n", subject.way(), traffic(drill), args.seed)
}

/// Who asks how often, and how many of them in vain.
pub(super) fn traffic(drill: &Drill<'_>) -> String {
    let args = drill.args;
    let requests = if args.rps == 1.0 { "request" } else { "requests" };
    let users = if args.users == 1 { "user" } else { "users" };
    format!(
        "{} {requests} a second of {} {users}, {} of the baseline's failing",
        large(args.rps),
        grouped(args.users as u64),
        percent(f64::from(args.error_rate.ppm()) / 1e6),
    )
}

const HEAD: [&str; 7] =
    ["FAULT", "ABORTED", "MTTD", "MTTR", "USERS EXPOSED", "REQUESTS EXPOSED", "SHARE IN THE END"];

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
    let users = summary.users().filter(|_| !healthy);
    let requests = summary.requests().zip(summary.exposed()).filter(|_| !healthy);
    [
        summary.fault.label.clone(),
        aborted(summary),
        time(summary.mttd_ms()),
        time(summary.mttr_ms()),
        users.map_or("-".to_owned(), percent),
        requests
            .map_or("-".to_owned(), |(part, count)| format!("{}, {}", percent(part), large(count))),
        end(summary),
    ]
}

/// `yes`, `no`, `3 of 5`.
pub(super) fn aborted(summary: &Summary<'_>) -> String {
    match (summary.aborted(), summary.timelines.len()) {
        (0, 1) => "no".to_owned(),
        (1, 1) => "yes".to_owned(),
        (aborted, all) => format!("{aborted} of {all}"),
    }
}

/// Where the share was when it was over.
pub(super) fn end(summary: &Summary<'_>) -> String {
    let all = summary.timelines.len();
    let reached = summary.reached();
    match (summary.promoted(), summary.aborted()) {
        (promoted, _) if promoted == all && reached == Share::ALL => "100 %".to_owned(),
        (_, aborted) if aborted == all => format!("0 %, was {reached}"),
        (0, 0) => format!("{reached}"),
        (promoted, _) => format!("100 % in {promoted} of {all}"),
    }
}

/// Why gates aborted.
fn reasons(drill: &Drill<'_>) -> String {
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
                let why = unseen(drill, &summary);
                text.push_str(&format!("  {label}: {}{why}\n", style::out(Tone::Bad, "not seen")));
            }
            None => {}
        }
    }
    if !drill.subject.has_gates() {
        let none =
            format!("rollouts.{} has no gates: nothing here aborts it.", drill.subject.rollout);
        text.push_str(&format!("  {}\n", style::out(Tone::Bad, &none)));
    }
    text
}

/// What may be the reason that nothing was seen.
fn unseen(drill: &Drill<'_>, summary: &Summary<'_>) -> String {
    let Some(timeline) = summary.typical() else { return String::new() };
    let after = duration(timeline.end_ms);
    if timeline.onset_ms >= timeline.end_ms {
        return format!(" in {after}: it had not begun");
    }
    if let Some(pause) = timeline.pauses.first() {
        return format!(" in {after}, a gate held the step: {pause}");
    }
    match timeline
        .step_records
        .last()
        .filter(|step_record| step_record.is_kept(drill.subject, timeline.end_ms))
    {
        Some(step_record) => {
            format!(" in {after}, but not let through: the gate kept it at {}", step_record.share)
        }
        None => format!(" in {after}"),
    }
}

fn healthy(drill: &Drill<'_>) -> String {
    let (wrong, possible) = drill.false_aborts();
    if possible == 0 || !drill.subject.has_gates() {
        return String::new();
    }
    let tone = if wrong == 0 { Tone::Good } else { Tone::Bad };
    let said = style::out(tone, &format!("{wrong} of {possible}"));
    let mut text = format!("  false aborts: {said} runs that were healthy, or not struck yet\n");
    if let Some(timeline) = drill.healthy() {
        let step_records = timeline.step_records.iter().map(|step_record| {
            format!("{} after {}", step_record.share, duration(step_record.from_ms / 1000 * 1000))
        });
        text.push_str(&format!(
            "  the healthy rollout: {}\n",
            step_records.collect::<Vec<_>>().join(", ")
        ));
        if let Some(pause) = timeline.pauses.first() {
            let times = timeline.pauses.len();
            text.push_str(&format!(
                "  held {}, first because of {pause}\n",
                counted(times, "time")
            ));
        }
    }
    text
}

/// Whether the canary's users are like the baseline's.
fn likeness(drill: &Drill<'_>) -> String {
    let Some(timeline) = drill.healthy() else { return String::new() };
    let mut text = String::new();
    for step_record in &timeline.step_records {
        let Some(like) = Likeness::of(step_record) else { continue };
        let pair = |[new, baseline]: [f64; 2]| format!("{} ({})", percent(new), percent(baseline));
        let groups = drill.subject.groups.iter().zip(&like.groups);
        let judged = groups.filter(|(group, _)| group.judged);
        let groups = judged.map(|(group, parts)| format!("{} {}", group.name, pair(*parts)));
        let mut cells = vec![format!("{} users", grouped(like.users[0]))];
        cells.extend(groups);
        cells.push(format!("busiest users' requests {}", pair(like.busiest)));
        text.push_str(&format!("    {:>7}  {}\n", step_record.share.to_string(), cells.join(", ")));
    }
    if text.is_empty() {
        return text;
    }
    format!("  who had the new version in the healthy run (and who the baseline):\n{text}")
}

/// What to know about the figures.
pub(super) fn notes(drill: &Drill<'_>) -> Vec<String> {
    let mut notes = drill.subject.notes.clone();
    notes.extend(drill.faults.iter().flat_map(|fault| idle(drill, fault)));
    let timelines = || drill.timelines.iter().flatten();
    let cut = timelines().filter(|timeline| timeline.was_cut(drill.subject)).count();
    if cut > 0 {
        notes.push(format!(
            "{} ended before the rollout did; --for SPAN lets them last",
            counted(cut, "run")
        ));
    }
    let strays: u64 = timelines().map(|timeline| timeline.strays).sum();
    if strays > 0 {
        notes.push(format!("{} requests did not belong to the rollout", grouped(strays)));
    }
    let unanswered: u64 = timelines().map(|timeline| timeline.unanswered).sum();
    if unanswered > 0 {
        notes.push(format!("{} requests were not let through by the filter", grouped(unanswered)));
    }
    notes
}

/// Parts of a fault that this rollout knows nothing of.
fn idle(drill: &Drill<'_>, fault: &Fault) -> Vec<String> {
    let (label, subject) = (&fault.label, drill.subject);
    let shadow = subject.plan.rollout(subject.id).is_some_and(|rollout| rollout.shadow().is_some());
    let mut idle = Vec::new();
    if fault.kpi < 1.0 && subject.kpi.is_none() {
        idle.push(format!(
            "{label}: no gate counts KPI events here, so that none come does nothing"
        ));
    }
    if fault.shadow && !shadow {
        idle.push(format!("{label}: the rollout has no shadow, so nothing of it can differ"));
    }
    idle
}
