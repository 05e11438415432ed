//! Reports of a comparison: Markdown for a comment on a pull request, and JSON.

use super::markdown::{MAX_LIST, cell, code, group_name, percent_text, thousands};
use super::result::{Diff, Group, Part, Population, PreviousOwner, percent};
use super::side_effects;
use crate::compare::{Difference, short_json};
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::fmt::Write as _;

/// The warning about changed units. It comes first, because the numbers below do not include the effect.
const UNITS_CHANGED: &str = "\n`units` changes. These units have their id in every source, so the numbers below \
                             do not include who moves because of it: use `--access-log`.\n";
/// The maximum number of moves in one row. A split of many variants has one move for each pair.
const MAX_MOVES: usize = 10;

/// The report for a comment on a pull request. `max_moved` is the limit of `--max-moved`, in per cent.
pub fn markdown(diff: &Diff, max_moved: Option<f64>) -> String {
    let mut text = headline(diff);
    if let Some(limit) = max_moved {
        let comparison = if diff.is_above(limit) { "**above**" } else { "within" };
        let moved = percent_text(diff.max_moved_percent());
        let of = if diff.population_moves_most() { "" } else { " of the group in one row" };
        let _ = write!(text, "\n{moved}{of} move, {comparison} the limit of {limit} %.\n");
    }
    if diff.population != Population::Requests
        && diff.changed.iter().any(|it| is_within(&it.path, "units"))
    {
        text.push_str(UNITS_CHANGED);
    }
    text.push_str(&table(diff));
    text.push_str(&side_effects::markdown(diff));
    let parts: Vec<&Part> = diff.groups.iter().flat_map(|group| &group.parts).collect();
    let belongs_to_a_move = |it: &&Difference| {
        parts.iter().any(|part| {
            let previous = part.previous.other();
            let own = is_within(&it.path, &part.path);
            part.moved() > 0 && (own || previous.is_some_and(|path| is_within(&it.path, path)))
        })
    };
    let anybody_moves = parts.iter().any(|part| part.moved() > 0);
    // A section that several parts share, such as cohorts, may be the cause of any move.
    let is_without_effect = |it: &&Difference| {
        !anybody_moves
            || is_metadata(&it.path)
            || (belongs_to_one_part(&it.path) && !belongs_to_a_move(it))
    };
    let needs_requests = |it: &&Difference| {
        diff.population != Population::Requests && is_visible_in_requests_only(&it.path)
    };
    let (in_requests, others): (Vec<_>, Vec<_>) = diff.changed.iter().partition(needs_requests);
    let (without_effect, causes): (Vec<_>, Vec<_>) =
        others.into_iter().partition(is_without_effect);
    text.push_str(&list("Changes that may be the cause", &causes));
    text.push_str(&list("Changes that move nobody now", &without_effect));
    text.push_str(&list(
        "Changes of `units` and `deliver`, whose effect only an access log can show",
        &in_requests,
    ));
    let _ = write!(text, "\n<sub>Both specs evaluated at {}", diff.at);
    match diff.population {
        Population::MadeUp => text.push_str(
            "; the units are made up and have no attributes except those that a row names",
        ),
        Population::Listed => {
            text.push_str("; the units have no attributes except those that a row names");
        }
        Population::Requests => {}
    }
    if diff.has_latches {
        text.push_str("; hosts have the latches of `--latches`");
    }
    if diff.left_out > 0 {
        let _ = write!(text, "; {} more sets of attributes are left out", diff.left_out);
    }
    text.push_str(".</sub>\n");
    text
}

fn headline(diff: &Diff) -> String {
    let Some(all) = diff.groups.first() else { return String::new() };
    let share = percent_text(percent(all.moved, all.size));
    let (noun, verb) = match (diff.population, all.moved) {
        (Population::Requests, 1) => ("recorded requests", "moves"),
        (Population::Requests, _) => ("recorded requests", "move"),
        (_, 1) => ("units", "moves"),
        (_, _) => ("units", "move"),
    };
    let moved = if all.moved == 0 {
        format!("none of {} {noun} moves", thousands(all.size))
    } else {
        format!("{} of {} {noun} {verb} ({share})", thousands(all.moved), thousands(all.size))
    };
    let ((from, old), (to, new)) = (&diff.old, &diff.new);
    let step = match from.cmp(to) {
        _ if old == new => format!("revision {to} says the same"),
        Ordering::Less => format!("revision {from} → {to}"),
        Ordering::Equal => format!("still revision {to}"),
        Ordering::Greater => format!("revision {from} → {to}, and hosts may refuse to go back"),
    };
    format!("### Serin: {moved}, {step}\n")
}

