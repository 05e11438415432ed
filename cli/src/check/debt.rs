//! `serin check --debt`: the flags of a spec, and those that could be removed.

use super::args::{CheckArgs, Format};
use super::file::print;
use crate::diagnostics::report::Report;
use crate::failure::Failure;
use crate::number_format::counted;
use crate::style::{self, Tone};
use serde_json::{Value, json};
use serin_analysis::debt::{Debt, Expiry, debt};
use serin_core::Timestamp;
use serin_core::spec::FlagKind;

/// Prints the flags of every spec, and returns whether any spec has errors.
pub(crate) fn run(args: &CheckArgs, reports: &[Report], at: Timestamp) -> Result<bool, Failure> {
    if args.format == Format::Sarif {
        return Err(Failure::trouble("--debt prints text or json, not sarif"));
    }
    let mut files = Vec::new();
    let mut bad = false;
    for report in reports {
        let Some((spec, _)) = &report.good else {
            bad = true;
            if args.format == Format::Json {
                files.push(json!({ "file": report.source.name, "flags": null }));
            } else {
                print(report);
            }
            continue;
        };
        let flags = debt(spec, at);
        if args.format == Format::Json {
            let list: Vec<Value> = flags.iter().map(value).collect();
            files.push(json!({ "file": report.source.name, "flags": list }));
        } else {
            print_table(&report.source.name, &flags, at);
        }
    }
    if args.format == Format::Json {
        println!("{}", json!({ "at": at.to_string(), "files": files }));
    }
    Ok(bad)
}

fn kind(kind: Option<FlagKind>) -> &'static str {
    match kind {
        Some(FlagKind::Release) => "release",
        Some(FlagKind::Experiment) => "experiment",
        Some(FlagKind::Ops) => "ops",
        Some(FlagKind::Permission) => "permission",
        None => "no kind",
    }
}

fn value(debt: &Debt<'_>) -> Value {
    let days = match debt.expiry {
        Expiry::Never => None,
        Expiry::In(days) => i64::try_from(days).ok(),
        Expiry::Past(days) => i64::try_from(days).ok().map(|days| -days),
    };
    json!({
        "flag": debt.name,
        "kind": debt.flag.kind.map(|given| kind(Some(given))),
        "owner": debt.flag.owner,
        "expires": debt.flag.expires,
        "expiresInDays": days,
        "expired": matches!(debt.expiry, Expiry::Past(_)),
        "everybodyHas": debt.decided,
        "stepsSince": debt.begun.map(|begun| begun.to_string()),
    })
}

fn print_table(name: &str, flags: &[Debt<'_>], at: Timestamp) {
    let heading = format!("{name}: {} at {at}", counted(flags.len(), "flag"));
    println!("{}", style::out(Tone::Strong, &heading));
    let mut rows = vec![
        ["FLAG", "KIND", "OWNER", "EXPIRES", "EVERYBODY HAS", "STEPS SINCE"].map(str::to_owned),
    ];
    let mut sorted: Vec<&Debt<'_>> = flags.iter().collect();
    sorted.sort_by_key(|debt| (order(debt.expiry), debt.name));
    rows.extend(sorted.iter().map(|debt| row(debt)));
    let widths: [usize; 6] =
        std::array::from_fn(|at| rows.iter().map(|row| row[at].chars().count()).max().unwrap_or(0));
    for row in &rows {
        let cells: Vec<String> =
            row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        println!("  {}", cells.join("  ").trim_end());
    }
    println!();
    let count = |is: &dyn Fn(&Debt<'_>) -> bool| flags.iter().filter(|debt| is(debt)).count();
    let kinds = ["release", "experiment", "ops", "permission", "no kind"];
    let by_kind: Vec<String> = kinds
        .iter()
        .map(|name| (count(&|debt| kind(debt.flag.kind) == *name), name))
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    println!("  by kind: {}", by_kind.join(", "));
    println!(
        "  expired: {}, expiring within 14 days: {}, the same for everybody: {}",
        count(&|debt| matches!(debt.expiry, Expiry::Past(_))),
        count(&|debt| matches!(debt.expiry, Expiry::In(0..=14))),
        count(&|debt| debt.decided.is_some()),
    );
    println!(
        "  EVERYBODY HAS: no rule, unit or time gives another variant; holdouts and `requires` are not\n  \
         considered. STEPS SINCE: the `start` of the flag's steps."
    );
}

/// The sort key of an expiry: the longest expired first, flags that never expire last.
fn order(expiry: Expiry) -> (u8, u64) {
    match expiry {
        Expiry::Past(days) => (0, u64::MAX - days),
        Expiry::In(days) => (1, days),
        Expiry::Never => (2, 0),
    }
}

fn row(debt: &Debt<'_>) -> [String; 6] {
    let flag = debt.flag;
    let days = |days: u64| counted(usize::try_from(days).unwrap_or(usize::MAX), "day");
    let expires = match (debt.expiry, &flag.expires) {
        (Expiry::In(left), Some(text)) => format!("{text}, in {}", days(left)),
        (Expiry::Past(over), Some(text)) => format!("{text}, {} ago", days(over)),
        _ => "-".to_owned(),
    };
    // Strings of the spec may contain control characters.
    let or_none = |text: Option<&str>| {
        text.map_or("-".to_owned(), annotate_snippets::normalize_untrusted_str)
    };
    [
        debt.name.to_owned(),
        kind(flag.kind).to_owned(),
        or_none(flag.owner.as_deref()),
        expires,
        or_none(debt.decided),
        debt.begun.map_or("-".to_owned(), |begun| begun.to_string()),
    ]
}
