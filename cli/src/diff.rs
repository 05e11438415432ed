//! `serin diff`: the units that a change of a spec moves.
use crate::arguments::parse_timestamp;
use crate::clock::now;
use crate::failure::{Failure, SPEC_ERRORS};
use crate::lines::Lines;
use crate::spec_file::{self, SpecFile};
use crate::{input, latches_file, style};
use clap::Args;
use serde_json::Value;
use serin_core::gate::Latches;
use serin_core::{Spec, Timestamp};
use serin_fleet::diff::{self, Comparison, Diff, Request, RequestError, Side};
use std::cell::Cell;
use std::collections::HashSet;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// What `serin diff --help` ends with.
const HELP: &str = "\
Exit codes: 0 at most --max-moved move; 1 more than --max-moved move, or a spec has errors; 2 wrong usage
or a file that cannot be read.

Examples:
  git show main:spec.yaml | serin diff - spec.yaml --max-moved 5
  serin diff old.yaml new.yaml --list customers.txt
  serin diff aborted.yaml raised.yaml --latches latches.json
  serin diff old.yaml new.yaml --access-log requests.jsonl --json";

#[derive(Args)]
#[command(after_help = HELP)]
pub(crate) struct DiffArgs {
    /// The current spec, in YAML or JSON; - is standard input
    old: PathBuf,
    /// The changed spec
    new: PathBuf,
    /// Compare the decisions about N units with generated ids
    #[arg(long, value_name = "N", default_value = "100000", value_parser = clap::value_parser!(u64).range(1..=1_000_000), conflicts_with_all = ["list", "access_log"])]
    units: u64,
    /// Compare the decisions about the units in a file, one id a line
    #[arg(long, value_name = "FILE", conflicts_with = "access_log")]
    list: Option<PathBuf>,
    /// Compare the decisions about recorded requests, one JSON object a line with method, url, headers and
    /// facts
    #[arg(long, value_name = "FILE")]
    access_log: Option<PathBuf>,
    /// Exit with 1 if more than PERCENT of the units move, of all or of any cohort
    #[arg(long, value_name = "PERCENT", value_parser = parse_percent)]
    max_moved: Option<f64>,
    /// The hosts' latches: aborts, and steps that gates have ended (JSON, as latch sources serve them)
    #[arg(long, value_name = "FILE")]
    latches: Option<PathBuf>,
    /// The time of the decisions, in RFC 3339 [default: now]
    #[arg(long, value_name = "TIME", value_parser = parse_timestamp)]
    at: Option<Timestamp>,
    /// Print JSON instead of Markdown
    #[arg(long)]
    json: bool,
}

/// The largest number of ids, as for `--units`.
const MAX_IDS: usize = 1_000_000;

/// A spec without errors, in all its forms.
struct Loaded {
    document: Value,
    spec: Spec,
    file: SpecFile,
}

impl Loaded {
    fn side(&self) -> Side<'_> {
        Side { document: &self.document, spec: &self.spec, plan: &self.file.plan }
    }
}

/// Parses a share in per cent.
fn parse_percent(text: &str) -> Result<f64, String> {
    let percent: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
    if !(0.0..=100.0).contains(&percent) {
        return Err(format!("{text} is not between 0 and 100 per cent"));
    }
    Ok(percent)
}

pub(crate) fn run(args: &DiffArgs) -> Result<(), Failure> {
    let (list, log, latches) =
        (args.list.as_deref(), args.access_log.as_deref(), args.latches.as_deref());
    input::one_stdin(&[Some(&args.old), Some(&args.new), list, log, latches])?;
    let (old, new) = (load(&args.old)?, load(&args.new)?);
    let mut comparison = Comparison::new(old.side(), new.side(), args.at.unwrap_or_else(now));
    if let Some(path) = latches {
        let latches = latches_file::read(path)?;
        note_unknown_rollouts(path, &latches, [&old, &new]);
        comparison = comparison.with_latches(&latches);
    }
    let progress = Progress::new();
    let update = |done, all| progress.update(done, all);
    let found = compare(args, &comparison.with_progress(&update));
    progress.end();
    let found = found?;
    if args.json {
        println!("{}", diff::json(&found, args.max_moved));
    } else {
        print!("{}", diff::markdown(&found, args.max_moved));
    }
    if args.max_moved.is_some_and(|bound| found.is_above(bound)) {
        return Err(Failure::silent(SPEC_ERRORS));
    }
    Ok(())
}

/// The progress of a comparison, on one line of a terminal; shown once it takes more than a second.
struct Progress {
    next: Cell<Instant>,
    is_shown: Cell<bool>,
}

