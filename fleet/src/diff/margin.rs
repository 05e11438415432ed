//! What stands beside the moves and does not count among them: copies, aborts, evidence.

use super::code::{cell, code};
use super::report::{LONGEST_LIST, grouped, shown_percent, whose};
use super::{Beside, Copied, Copies, Diff, Group, Guarded, Who, percent};
use serde_json::{Value, json};
use serin_core::Timestamp;
use serin_core::gate::{Abort, CurrentStage};

/// Two sections, each only if it has something to say.
pub(super) fn markdown(diff: &Diff) -> String {
    copied(diff) + &gates(diff)
}

/// One row for each shadow, and for each group that is copied otherwise than everybody is.
fn copied(diff: &Diff) -> String {
    let Some(all) = diff.groups.first() else { return String::new() };
    let mut rows = Vec::new();
    for group in diff.groups.iter().filter(|group| !group.named) {
        for copies in group.copies.iter().filter(|copies| copies.differ()) {
            let is_everybody = group.attributes.is_empty();
            if !is_everybody && all.copies.contains(copies) {
                continue;
            }
            let who = if diff.who == Who::Requests {
                String::new()
            } else {
                format!(" {} |", whose(&[group]))
            };
            let name = cell(&copies.rollout);
            let [old, new] = [&copies.old, &copies.new].map(|it| share_of(it.as_ref(), copies));
            rows.push(format!("| rollout {name} |{who} {old} | {new} |\n"));
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let rows = bounded(rows, |more| format!("\nand {more} more\n"));
    let (who, more) = if diff.who == Who::Requests { ("", "") } else { (" who |", "---|") };
    format!(
        "\nCopied to a shadow, which moves nobody:\n\n| |{who} before | after |\n|---|{more}--:|--:|\n{rows}"
    )
}

fn share_of(copied: Option<&Copied>, copies: &Copies) -> String {
    let Some(copied) = copied.filter(|copied| copied.count > 0) else { return "none".to_owned() };
    let targets = [&copies.old, &copies.new].map(|it| it.as_ref().map(|it| (&it.arm, &it.target)));
    // The target tells arms apart that have the same name.
    let same_name = |a: Option<(&String, &String)>| a.is_none_or(|(arm, _)| *arm == copied.arm);
    let to = match targets {
        [Some(old), Some(new)] if old != new && same_name(Some(old)) && same_name(Some(new)) => {
            cell(&format!("{} ({})", copied.arm, copied.target))
        }
        _ => cell(&copied.arm),
    };
    let share = shown_percent(percent(copied.count, copies.of));
    format!("{to}: {} ({share})", grouped(copied.count))
}

fn gates(diff: &Diff) -> String {
    let lines: Vec<String> = diff.rollouts.iter().map(line).collect();
    if lines.is_empty() {
        return String::new();
    }
    let lines = bounded(lines, |more| format!("- and {more} more\n"));
    format!("\nGates and aborts:\n\n{lines}")
}

/// As many lines as fit.
fn bounded(mut lines: Vec<String>, rest: impl Fn(usize) -> String) -> String {
    let more = lines.len().saturating_sub(LONGEST_LIST);
    lines.truncate(LONGEST_LIST);
    lines.extend((more > 0).then(|| rest(more)));
    lines.concat()
}

/// One line for a rollout.
fn line(beside: &Beside) -> String {
    let abort = |side: &Option<Guarded>| side.as_ref().and_then(|it| it.abort.clone());
    let (old, new) = (abort(&beside.old), abort(&beside.new));
    let said = match (old, new) {
        (Some(_), Some(is)) => told(&is, "stays in force") + &way_out(beside),
        (None, Some(is)) => told(&is, "comes into force") + &way_out(beside),
        (Some(was), None) if beside.new.is_none() => told(&was, "goes with the rollout"),
        (Some(was), None) => told(&was, "falls") + &begins(beside),
        (None, None) => stages(beside),
    };
    format!("- rollout {}: {said}\n", code(&beside.rollout))
}

/// An abort with its circumstances.
fn told(abort: &Abort, verb: &str) -> String {
    let since = Timestamp::from_unix_ms(abort.at);
    let why =
        if abort.reason.is_empty() { String::new() } else { format!(", {}", code(&abort.reason)) };
    format!("the abort of epoch {} {verb} (since {since}{why})", abort.epoch)
}

/// What it would take to end the abort.
fn way_out(beside: &Beside) -> String {
    let Some(new) = &beside.new else { return String::new() };
    let epoch = new.abort.as_ref().map_or(0, |abort| abort.epoch);
    match new.until {
        Some(until) => format!(", until its cooldown is over at {until}"),
        None => format!(", until its `epoch` is above {epoch}"),
    }
}

fn begins(beside: &Beside) -> String {
    beside.new_stage().map(|stage| format!("; evidence begins {}", at(stage))).unwrap_or_default()
}

/// What becomes of the evidence where no abort is in force.
fn stages(beside: &Beside) -> String {
    let has_gates = beside.new.as_ref().is_some_and(|new| new.has_gates);
    match (beside.old_stage(), beside.new_stage()) {
        (Some(old), Some(new)) if beside.begins_anew() => {
            let was =
                if same_place(old, new) { String::new() } else { format!(", it was {}", at(old)) };
            format!("evidence begins anew {}{was}", at(new))
        }
        (Some(_), Some(new)) => format!("evidence goes on {}", at(new)),
        (Some(old), None) if beside.new.is_none() => format!("gone, it was {}", at(old)),
        (Some(old), None) if has_gates => {
            format!("evidence begins anew with the first step, it was {}", at(old))
        }
        (Some(old), None) => format!("no gates any more, it was {}", at(old)),
        (None, Some(new)) => format!("evidence begins {}", at(new)),
        (None, None) => "no abort is in force".to_owned(),
    }
}

fn same_place(old: &CurrentStage, new: &CurrentStage) -> bool {
    (old.stage.step, old.share, old.since.is_some())
        == (new.stage.step, new.share, new.since.is_some())
}

/// As `serin explain` names steps.
fn at(stage: &CurrentStage) -> String {
    match stage.since {
        Some(since) => format!("in `steps[{}]`, {} since {since}", stage.stage.step, stage.share),
        None => format!("at {}", stage.share),
    }
}

/// For tools, by rollout.
pub(super) fn rollouts_json(diff: &Diff) -> Value {
    let side = |guarded: &Option<Guarded>| {
        guarded.as_ref().map(|it| {
            json!({
                "abort": it.abort.as_ref().map(|abort| json!({
                    "epoch": abort.epoch,
                    "at": Timestamp::from_unix_ms(abort.at).to_string(),
                    "reason": abort.reason,
                    "until": it.until.map(|until| until.to_string()),
                })),
                "stage": it.stage.as_ref().map(|current| json!({
                    "epoch": current.stage.epoch,
                    "step": current.stage.step,
                    "percent": f64::from(current.share.millipercent()) / 1000.0,
                    "since": current.since.map(|since| since.to_string()),
                })),
            })
        })
    };
    diff.rollouts
        .iter()
        .map(|it| {
            json!({
                "path": it.path,
                "evidenceBeginsAnew": it.begins_anew(),
                "old": side(&it.old),
                "new": side(&it.new),
            })
        })
        .collect()
}

/// For tools, of a group.
pub(super) fn copies_json(group: &Group) -> Value {
    let side = |copied: &Option<Copied>| {
        copied.as_ref().map(|it| json!({ "arm": it.arm, "target": it.target, "count": it.count }))
    };
    let copies = group.copies.iter().map(
        |it| json!({ "path": it.path, "of": it.of, "old": side(&it.old), "new": side(&it.new) }),
    );
    copies.collect()
}
