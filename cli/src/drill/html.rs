//! A drill as one page that needs no other file.

use super::markup::escaped;
use super::summary::{Drill, Likeness, Summary};
use super::svg;
use super::text::{aborted, end, notes, traffic};
use super::timeline::COLUMN_MS;
use crate::number_format::{counted, duration, grouped, large, percent};

const LIKELIHOOD: &str = "<dt>likelihood</dt><dd>the largest of all tests, by the core on the outcomes that the \
    filter was given; at 1 it crosses. Each step begins anew</dd>\n";
const STYLE: &str = include_str!("report.css");

/// The page.
pub(super) fn page(drill: &Drill<'_>) -> String {
    let subject = drill.subject;
    let name = escaped(&subject.rollout);
    let mut html = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Drill of {name}</title>\n\
         <style>\n{STYLE}</style>\n<main>\n<header>\n<p class=\"eyebrow\">serin drill</p>\n<h1>{name}</h1>\n{}</header>\n",
        facts(drill)
    );
    html.push_str(&tiles(drill));
    html.push_str(&table(drill));
    for (index, summary) in drill.summaries().iter().enumerate() {
        html.push_str(&section(drill, summary, index));
    }
    html.push_str(&likeness(drill));
    html.push_str(&words(drill));
    html.push_str("</main>\n</html>\n");
    html
}

fn facts(drill: &Drill<'_>) -> String {
    let (args, subject) = (drill.args, drill.subject);
    let steps: Vec<String> = subject
        .steps
        .iter()
        .map(|step| {
            let hold = step.hold_ms.map(|ms| format!(" for {}", duration(ms))).unwrap_or_default();
            format!("{}{hold}{}", step.share, if step.gated { " and the gate" } else { "" })
        })
        .collect();
    let way = match subject.fixed {
        Some(share) => format!("{}, {share} of requests", subject.way()),
        None => format!("{}: {}", subject.way(), steps.join(" → ")),
    };
    format!(
        "<p class=\"facts\">{}</p>\n<p class=\"facts\">{}, revision {} ({}), seed {}</p>\n",
        escaped(&way),
        traffic(drill),
        subject.plan.revision(),
        escaped(subject.plan.digest()),
        args.seed,
    )
}

/// The four figures to begin with.
fn tiles(drill: &Drill<'_>) -> String {
    let summaries = drill.summaries();
    let faults = || summaries.iter().filter(|summary| !summary.fault.is_healthy());
    let runs: usize = faults().map(|summary| summary.timelines.len()).sum();
    let caught: usize = faults().map(Summary::aborted).sum();
    let (wrong, possible) = drill.false_aborts();
    let slowest = faults()
        .filter_map(Summary::mttr_ms)
        .fold(None, |most: Option<f64>, ms| Some(most.map_or(ms, |most| most.max(ms))));
    let exposed = faults().filter(|summary| summary.aborted() > 0).filter_map(Summary::users);
    let exposed = exposed
        .fold(None, |most: Option<f64>, users| Some(most.map_or(users, |most| most.max(users))));
    let good = |good: bool| if good { "good" } else { "bad" };
    let mut html = String::from("<dl class=\"tiles\">\n");
    let mut tile = |class: &str, figure: String, about: &str| {
        html.push_str(&format!("<div class=\"{class}\"><dt>{about}</dt><dd>{figure}</dd></div>\n"));
    };
    if runs > 0 {
        tile(good(caught == runs), format!("{caught} of {runs}"), "faulty runs aborted");
    }
    if possible > 0 {
        tile(good(wrong == 0), format!("{wrong} of {possible}"), "false aborts");
    }
    let time = |ms: Option<f64>| ms.map_or("none".to_owned(), |ms| duration(whole(ms)));
    tile("", time(slowest), "slowest recovery");
    tile("", exposed.map_or("none".to_owned(), percent), "most users exposed, if aborted");
    html.push_str("</dl>\n");
    html
}

fn table(drill: &Drill<'_>) -> String {
    let mut html = String::from(
        "<div class=\"wide\"><table>\n<thead><tr><th>fault</th><th>aborted</th><th class=\"number\">MTTD</th><th class=\"number\">MTTR</th>\
         <th class=\"number\">users exposed</th><th class=\"number\">requests exposed</th><th class=\"number\">failed</th><th>share in the end</th></tr></thead>\n<tbody>\n",
    );
    for (index, summary) in drill.summaries().iter().enumerate() {
        let healthy = summary.fault.is_healthy();
        let all = summary.aborted() == summary.timelines.len();
        let fine = if healthy { summary.aborted() == 0 } else { all };
        let class = if fine { "good" } else { "bad" };
        let time = |ms: Option<f64>| ms.map_or("–".to_owned(), |ms| duration(whole(ms)));
        let struck = |text: Option<String>| text.filter(|_| !healthy).unwrap_or("–".to_owned());
        html.push_str(&format!(
            "<tr><td><a href=\"#run-{index}\">{}</a></td><td><span class=\"chip {class}\">{}</span></td><td class=\"number\">{}</td>\
             <td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td></tr>\n",
            escaped(&summary.fault.label),
            aborted(summary),
            time(summary.mttd_ms()),
            time(summary.mttr_ms()),
            struck(summary.users().map(percent)),
            struck(summary.exposed().map(large)),
            struck(summary.failed().map(large)),
            end(summary),
        ));
    }
    html.push_str("</tbody></table></div>\n");
    html
}