impl Progress {
    const PAUSE: Duration = Duration::from_secs(1);

    fn new() -> Progress {
        Progress { next: Cell::new(Instant::now() + Self::PAUSE), is_shown: Cell::new(false) }
    }

    fn update(&self, done: u64, all: Option<u64>) {
        // Reading the clock costs as much as one decision.
        if !done.is_multiple_of(256) || Instant::now() < self.next.get() {
            return;
        }
        self.next.set(Instant::now() + Self::PAUSE);
        if std::io::stderr().is_terminal() {
            self.is_shown.set(true);
            let of = all.map(|all| format!(" of {all}")).unwrap_or_default();
            eprint!("\r\x1b[Kserin: compared {done}{of}");
        }
    }

    fn end(&self) {
        if self.is_shown.get() {
            eprint!("\r\x1b[K");
        }
    }
}

/// Notes latches of rollouts that neither spec has: most likely they belong to another fleet.
fn note_unknown_rollouts(path: &Path, latches: &Latches, sides: [&Loaded; 2]) {
    let names = latches.list().iter().map(|latch| latch.rollout.as_str());
    let unknown = |name: &&str| sides.iter().all(|side| side.spec.rollouts.get(name).is_none());
    let mut unknown = names.filter(unknown);
    let Some(first) = unknown.next() else { return };
    let more = match unknown.count() {
        0 => String::new(),
        more => format!(", nor {more} more of its rollouts"),
    };
    style::note(&format!("{}: neither spec has a rollout {first:?}{more}", path.display()));
}

fn load(path: &Path) -> Result<Loaded, Failure> {
    let file = spec_file::load(path)?;
    let spec = Spec::from_json(&file.json)
        .map_err(|errors| spec_file::has_errors(path, &errors.to_string()))?;
    let document = serde_json::from_slice(&file.json)
        .map_err(|error| Failure::trouble(format!("{}: {error}", path.display())))?;
    Ok(Loaded { document, spec, file })
}

fn compare(args: &DiffArgs, comparison: &Comparison<'_>) -> Result<Diff, Failure> {
    if let Some(path) = &args.access_log {
        return comparison.requests(requests(path)?);
    }
    let Some(path) = &args.list else {
        return Ok(comparison.units(&diff::made_up_ids(args.units), true));
    };
    Ok(comparison.units(&ids(path)?, false))
}

/// The ids of a file, each once, in the order of their first lines.
fn ids(path: &Path) -> Result<Vec<String>, Failure> {
    let mut known = HashSet::new();
    let mut ids = Vec::new();
    for line in Lines::open(path)? {
        let (_, id) = line?;
        if known.insert(id.clone()) {
            ids.push(id);
        }
        if ids.len() > MAX_IDS {
            let why = format!("more than {MAX_IDS} ids, give a sample of them");
            return Err(Failure::trouble(format!("{}: {why}", path.display())));
        }
    }
    if ids.is_empty() {
        return Err(Failure::trouble(format!("{}: the file has no ids", path.display())));
    }
    Ok(ids)
}

/// The requests of a log. The failure lists the lines that are not requests.
fn requests(path: &Path) -> Result<impl Iterator<Item = Result<Request, Failure>>, Failure> {
    let name = path.display().to_string();
    let mut lines = Lines::open(path)?.peekable();
    if lines.peek().is_none() {
        return Err(Failure::trouble(format!("{name}: the file has no requests")));
    }
    Ok(std::iter::from_fn(move || {
        let parsed = lines.next()?.map(|(number, line)| (number, diff::parse_request(&line)));
        Some(match parsed {
            Ok((_, Ok(request))) => Ok(request),
            Ok((number, Err(error))) => Err(wrong_lines(&name, (number, error), &mut lines)),
            Err(failure) => Err(failure),
        })
    }))
}

/// The failure that lists the lines that are not requests, from the first one on.
fn wrong_lines(
    name: &str,
    first: (usize, RequestError),
    rest: &mut impl Iterator<Item = Result<(usize, String), Failure>>,
) -> Failure {
    const MAX_LINES: usize = 10;
    let others = rest
        .map_while(Result::ok)
        .filter_map(|(number, line)| diff::parse_request(&line).err().map(|error| (number, error)));
    let (mut text, mut count) = (String::new(), 0_usize);
    for (number, why) in std::iter::once(first).chain(others) {
        count += 1;
        if count <= MAX_LINES {
            let separator = if count == 1 { "" } else { "\n" };
            text += &format!("{separator}{name}:{number}: {why}");
        }
    }
    if count > MAX_LINES {
        text += &format!("\nand {} more lines that are not requests", count - MAX_LINES);
    }
    Failure::trouble(text)
}
