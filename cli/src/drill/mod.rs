//! `serin drill`: a game day in the simulator, on a virtual clock, through the real filter.

mod args;
mod decision_record;
mod fault;
mod groups;
mod html;
mod json;
mod markup;
mod observer;
mod proxy;
mod request;
mod run;
mod run_config;
mod sample_attributes;
mod step_record;
mod subject;
mod summary;
mod svg;
mod text;
mod timeline;
mod upstream_model;
mod users;

use crate::failure::Failure;
use crate::{filter, spec_file};
pub(crate) use args::DrillArgs;
use fault::Fault;
use run_config::{Load, RunConfig};
use serin_host_sim::Module;
use std::fs::File;
use std::io::{IsTerminal, Write};
use std::path::Path;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::sync::atomic::{AtomicUsize, Ordering};
use subject::Subject;
use summary::Drill;
use timeline::Timeline;
use upstream_model::UpstreamModel;
use users::Users;

/// No run has more requests unless its length is given.
const MOST_REQUESTS: f64 = 1_000_000.0;
/// A drill of one fault shows more with some healthy runs beside it.
const HEALTHY_RUNS: u64 = 2;

/// Drills, and says what came of it.
pub(crate) fn run(args: &DrillArgs) -> Result<(), Failure> {
    let file = spec_file::load(&args.spec).map_err(|failure| Failure {
        message: format!("{} has errors\n\n{}", args.spec.display(), failure.message),
        ..failure
    })?;
    let mut subject = Subject::new(file, args.rollout.as_deref())?;
    subject.find_groups(&args.cohorts);
    let faults = match args.faults.is_empty() {
        true => suite(&subject),
        false => args.faults.clone(),
    };
    let struck = faults.iter().filter_map(|fault| fault.cohort.as_deref());
    for cohort in struck.chain(args.cohorts.iter().map(|(name, _)| &**name)) {
        subject.expect_group(cohort).map_err(Failure::trouble)?;
    }
    let wasm = filter::bytes(args.filter.as_deref())?;
    let module = Module::compile(wasm);
    let module = module.map_err(|error| Failure::trouble(format!("the filter: {error}")))?;
    let report = args.html.as_deref().map(report_file).transpose()?;
    let timelines = all(args, &subject, &faults, &module)?;
    let drill = Drill { args, subject: &subject, faults: &faults, timelines: &timelines };
    if let Some(Report { path, .. }) = report {
        std::fs::write(path, html::page(&drill)).map_err(|error| unwritable(path, &error))?;
    }
    if args.json {
        println!("{}", json::document(&drill));
    } else {
        print!("{}", text::rendered(&drill));
    }
    Ok(())
}

/// Where the report goes.
struct Report<'a> {
    path: &'a Path,
    /// Open from the beginning: better to fail then than after minutes of drilling.
    _file: File,
}

/// Whatever is in the file stays until there is something better.
fn report_file(path: &Path) -> Result<Report<'_>, Failure> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    file.map(|file| Report { path, _file: file }).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::trouble(format!("{}: the report cannot be written: {error}", path.display()))
}

/// What goes wrong unless told: everything that can, and nothing.
fn suite(subject: &Subject) -> Vec<Fault> {
    let mut texts: Vec<String> =
        ["healthy", "errors=2x", "errors=5x", "errors=10x", "errors=50%", "errors=5x,onset=10m"]
            .map(str::to_owned)
            .into();
    texts.push("latency=1.5x".to_owned());
    let judged = subject.groups.iter().filter(|group| group.judged);
    texts.extend(judged.map(|group| format!("cohort={}:errors=20x", group.name)));
    if subject.kpi.is_some() {
        texts.push("kpi=0.5x".to_owned());
    }
    if subject.plan.rollout(subject.id).is_some_and(|rollout| rollout.shadow().is_some()) {
        texts.push("shadow".to_owned());
    }
    texts.push("down".to_owned());
    texts.iter().filter_map(|text| fault::parse(text).ok()).collect()
}

/// Which run of which fault.
#[derive(Clone, Copy)]
struct Place {
    fault: usize,
    run: u64,
}

/// Every run of every fault, on all processors; in order.
fn all(
    args: &DrillArgs,
    subject: &Subject,
    faults: &[Fault],
    module: &Module,
) -> Result<Vec<Vec<Timeline>>, Failure> {
    let runs = |fault: &Fault| match args.runs {
        Some(runs) => runs,
        None if fault.is_healthy() => HEALTHY_RUNS,
        None => 1,
    };
    let places: Vec<Place> = faults
        .iter()
        .enumerate()
        .flat_map(|(fault, given)| (0..runs(given)).map(move |run| Place { fault, run }))
        .collect();
    // The longest first, so that none is left over in the end.
    let mut order: Vec<usize> = (0..places.len()).collect();
    order.sort_by_key(|index| !faults[places[*index].fault].is_healthy());
    let (next, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results = Mutex::new(vec![None; places.len()]);
    let work = || {
        loop {
            let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            let place = places[*index];
            let result = one(args, subject, &faults[place.fault], module, place);
            results.lock().unwrap_or_else(PoisonError::into_inner)[*index] = Some(result);
            progress(finished.fetch_add(1, Ordering::Relaxed) + 1, places.len());
        }
    };
    progress(0, places.len());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut timelines: Vec<Vec<Timeline>> = faults.iter().map(|_| Vec::new()).collect();
    for (place, result) in places.iter().zip(results) {
        let result = result.unwrap_or_else(|| Err("a run came to no end".to_owned()));
        timelines[place.fault].push(result.map_err(Failure::trouble)?);
    }
    Ok(timelines)
}

/// One run. Its users are those of every run with its number.
fn one(
    args: &DrillArgs,
    subject: &Subject,
    fault: &Fault,
    module: &Module,
    place: Place,
) -> Result<Timeline, String> {
    let mut random = users::random(args.seed, "users", place.run);
    let users = Users::new(subject, args.users, &mut random);
    let most_ms = MOST_REQUESTS / args.rps * 1000.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let longest_ms = args.length.unwrap_or(most_ms as u64);
    let load = Load {
        per_second: args.rps,
        workers: usize::from(args.workers),
        kpi: f64::from(args.kpi_rate.ppm()) / 1e6,
        longest_ms,
    };
    let errors = f64::from(args.error_rate.ppm()) / 1e6;
    let model = UpstreamModel { subject, fault, errors, start_ms: subject.start_ms };
    let random = users::random(args.seed, &fault.label, place.run);
    let seed = args.seed.wrapping_add(place.run);
    run::run(RunConfig { module, model, users: &users, load, random, seed })
}

/// A line that is written over, on terminals.
fn progress(finished: usize, all: usize) {
    let mut err = std::io::stderr();
    if !err.is_terminal() {
        return;
    }
    let done = finished == all;
    let line =
        if done { "\r\x1b[K".to_owned() } else { format!("\rdrill: {finished} of {all} runs") };
    // Who cannot see it misses nothing.
    let _ = err.write_all(line.as_bytes()).and_then(|()| err.flush());
}
