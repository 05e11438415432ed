//! A comparison in words, as Markdown, and as JSON.

use super::code::{cell, code};
use super::{Diff, Group, Part, Was, Who, margin, percent};
use crate::compare::{Difference, shown};
use serde_json::{Value, json};
use std::cmp::Ordering;
use std::fmt::Write as _;

/// A pull request is no place for more lines of one kind; GitHub takes 65,536 characters.
pub(super) const LONGEST_LIST: usize = 40;
/// Nobody would look for it at the end.
const SOURCES: &str = "\nWhere ids come from changes. These units have theirs in every source, so whom that \
                       moves is not among them: ask with `--access-log`.\n";
/// Of one part: a split of many variants has a move for each pair.
const MOST_MOVES: usize = 10;

/// For a comment on a pull request. `max_moved` is the bound, in per cent.
pub fn markdown(diff: &Diff, max_moved: Option<f64>) -> String {
    let mut text = headline(diff);
    if let Some(bound) = max_moved {
        let verdict = if diff.is_above(bound) { "**above**" } else { "within" };
        let most = shown_percent(diff.most());
        let whose = if diff.most_is_of_all() { "" } else { " of those in one row" };
        let _ = write!(text, "\n{most} move{whose}, {verdict} the {bound} % that may.\n");
    }
    if diff.who != Who::Requests && diff.changed.iter().any(|it| is_within(&it.path, "units")) {
        text.push_str(SOURCES);
    }
    text.push_str(&table(diff));
    text.push_str(&margin::markdown(diff));
    let moved: Vec<&Part> = diff.groups.iter().flat_map(|group| &group.parts).collect();
    let moves = |it: &&Difference| {
        moved.iter().any(|part| {
            let was = part.was.other();
            let own = is_within(&it.path, &part.path);
            part.moved() > 0 && (own || was.is_some_and(|was| is_within(&it.path, was)))
        })
    };
    let anybody = moved.iter().any(|part| part.moved() > 0);
    // What several parts share may be why one of them moves.
    let quiet =
        |it: &&Difference| !anybody || is_for_people(&it.path) || (is_own(&it.path) && !moves(it));
    let source = |it: &&Difference| diff.who != Who::Requests && is_unasked(&it.path);
    let (sources, others): (Vec<_>, Vec<_>) = diff.changed.iter().partition(source);
    let (quiet, loud): (Vec<_>, Vec<_>) = others.into_iter().partition(quiet);
    text.push_str(&list("Changed, and may be why", &loud));
    text.push_str(&list("Changed, and moves none of them now", &quiet));
    text.push_str(&list(
        "Changed where ids come from or flags are delivered, which only an access log can show",
        &sources,
    ));
    let _ = write!(text, "\n<sub>Both specs asked at {}", diff.at);
    match diff.who {
        Who::MadeUp => text.push_str(
            "; the units are made up and have no attribute beside their ids, but where a row says so",
        ),
        Who::Listed => {
            text.push_str("; the units have no attribute beside their ids, but where a row says so");
        }
        Who::Requests => {}
    }
    if diff.latched {
        text.push_str("; hosts hold the latches that were given");
    }
    if diff.left_out > 0 {
        let _ = write!(text, "; {} more sets of attributes are left out", diff.left_out);
    }
    text.push_str(".</sub>\n");
    text
}

