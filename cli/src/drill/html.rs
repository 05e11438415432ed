//! The HTML report of a drill: one page that needs no other file.

use super::summary::{Composition, Drill, Summary};
use super::svg;
use super::text::{abort_count, final_share, notes, traffic};
use super::timeline::{COLUMN_MS, Timeline};
use crate::number_format::{counted, duration, grouped, large, percent};
use maud::{DOCTYPE, Markup, PreEscaped, html};

const STYLE: &str = include_str!("report.css");

/// The page.
pub(super) fn page(drill: &Drill<'_>) -> String {
    let name = &drill.subject.rollout;
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                title { "Drill of " (name) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                main {
                    header {
                        p.eyebrow { "serin drill" }
                        h1 { (name) }
                        (facts(drill))
                    }
                    (tiles(drill))
                    (table(drill))
                    @for (index, summary) in drill.summaries().iter().enumerate() {
                        @if let Some(timeline) = summary.typical() {
                            (section(drill, summary, timeline, index))
                        }
                    }
                    (composition(drill))
                    (glossary(drill))
                }
            }
        }
    };
    page.into_string() + "\n"
}

/// The rollout's steps, the traffic, and what identifies spec and drill.
fn facts(drill: &Drill<'_>) -> Markup {
    let subject = drill.subject;
    let step = |step: &super::subject::Step| {
        let hold = step.hold_ms.map(|ms| format!(" for {}", duration(ms))).unwrap_or_default();
        format!("{}{hold}{}", step.share, if step.gated { " and the gate" } else { "" })
    };
    let steps: Vec<String> = subject.steps.iter().map(step).collect();
    html! {
        p.facts {
            (subject.mode_and_arm())
            @match subject.fixed {
                Some(share) => { ", " (share) " of requests" }
                None => { ": " (steps.join(" → ")) }
            }
        }
        p.facts {
            (traffic(drill)) ", revision " (subject.plan.revision())
            " (" (subject.plan.digest()) "), seed " (drill.args.seed)
        }
    }
}

/// The figures at the top of the page.
fn tiles(drill: &Drill<'_>) -> Markup {
    let summaries = drill.summaries();
    let faults = || summaries.iter().filter(|summary| !summary.fault.is_healthy());
    let runs: usize = faults().map(|summary| summary.timelines.len()).sum();
    let aborted: usize = faults().map(Summary::aborted).sum();
    let (false_aborts, possible) = drill.false_aborts();
    let slowest = faults().filter_map(Summary::mttr_ms).reduce(f64::max);
    let exposed = faults().filter(|summary| summary.aborted() > 0);
    let exposed = exposed.filter_map(Summary::exposed_users).reduce(f64::max);
    let tile = |class: &str, figure: String, about: &str| {
        html! { div class=(class) { dt { (about) } dd { (figure) } } }
    };
    html! {
        dl.tiles {
            @if runs > 0 {
                (tile(good(aborted == runs), format!("{aborted} of {runs}"), "faulty runs aborted"))
            }
            @if possible > 0 {
                (tile(good(false_aborts == 0), format!("{false_aborts} of {possible}"), "false aborts"))
            }
            (tile("", slowest.map_or("none".to_owned(), whole_ms), "slowest recovery"))
            (tile("", exposed.map_or("none".to_owned(), percent), "most users exposed, if aborted"))
        }
    }
}

/// The figures of each fault.
fn table(drill: &Drill<'_>) -> Markup {
    html! {
        div.wide {
            table {
                thead {
                    tr {
                        th { "fault" } th { "aborted" }
                        @for name in ["MTTD", "MTTR", "users exposed", "requests exposed", "failed"] {
                            th.number { (name) }
                        }
                        th { "final share" }
                    }
                }
                tbody {
                    @for (index, summary) in drill.summaries().iter().enumerate() {
                        (row(summary, index))
                    }
                }
            }
        }
    }
}

fn row(summary: &Summary<'_>, index: usize) -> Markup {
    let healthy = summary.fault.is_healthy();
    let all = summary.aborted() == summary.timelines.len();
    let fine = if healthy { summary.aborted() == 0 } else { all };
    let exposed = |figure: Option<String>| figure.filter(|_| !healthy);
    let figures = [
        summary.mttd_ms().map(whole_ms),
        summary.mttr_ms().map(whole_ms),
        exposed(summary.exposed_users().map(percent)),
        exposed(summary.exposed_requests().map(large)),
        exposed(summary.failed_requests().map(large)),
    ];
    html! {
        tr {
            td { a href={ "#run-" (index) } { (summary.fault.label) } }
            td { span class={ "chip " (good(fine)) } { (abort_count(summary)) } }
            @for figure in figures {
                td.number { (figure.as_deref().unwrap_or("–")) }
            }
            td { (final_share(summary)) }
        }
    }
}