fn section(drill: &Drill<'_>, summary: &Summary<'_>, index: usize) -> String {
    let Some(timeline) = summary.typical() else { return String::new() };
    let said = match timeline.aborted() {
        Some(abort) if summary.fault.is_healthy() => {
            format!("Aborted falsely after {}: {}.", duration(abort.at_ms), abort.reason)
        }
        Some(abort) => format!("Aborted after {}: {}.", duration(abort.at_ms), abort.reason),
        None if !drill.subject.has_gates() => {
            "The rollout has no gates: nothing aborts it.".to_owned()
        }
        None if summary.fault.is_healthy() => {
            "Nothing goes wrong, and nothing stops it.".to_owned()
        }
        None if timeline.onset_ms >= timeline.end_ms => {
            "It had not begun when the run ended.".to_owned()
        }
        None => "No gate saw it.".to_owned(),
    };
    let held = match timeline.pauses.first() {
        Some(pause) => {
            format!(
                " A gate held a step {}, first because of {pause}.",
                counted(timeline.pauses.len(), "time")
            )
        }
        None => String::new(),
    };
    let of = if summary.timelines.len() > 1 { " One run of several." } else { "" };
    format!(
        "<section id=\"run-{index}\">\n<h2>{}</h2>\n<p>{}{of}</p>\n<figure>{}</figure>\n</section>\n",
        escaped(&summary.fault.label),
        escaped(&format!("{said}{held}")),
        svg::plots(timeline, COLUMN_MS, drill.subject.has_gates()),
    )
}

fn likeness(drill: &Drill<'_>) -> String {
    let Some(timeline) = drill.healthy() else { return String::new() };
    let judged = || drill.subject.groups.iter().enumerate().filter(|(_, group)| group.judged);
    let mut rows = String::new();
    for step_record in &timeline.step_records {
        let Some(like) = Likeness::of(step_record) else { continue };
        let pair = |[new, baseline]: [f64; 2]| {
            format!(
                "<td class=\"number\">{}</td><td class=\"number\">{}</td>",
                percent(new),
                percent(baseline)
            )
        };
        let groups: String = judged().map(|(place, _)| pair(like.groups[place])).collect();
        let [new, baseline] = like.users.map(grouped);
        rows.push_str(&format!(
            "<tr><td>{}</td><td class=\"number\">{new}</td><td class=\"number\">{baseline}</td>{groups}{}</tr>\n",
            step_record.share,
            pair(like.busiest)
        ));
    }
    if rows.is_empty() {
        return rows;
    }
    let mut names = vec!["users".to_owned()];
    names.extend(judged().map(|(_, group)| format!("in {}", escaped(&group.name))));
    names.push("requests by the busiest 1 %".to_owned());
    let names: String = names
        .iter()
        .map(|name| format!("<th class=\"number\" colspan=\"2\">{name}</th>"))
        .collect();
    let arms = "<th class=\"number\">new</th><th class=\"number\">baseline</th>"
        .repeat(2 + judged().count());
    format!(
        "<section>\n<h2>Who had the new version</h2>\n<p>A canary tells of everybody only if its users are like everybody. \
         From the healthy run, users whom the share alone sent to their arm.</p>\n<div class=\"wide\"><table>\n<thead><tr><th rowspan=\"2\">share</th>{names}</tr>\
         <tr>{arms}</tr></thead>\n<tbody>\n{rows}</tbody></table></div>\n</section>\n"
    )
}

fn words(drill: &Drill<'_>) -> String {
    let likelihood = if drill.subject.has_gates() { LIKELIHOOD } else { "" };
    let mut html = format!(
        "<section class=\"words\">\n<h2>What the words mean</h2>\n<dl>\n\
         <dt>MTTD</dt><dd>from the fault's onset to the abort, at the filter's virtual clock</dd>\n\
         <dt>MTTR</dt><dd>from the onset to the last request that was sent to the new version</dd>\n\
         <dt>exposed</dt><dd>sent to the new version since the onset; users of all who were there in the run</dd>\n\
         <dt>requests that fail</dt><dd>a rate over the last 1,000 requests of the arm, or all since the onset if they are fewer</dd>\n\
         {likelihood}</dl>\n"
    );
    let notes = notes(drill);
    if !notes.is_empty() {
        let items: String =
            notes.iter().map(|note| format!("<li>{}</li>", escaped(note))).collect();
        html.push_str(&format!("<ul>{items}</ul>\n"));
    }
    html.push_str("</section>\n");
    html
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
fn whole(ms: f64) -> u64 {
    ms as u64
}
