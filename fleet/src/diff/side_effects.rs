//! Side effects of a change that move nobody: copies to shadows, aborts and evidence.

use super::markdown::{MAX_LIST, cell, code, group_name, percent_text, thousands};
use super::result::{Diff, Group, Population, percent};
use super::rollout_effects::{GateState, RolloutEffects};
use super::shadow_copies::{CopyCount, ShadowCopies};
use serde_json::{Value, json};
use serin_core::Timestamp;
use serin_core::gate::{Abort, CurrentStage};

/// The sections on shadows and on gates; an empty section is left out.
pub(super) fn markdown(diff: &Diff) -> String {
    shadows(diff) + &gates(diff)
}

/// A table with one row for each shadow, and one for each group whose share differs from everybody's.
fn shadows(diff: &Diff) -> String {
    let Some(all) = diff.groups.first() else { return String::new() };
    let mut rows = Vec::new();
    for group in diff.groups.iter().filter(|group| !group.is_named_unit) {
        for copies in group.copies.iter().filter(|copies| copies.differ()) {
            let is_everybody = group.attributes.is_empty();
            if !is_everybody && all.copies.contains(copies) {
                continue;
            }
            let who = if diff.population == Population::Requests {
                String::new()
            } else {
                format!(" {} |", group_name(&[group]))
            };
            let name = cell(&copies.rollout);
            let [old, new] = [&copies.old, &copies.new].map(|it| copied_share(it.as_ref(), copies));
            rows.push(format!("| rollout {name} |{who} {old} | {new} |\n"));
        }
    }
    if rows.is_empty() {
        return String::new();
    }
    let rows = bounded(rows, |more| format!("\nand {more} more\n"));
    let (who, more) =
        if diff.population == Population::Requests { ("", "") } else { (" who |", "---|") };
    format!(
        "\nCopied to a shadow, without effect on responses:\n\n| |{who} before | after |\n|---|{more}--:|--:|\n{rows}"
    )
}

fn copied_share(copied: Option<&CopyCount>, copies: &ShadowCopies) -> String {
    let Some(copied) = copied.filter(|copied| copied.count > 0) else { return "none".to_owned() };
    let targets = [&copies.old, &copies.new].map(|it| it.as_ref().map(|it| (&it.arm, &it.target)));
    // Arms of the same name are distinguished by their targets.
    let same_name = |a: Option<(&String, &String)>| a.is_none_or(|(arm, _)| *arm == copied.arm);
    let to = match targets {
        [Some(old), Some(new)] if old != new && same_name(Some(old)) && same_name(Some(new)) => {
            cell(&format!("{} ({})", copied.arm, copied.target))
        }
        _ => cell(&copied.arm),
    };
    let share = percent_text(percent(copied.count, copies.of));
    format!("{to}: {} ({share})", thousands(copied.count))
}

fn gates(diff: &Diff) -> String {
    let lines: Vec<String> = diff.rollouts.iter().map(rollout_line).collect();
    if lines.is_empty() {
        return String::new();
    }
    let lines = bounded(lines, |more| format!("- and {more} more\n"));
    format!("\nGates and aborts:\n\n{lines}")
}

/// Joins at most [`MAX_LIST`] lines. `rest` makes the line that counts the others.
fn bounded(mut lines: Vec<String>, rest: impl Fn(usize) -> String) -> String {
    let more = lines.len().saturating_sub(MAX_LIST);
    lines.truncate(MAX_LIST);
    lines.extend((more > 0).then(|| rest(more)));
    lines.concat()
}

/// The line of a rollout.
fn rollout_line(effects: &RolloutEffects) -> String {
    let abort = |side: &Option<GateState>| side.as_ref().and_then(|it| it.abort.clone());
    let (old, new) = (abort(&effects.old), abort(&effects.new));
    let text = match (old, new) {
        (Some(_), Some(new)) => abort_text(&new, "stays in force") + &abort_end(effects),
        (None, Some(new)) => abort_text(&new, "comes into force") + &abort_end(effects),
        (Some(old), None) if effects.new.is_none() => abort_text(&old, "goes with the rollout"),
        (Some(old), None) => abort_text(&old, "is cleared") + &evidence_start(effects),
        (None, None) => evidence(effects),
    };
    format!("- rollout {}: {text}\n", code(&effects.rollout))
}

/// An abort with its time and its reason.
fn abort_text(abort: &Abort, verb: &str) -> String {
    let since = Timestamp::from_unix_ms(abort.at);
    let reason =
        if abort.reason.is_empty() { String::new() } else { format!(", {}", code(&abort.reason)) };
    format!("the abort of epoch {} {verb} (since {since}{reason})", abort.epoch)
}

/// What ends the abort under the new spec.
fn abort_end(effects: &RolloutEffects) -> String {
    let Some(new) = &effects.new else { return String::new() };
    let epoch = new.abort.as_ref().map_or(0, |abort| abort.epoch);
    match new.until {
        Some(until) => format!(", until its cooldown is over at {until}"),
        None => format!(", until its `epoch` is above {epoch}"),
    }
}

fn evidence_start(effects: &RolloutEffects) -> String {
    let start = effects.new_stage().map(|stage| format!("; evidence starts {}", stage_text(stage)));
    start.unwrap_or_default()
}

/// The change of the evidence where no abort is in force under either spec.
fn evidence(effects: &RolloutEffects) -> String {
    let has_gates = effects.new.as_ref().is_some_and(|new| new.has_gates);
    match (effects.old_stage(), effects.new_stage()) {
        (Some(old), Some(new)) if effects.evidence_restarts() => {
            let previous = if is_same_step(old, new) {
                String::new()
            } else {
                format!(", it was {}", stage_text(old))
            };
            format!("evidence restarts {}{previous}", stage_text(new))
        }
        (Some(_), Some(new)) => format!("evidence continues {}", stage_text(new)),
        (Some(old), None) if effects.new.is_none() => {
            format!("the rollout is removed; its evidence was {}", stage_text(old))
        }
        (Some(old), None) if has_gates => {
            format!("evidence restarts with the first step, it was {}", stage_text(old))
        }
        (Some(old), None) => format!("the gates are removed; the evidence was {}", stage_text(old)),
        (None, Some(new)) => format!("evidence starts {}", stage_text(new)),
        (None, None) => "no abort is in force".to_owned(),
    }
}

fn is_same_step(old: &CurrentStage, new: &CurrentStage) -> bool {
    (old.stage.step, old.share, old.since.is_some())
        == (new.stage.step, new.share, new.since.is_some())
}

/// A stage, with the same words as `serin explain` uses for a step.
fn stage_text(stage: &CurrentStage) -> String {
    match stage.since {
        Some(since) => format!("in `steps[{}]`, {} since {since}", stage.stage.step, stage.share),
        None => format!("at {}", stage.share),
    }
}

/// The effects on rollouts, as JSON.
pub(super) fn rollouts_json(diff: &Diff) -> Value {
    let side = |state: &Option<GateState>| {
        state.as_ref().map(|it| {
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
                "evidenceBeginsAnew": it.evidence_restarts(),
                "old": side(&it.old),
                "new": side(&it.new),
            })
        })
        .collect()
}

/// The copies of a group, as JSON.
pub(super) fn copies_json(group: &Group) -> Value {
    let side = |copied: &Option<CopyCount>| {
        copied.as_ref().map(|it| json!({ "arm": it.arm, "target": it.target, "count": it.count }))
    };
    let copies = group.copies.iter().map(
        |it| json!({ "path": it.path, "of": it.of, "old": side(&it.old), "new": side(&it.new) }),
    );
    copies.collect()
}
