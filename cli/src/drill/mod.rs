//! `serin drill`: a game day in the simulator, on a virtual clock, through the real filter.

mod args;
mod decision_record;
mod fault;
mod groups;
mod html;
mod json;
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

/// The mean number of requests in a run without `--for`.
const MAX_REQUESTS: f64 = 1_000_000.0;
/// The default number of healthy runs: false aborts are rare, so more than one run is needed.
const HEALTHY_RUNS: u64 = 2;

/// Runs the drill and prints its report.
pub(crate) fn run(args: &DrillArgs) -> Result<(), Failure> {
    let file = spec_file::load(&args.spec)?;
    let mut subject = Subject::new(file, args.rollout.as_deref())?;
    subject.find_groups(&args.cohorts);
    let faults = match args.faults.is_empty() {
        true => default_faults(&subject),
        false => args.faults.clone(),
    };
    let affected = faults.iter().filter_map(|fault| fault.cohort.as_deref());
    for cohort in affected.chain(args.cohorts.iter().map(|(name, _)| &**name)) {
        subject.expect_group(cohort).map_err(Failure::trouble)?;
    }
    let wasm = filter::bytes(args.filter.as_deref())?;
    let module = Module::compile(wasm);
    let module = module.map_err(|error| filter::unusable(&error))?;
    let report = args.html.as_deref().map(report_file).transpose()?;
    let timelines = run_all(args, &subject, &faults, &module)?;
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

/// The file of the HTML report.
struct Report<'a> {
    path: &'a Path,
    /// Opened before the first run: a failure after minutes of drilling would be too late.
    _file: File,
}

/// Opens the report for writing. An older report stays until the new one is complete.
fn report_file(path: &Path) -> Result<Report<'_>, Failure> {
    let file = File::options().create(true).truncate(false).write(true).open(path);
    file.map(|file| Report { path, _file: file }).map_err(|error| unwritable(path, &error))
}

fn unwritable(path: &Path, error: &std::io::Error) -> Failure {
    Failure::trouble(format!("{}: the report cannot be written: {error}", path.display()))
}

/// The faults of a drill without `--fault`: every kind that has an effect in this rollout.
fn default_faults(subject: &Subject) -> Vec<Fault> {
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

/// A run by its fault's index and its number.
#[derive(Clone, Copy)]
struct RunId {
    fault: usize,
    run: u64,
}

/// Every run of every fault, on all processors. The timelines are in the order of the faults.
fn run_all(
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
    let ids: Vec<RunId> = faults
        .iter()
        .enumerate()
        .flat_map(|(fault, given)| (0..runs(given)).map(move |run| RunId { fault, run }))
        .collect();
    // Healthy runs are the longest. Started first, none of them keeps one processor busy at the end.
    let mut order: Vec<usize> = (0..ids.len()).collect();
    order.sort_by_key(|index| !faults[ids[*index].fault].is_healthy());
    let (next, finished) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let results = Mutex::new(vec![None; ids.len()]);
    let work = || {
        loop {
            let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            let id = ids[*index];
            let result = run_one(args, subject, &faults[id.fault], module, id);
            results.lock().unwrap_or_else(PoisonError::into_inner)[*index] = Some(result);
            progress(finished.fetch_add(1, Ordering::Relaxed) + 1, ids.len());
        }
    };
    progress(0, ids.len());
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(work);
        }
    });
    let results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
    let mut timelines: Vec<Vec<Timeline>> = faults.iter().map(|_| Vec::new()).collect();
    for (id, result) in ids.iter().zip(results) {
        let result = result.unwrap_or_else(|| Err("a run did not finish".to_owned()));
        timelines[id.fault].push(result.map_err(Failure::trouble)?);
    }
    Ok(timelines)
}

/// One run. Runs of one number have the same users, whatever the fault.
fn run_one(
    args: &DrillArgs,
    subject: &Subject,
    fault: &Fault,
    module: &Module,
    id: RunId,
) -> Result<Timeline, String> {
    let mut random = users::random(args.seed, "users", id.run);
    let users = Users::new(subject, args.users, &mut random);
    let default_ms = MAX_REQUESTS / args.rps * 1000.0;
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let max_ms = args.length.unwrap_or(default_ms as u64);
    let load = Load {
        per_second: args.rps,
        workers: usize::from(args.workers),
        kpi: f64::from(args.kpi_rate.ppm()) / 1e6,
        max_ms,
    };
    let errors = f64::from(args.error_rate.ppm()) / 1e6;
    let model = UpstreamModel { subject, fault, errors, start_ms: subject.start_ms };
    let random = users::random(args.seed, &fault.label, id.run);
    let seed = args.seed.wrapping_add(id.run);
    run::run(RunConfig { module, model, users: &users, load, random, seed })
}

/// Shows the progress on one line of a terminal, which the next call overwrites.
fn progress(finished: usize, all: usize) {
    let mut err = std::io::stderr();
    if !err.is_terminal() {
        return;
    }
    let done = finished == all;
    let line =
        if done { "\r\x1b[K".to_owned() } else { format!("\rdrill: {finished} of {all} runs") };
    // A progress line that cannot be written is no error.
    let _ = err.write_all(line.as_bytes()).and_then(|()| err.flush());
}