/// A run of a fault: what happened, and its plots.
fn section(drill: &Drill<'_>, summary: &Summary<'_>, timeline: &Timeline, index: usize) -> Markup {
    let healthy = summary.fault.is_healthy();
    let outcome = match timeline.aborted() {
        Some(abort) => {
            let falsely = if healthy { " falsely" } else { "" };
            format!("Aborted{falsely} after {}: {}.", duration(abort.at_ms), abort.reason)
        }
        None if !drill.subject.has_gates() => {
            "The rollout has no gates, so nothing aborts it.".to_owned()
        }
        None if healthy => "There is no fault, and no gate aborted.".to_owned(),
        None if timeline.onset_ms >= timeline.end_ms => {
            "The run ended before the fault began.".to_owned()
        }
        None => "No gate detected the fault.".to_owned(),
    };
    html! {
        section id={ "run-" (index) } {
            h2 { (summary.fault.label) }
            p {
                (outcome)
                @if let Some(reason) = timeline.pauses.first() {
                    " A gate paused the rollout " (counted(timeline.pauses.len(), "time"))
                    ", first because of " (reason) "."
                }
                @if summary.timelines.len() > 1 { " One run of several." }
            }
            figure { (svg::plots(timeline, COLUMN_MS, drill.subject.has_gates())) }
        }
    }
}

/// The users of both arms in each step of the healthy run.
fn composition(drill: &Drill<'_>) -> Markup {
    let Some(timeline) = drill.healthy() else { return Markup::default() };
    let steps: Vec<_> = timeline
        .step_records
        .iter()
        .filter_map(|step_record| Some((step_record, Composition::of(step_record)?)))
        .collect();
    if steps.is_empty() {
        return Markup::default();
    }
    let judged = || drill.subject.groups.iter().enumerate().filter(|(_, group)| group.judged);
    let pair = |parts: [f64; 2]| html! { @for part in parts { td.number { (percent(part)) } } };
    html! {
        section {
            h2 { "Users of the new version" }
            p {
                "A canary is representative only if its users are like the baseline's. \
                 From the healthy run: the users whom the share alone sent to their arm."
            }
            div.wide {
                table {
                    thead {
                        tr {
                            th rowspan="2" { "share" }
                            th.number colspan="2" { "users" }
                            @for (_, group) in judged() {
                                th.number colspan="2" { "in " (group.name) }
                            }
                            th.number colspan="2" { "requests by the busiest 1 %" }
                        }
                        tr {
                            @for _ in 0..2 + judged().count() {
                                th.number { "new" } th.number { "baseline" }
                            }
                        }
                    }
                    tbody {
                        @for (step_record, composition) in &steps {
                            tr {
                                td { (step_record.share) }
                                @for users in composition.users { td.number { (grouped(users)) } }
                                @for (index, _) in judged() { (pair(composition.groups[index])) }
                                (pair(composition.busiest))
                            }
                        }
                    }
                }
            }
        }
    }
}

fn glossary(drill: &Drill<'_>) -> Markup {
    let notes = notes(drill);
    html! {
        section.words {
            h2 { "Glossary" }
            dl {
                dt { "MTTD" }
                dd { "time to detect: from the onset of the fault to the abort" }
                dt { "MTTR" }
                dd { "time to recover: from the onset to the last request to the new version" }
                dt { "exposed" }
                dd { "sent to the new version since the onset; users as a part of all users in the run" }
                dt { "requests that fail" }
                dd { "the rate over the arm's last 1,000 requests, or all since the onset if they are fewer" }
                @if drill.subject.has_gates() {
                    dt { "likelihood" }
                    dd {
                        "the largest of all tests in the filter's latest evaluation, as a part of its \
                         threshold: at 1 the gate acts. It restarts with each step"
                    }
                }
            }
            @if !notes.is_empty() {
                ul { @for note in notes { li { (note) } } }
            }
        }
    }
}

fn good(good: bool) -> &'static str {
    if good { "good" } else { "bad" }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole_ms(ms: f64) -> String {
    duration(ms as u64)
}