/// The table of moves: one row for each part, and one for each group that does not move like everybody.
fn table(diff: &Diff) -> String {
    let all = rows(diff);
    if all.is_empty() {
        return String::new();
    }
    let shown = most_moved(&all);
    let left_out = all.len() - shown.len();
    let rows: String = shown.iter().map(|row| row.markdown(diff.population)).collect();
    let (who, more) =
        if diff.population == Population::Requests { ("", "") } else { (" who |", "---|") };
    let text = format!("\n| |{who} move | from → to |\n|---|{more}--:|---|\n{rows}");
    if left_out > 0 {
        return text + &format!("\nThe {left_out} rows that move the least are left out.\n");
    }
    if diff.groups.len() == 1 {
        return text;
    }
    text + "\nGroups without a row move like everybody.\n"
}

/// At most [`MAX_LIST`] rows, in their order. The rows that are left out move the least.
fn most_moved<'r, 'd>(rows: &'r [Row<'d>]) -> Vec<&'r Row<'d>> {
    let share = |index: &usize| {
        let part = rows.get(*index).map(|row| row.part);
        part.map_or(0.0, |part| percent(part.moved(), part.of))
    };
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|a, b| share(b).total_cmp(&share(a)));
    order.truncate(MAX_LIST);
    order.sort_unstable();
    order.into_iter().filter_map(|index| rows.get(index)).collect()
}

/// A row of the table. Groups that are in the same cohorts and move alike share one.
struct Row<'d> {
    part: &'d Part,
    groups: Vec<&'d Group>,
}

/// The rows in the order of parts, everybody first.
fn rows(diff: &Diff) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let Some(all) = diff.groups.first() else { return rows };
    for everybody in &all.parts {
        let first = rows.len();
        for group in &diff.groups {
            let Some(part) = group
                .parts
                .iter()
                .find(|part| part.path == everybody.path && part.previous == everybody.previous)
            else {
                continue;
            };
            let is_everybody = group.attributes.is_empty();
            if is_everybody && part.moves.is_empty() || !is_everybody && part == everybody {
                continue;
            }
            let alike = rows.iter_mut().skip(first).find(|row| {
                let known = row.groups.first();
                *row.part == *part
                    && known.is_some_and(|known| {
                        known.cohorts == group.cohorts && !known.attributes.is_empty()
                    })
            });
            match alike {
                Some(row) => row.groups.push(group),
                None => rows.push(Row { part, groups: vec![group] }),
            }
        }
    }
    // A single named unit has a row only where it moves.
    rows.retain(|row| !row.part.moves.is_empty() || row.part.of > 1);
    rows
}

impl Row<'_> {
    fn markdown(&self, population: Population) -> String {
        let part = self.part;
        let (kind, name) = (part.kind, cell(&part.name));
        let moved = part.moved();
        let count = match moved {
            0 => "nobody".to_owned(),
            _ => format!("{} ({})", thousands(moved), percent_text(percent(moved, part.of))),
        };
        let mut moves: Vec<String> = part
            .moves
            .iter()
            .take(MAX_MOVES)
            .map(|it| format!("{} → {}: {}", cell(&it.from), cell(&it.to), thousands(it.count)))
            .collect();
        let more = part.moves.get(MAX_MOVES..).unwrap_or_default();
        if !more.is_empty() {
            let count = more.iter().map(|it| it.count).sum();
            moves.push(format!("{} other moves: {}", more.len(), thousands(count)));
        }
        let moves = moves.join("<br>");
        if population == Population::Requests {
            return format!("| {kind} {name} | {count} | {moves} |\n");
        }
        format!("| {kind} {name} | {} | {count} | {moves} |\n", group_name(&self.groups))
    }
}