fn headline(diff: &Diff) -> String {
    let Some(all) = diff.groups.first() else { return String::new() };
    let share = shown_percent(percent(all.moved, all.size));
    let (noun, verb) = match (diff.who, all.moved) {
        (Who::Requests, 1) => ("recorded requests", "moves"),
        (Who::Requests, _) => ("recorded requests", "move"),
        (_, 1) => ("units", "moves"),
        (_, _) => ("units", "move"),
    };
    let moved = if all.moved == 0 {
        format!("none of {} {noun} moves", grouped(all.size))
    } else {
        format!("{} of {} {noun} {verb} ({share})", grouped(all.moved), grouped(all.size))
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

/// One row for each part and for each group that moves otherwise than everybody does.
fn table(diff: &Diff) -> String {
    let all = rows(diff);
    if all.is_empty() {
        return String::new();
    }
    let shown = most_moved(&all);
    let left_out = all.len() - shown.len();
    let rows: String = shown.iter().map(|row| row.markdown(diff.who)).collect();
    let (who, more) = if diff.who == Who::Requests { ("", "") } else { (" who |", "---|") };
    let text = format!("\n| |{who} move | from → to |\n|---|{more}--:|---|\n{rows}");
    if left_out > 0 {
        return text + &format!("\nThe {left_out} rows that move the least are left out.\n");
    }
    if diff.groups.len() == 1 {
        return text;
    }
    text + "\nWhoever has no row moves as everybody does.\n"
}

/// As many rows as fit, in their order; those that are left out move the least.
fn most_moved<'r, 'd>(rows: &'r [Row<'d>]) -> Vec<&'r Row<'d>> {
    let share = |at: &usize| {
        let part = rows.get(*at).map(|row| row.part);
        part.map_or(0.0, |part| percent(part.moved(), part.of))
    };
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by(|a, b| share(b).total_cmp(&share(a)));
    order.truncate(LONGEST_LIST);
    order.sort_unstable();
    order.into_iter().filter_map(|at| rows.get(at)).collect()
}

/// Groups that are in the same cohorts and move alike share a row.
struct Row<'d> {
    part: &'d Part,
    groups: Vec<&'d Group>,
}

/// In the order of parts, everybody first.
fn rows(diff: &Diff) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    let Some(all) = diff.groups.first() else { return rows };
    for everybody in &all.parts {
        let first = rows.len();
        for group in &diff.groups {
            let Some(part) = group
                .parts
                .iter()
                .find(|part| part.path == everybody.path && part.was == everybody.was)
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
    // One unit that a condition names is told of where it moves.
    rows.retain(|row| !row.part.moves.is_empty() || row.part.of > 1);
    rows
}

impl Row<'_> {
    fn markdown(&self, who: Who) -> String {
        let part = self.part;
        let (kind, name) = (part.kind, cell(&part.name));
        let moved = part.moved();
        let count = match moved {
            0 => "nobody".to_owned(),
            _ => format!("{} ({})", grouped(moved), shown_percent(percent(moved, part.of))),
        };
        let mut moves: Vec<String> = part
            .moves
            .iter()
            .take(MOST_MOVES)
            .map(|it| format!("{} → {}: {}", cell(&it.from), cell(&it.to), grouped(it.count)))
            .collect();
        let more = part.moves.get(MOST_MOVES..).unwrap_or_default();
        if !more.is_empty() {
            let count = more.iter().map(|it| it.count).sum();
            moves.push(format!("{} other moves: {}", more.len(), grouped(count)));
        }
        let moves = moves.join("<br>");
        if who == Who::Requests {
            return format!("| {kind} {name} | {count} | {moves} |\n");
        }
        format!("| {kind} {name} | {} | {count} | {moves} |\n", whose(&self.groups))
    }
}

/// `everybody`, or the cohorts and the attributes that make them.
pub(super) fn whose(groups: &[&Group]) -> String {
    let attributes = |group: &&Group| {
        let all = group.attributes.iter();
        let all = all.map(|(name, value)| cell(&format!("{name}: {value}")));
        all.collect::<Vec<_>>().join(", ")
    };
    let ways: Vec<String> = groups.iter().map(attributes).collect();
    let ways = ways.join(" or ");
    let cohorts = groups.first().map(|group| group.cohorts.as_slice()).unwrap_or_default();
    let cohorts: Vec<String> = cohorts.iter().map(|name| cell(name)).collect();
    match (ways.is_empty(), cohorts.is_empty()) {
        (true, _) => "everybody".to_owned(),
        (false, true) => format!("with {ways}"),
        (false, false) => format!("{} with {ways}", cohorts.join(", ")),
    }
}

