//! `serin check --against`: the shares of units that an edit moves.

use super::args::{CheckArgs, Format};
use super::file::{load, print};
use crate::diagnostics::report::Report;
use crate::failure::Failure;
use crate::style::{self, Tone};
use serde_json::{Value, json};
use serin_analysis::moves::{Change, Move, Moves, moves};
use serin_core::Timestamp;
use std::path::Path;

/// Compares every spec with the old one, and returns whether any of them has errors.
pub(crate) fn run(
    args: &CheckArgs,
    old: &Path,
    reports: &[Report],
    at: Timestamp,
) -> Result<bool, Failure> {
    if args.format == Format::Sarif {
        return Err(Failure::trouble("--against prints text or json, not sarif"));
    }
    let old = load(old, at, &args.allow)?;
    let Some((old_spec, old_plan)) = &old.good else {
        if args.format == Format::Json {
            println!("{}", super::json::document(std::slice::from_ref(&old)));
        } else {
            print(&old);
        }
        return Ok(true);
    };
    let mut files = Vec::new();
    let mut bad = false;
    for report in reports {
        let name = &report.source.name;
        let Some((spec, plan)) = &report.good else {
            bad = true;
            if args.format == Format::Json {
                files.push(json!({ "file": name, "moves": null }));
            } else {
                print(report);
            }
            continue;
        };
        let found = moves((old_spec, old_plan), (spec, plan), at);
        if args.format == Format::Json {
            let list: Vec<Value> = found.iter().map(value).collect();
            files.push(json!({ "file": name, "moves": list }));
        } else {
            print_moves(&format!("{} → {name}", old.source.name), &found, at);
        }
    }
    if args.format == Format::Json {
        println!("{}", json!({ "against": old.source.name, "at": at.to_string(), "files": files }));
    }
    Ok(bad)
}

fn change_name(change: Change) -> &'static str {
    match change {
        Change::Nobody => "nobody",
        Change::Moved => "moved",
        Change::Redrawn => "redrawn",
        Change::Added => "added",
        Change::Removed => "removed",
    }
}

fn value(moves: &Moves) -> Value {
    let of = |moved: &Move| json!({ "from": moved.from, "to": moved.to, "percent": percent(moved.share) });
    json!({
        "path": moves.path,
        "change": change_name(moves.change),
        "percent": percent(moves.total()),
        "moves": moves.list.iter().map(of).collect::<Vec<_>>(),
        "leastPercent": moves.past.as_ref().map(|(min, _)| percent(*min)),
        "past": moves.past.as_ref().map(|(_, line)| line),
        "also": moves.notes,
    })
}

/// A share in 10⁻¹⁰ as per cent.
#[allow(clippy::cast_precision_loss)]
fn percent(share: u64) -> f64 {
    share as f64 / 1e8
}

/// A share in 10⁻¹⁰ for people: `12.5 %`, rounded up to 0.001.
fn rounded(share: u64) -> String {
    let thousandths = share.div_ceil(100_000);
    let text = format!("{}.{:03}", thousandths / 1000, thousandths % 1000);
    format!("{} %", text.trim_end_matches('0').trim_end_matches('.'))
}

fn print_moves(title: &str, found: &[Moves], at: Timestamp) {
    println!("{}", style::out(Tone::Strong, &format!("{title} at {at}")));
    for moves in found {
        println!("\n  {}: {}", style::out(Tone::Strong, &moves.path), headline(moves));
        for moved in &moves.list {
            println!("    {:>9}  {} → {}", rounded(moved.share), moved.from, moved.to);
        }
        for note in &moves.notes {
            println!("    {note}");
        }
        if let Some((min, line)) = &moves.past {
            let (total, min) = (rounded(moves.total()), rounded(*min));
            println!("    {min} would be enough instead of {total}: next to split, add");
            println!("      {line}");
        }
    }
    if found.is_empty() {
        return println!("\n  No unit moves.");
    }
    println!("\n  Shares are of the units that reach the rule.");
}

fn headline(moves: &Moves) -> String {
    match moves.change {
        Change::Nobody => "no bucket moves".to_owned(),
        Change::Moved => format!("{} move", rounded(moves.total())),
        Change::Redrawn => {
            let total = rounded(moves.total());
            format!("about {total} move, because the unit, salt or mode has changed")
        }
        Change::Added => "new".to_owned(),
        Change::Removed => "gone".to_owned(),
    }
}