fn list(title: &str, changed: &[&Difference]) -> String {
    if changed.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{title}:\n\n");
    for it in changed.iter().take(MAX_LIST) {
        let (old, new) = (short_json(it.old.as_ref()), short_json(it.new.as_ref()));
        let line = match (&it.old, &it.new) {
            (None, _) => format!("- {} is new: {}\n", code(&it.path), code(&new)),
            (_, None) => format!("- {} is removed, was {}\n", code(&it.path), code(&old)),
            _ => format!("- {}: {} → {}\n", code(&it.path), code(&old), code(&new)),
        };
        text.push_str(&line);
    }
    let more = changed.len().saturating_sub(MAX_LIST);
    if more > 0 {
        let _ = writeln!(text, "- and {more} more");
    }
    text
}

/// Whether a path is `part` or below it.
fn is_within(path: &str, part: &str) -> bool {
    path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether a path belongs to a single flag or rollout.
fn belongs_to_one_part(path: &str) -> bool {
    path.starts_with("flags.") || path.starts_with("flags[") || path.starts_with("rollouts.")
}

/// Whether the effect of a path shows in recorded requests only: other units have their ids in every source,
/// and every flag is evaluated at a path that delivers it.
fn is_visible_in_requests_only(path: &str) -> bool {
    let flag = path.strip_prefix("flags").unwrap_or_default();
    let field = flag.strip_prefix('.').and_then(|rest| rest.split_once('.'));
    let field = field.or_else(|| flag.split_once("\"].")).map(|(_, field)| field);
    is_within(path, "units") || field.is_some_and(|field| is_within(field, "deliver"))
}

/// Whether a path is a field that decisions ignore.
fn is_metadata(path: &str) -> bool {
    [".owner", ".purpose", ".expires"].iter().any(|field| path.ends_with(field))
}

/// The report as JSON.
pub fn json(diff: &Diff, max_moved: Option<f64>) -> Value {
    let version =
        |(revision, digest): &(u64, String)| json!({ "revision": revision, "digest": digest });
    json!({
        "at": diff.at.to_string(),
        "old": version(&diff.old),
        "new": version(&diff.new),
        "of": match diff.population {
            Population::MadeUp => "made-up units",
            Population::Listed => "listed units",
            Population::Requests => "requests",
        },
        "mostPercent": diff.max_moved_percent(),
        "maxMovedPercent": max_moved,
        "groupsLeftOut": diff.left_out,
        "latches": diff.has_latches,
        "groups": diff.groups.iter().map(group_json).collect::<Vec<_>>(),
        "rollouts": side_effects::rollouts_json(diff),
        "changed": diff.changed.iter().map(|it| json!({
            "path": it.path, "old": it.old, "new": it.new,
        })).collect::<Vec<_>>(),
    })
}

fn group_json(group: &Group) -> Value {
    let attributes: serde_json::Map<String, Value> =
        group.attributes.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "attributes": attributes,
        "cohorts": group.cohorts,
        "size": group.size,
        "moved": group.moved,
        "percent": percent(group.moved, group.size),
        "copies": side_effects::copies_json(group),
        "parts": group.parts.iter().map(|part| json!({
            "path": part.path,
            "was": match &part.previous {
                PreviousOwner::Same | PreviousOwner::Gone => None,
                PreviousOwner::Nothing => Some("nothing"),
                PreviousOwner::Other(path) => Some(path.as_str()),
            },
            "of": part.of,
            "moved": part.moved(),
            "percent": percent(part.moved(), part.of),
            "moves": part.moves.iter().map(|it| json!({
                "from": it.from, "to": it.to, "count": it.count,
            })).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_deliver_field_of_a_flag_counts_as_deliver() {
        for path in
            ["units.user", "flags.a.deliver", "flags.a.deliver.paths[0]", "flags[\"a.b\"].deliver"]
        {
            assert!(is_visible_in_requests_only(path), "{path}");
        }
        for path in
            ["flags.a.variants.deliver", "flags.deliver.rules", "flags[\"a.deliver\"].rules"]
        {
            assert!(!is_visible_in_requests_only(path), "{path}");
        }
    }

    #[test]
    fn a_name_that_begins_alike_is_another_part() {
        assert!(is_within("flags.a.rules[0]", "flags.a"));
        assert!(!is_within("flags.ab", "flags.a"));
    }
}