fn list(title: &str, changed: &[&Difference]) -> String {
    if changed.is_empty() {
        return String::new();
    }
    let mut text = format!("\n{title}:\n\n");
    for it in changed.iter().take(LONGEST_LIST) {
        let (old, new) = (shown(it.old.as_ref()), shown(it.new.as_ref()));
        let line = match (&it.old, &it.new) {
            (None, _) => format!("- {} is new: {}\n", code(&it.path), code(&new)),
            (_, None) => format!("- {} is gone, was {}\n", code(&it.path), code(&old)),
            _ => format!("- {}: {} → {}\n", code(&it.path), code(&old), code(&new)),
        };
        text.push_str(&line);
    }
    let more = changed.len().saturating_sub(LONGEST_LIST);
    if more > 0 {
        let _ = writeln!(text, "- and {more} more");
    }
    text
}

/// Whether a place lies in a part of the spec, by whole steps.
fn is_within(path: &str, part: &str) -> bool {
    path.strip_prefix(part).is_some_and(|rest| rest.is_empty() || rest.starts_with(['.', '[']))
}

/// Whether a place belongs to one flag or rollout alone.
fn is_own(path: &str) -> bool {
    path.starts_with("flags.") || path.starts_with("flags[") || path.starts_with("rollouts.")
}

/// What makes no difference to made-up units: they have their ids in every source, and are asked about
/// each flag where it is delivered.
fn is_unasked(path: &str) -> bool {
    let flag = path.strip_prefix("flags").unwrap_or_default();
    let field = flag.strip_prefix('.').and_then(|rest| rest.split_once('.'));
    let field = field.or_else(|| flag.split_once("\"].")).map(|(_, field)| field);
    is_within(path, "units") || field.is_some_and(|field| is_within(field, "deliver"))
}

/// Fields that no decision looks at.
fn is_for_people(path: &str) -> bool {
    [".owner", ".purpose", ".expires"].iter().any(|field| path.ends_with(field))
}

/// `12,345`.
pub(super) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `4.912 %`; somebody is never nobody.
pub(super) fn shown_percent(percent: f64) -> String {
    if percent > 0.0 && percent < 0.001 {
        return "below 0.001 %".to_owned();
    }
    let text = format!("{percent:.3}");
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

/// The same for tools.
pub fn json(diff: &Diff, max_moved: Option<f64>) -> Value {
    let version =
        |(revision, digest): &(u64, String)| json!({ "revision": revision, "digest": digest });
    json!({
        "at": diff.at.to_string(),
        "old": version(&diff.old),
        "new": version(&diff.new),
        "of": match diff.who {
            Who::MadeUp => "made-up units",
            Who::Listed => "listed units",
            Who::Requests => "requests",
        },
        "mostPercent": diff.most(),
        "maxMovedPercent": max_moved,
        "groupsLeftOut": diff.left_out,
        "latches": diff.latched,
        "groups": diff.groups.iter().map(group_json).collect::<Vec<_>>(),
        "rollouts": margin::rollouts_json(diff),
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
        "copies": margin::copies_json(group),
        "parts": group.parts.iter().map(|part| json!({
            "path": part.path,
            "was": match &part.was {
                Was::Same | Was::Gone => None,
                Was::Nothing => Some("nothing"),
                Was::Other(path) => Some(path.as_str()),
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
    fn numbers_for_people() {
        assert_eq!((grouped(0), grouped(999)), ("0".into(), "999".into()));
        assert_eq!((grouped(1000), grouped(1_234_567)), ("1,000".into(), "1,234,567".into()));
        assert_eq!(shown_percent(4.9), "4.9 %");
        assert_eq!(shown_percent(100.0), "100 %");
        assert_eq!(shown_percent(0.000_01), "below 0.001 %");
        assert_eq!(shown_percent(0.0), "0 %");
    }

    #[test]
    fn only_a_flags_own_field_says_where_it_is_delivered() {
        for path in
            ["units.user", "flags.a.deliver", "flags.a.deliver.paths[0]", "flags[\"a.b\"].deliver"]
        {
            assert!(is_unasked(path), "{path}");
        }
        for path in
            ["flags.a.variants.deliver", "flags.deliver.rules", "flags[\"a.deliver\"].rules"]
        {
            assert!(!is_unasked(path), "{path}");
        }
    }

    #[test]
    fn a_part_is_not_one_whose_name_begins_alike() {
        assert!(is_within("flags.a.rules[0]", "flags.a"));
        assert!(!is_within("flags.ab", "flags.a"));
    }
}
