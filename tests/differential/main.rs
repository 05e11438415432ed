//! Native Rust against the filter's wasm module: random specs and requests, decided by both and compared
//! byte for byte.
//!
//! ```text
//! differential [--cases N] [--seed N] [--per-spec N] [--write FILE]
//! ```
//! With `--write` nothing is compared. The pairs are written to a file as vectors with native Rust's
//! outcomes, which `tests/reference/check.py` decides again.
//!
//! Equal seeds give equal runs. Spec number `i` of a run is spec 0 of a run with the seed `seed + i`, so
//! a single difference can be reproduced alone.

mod pair;
mod shrink;

use serde_json::{Value, json};
use serin_conformance::random::Random;
use serin_conformance::vector::Case;
use serin_conformance::{native, random, sim};
use serin_core::Plan;
use serin_host_sim::Module;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The default number of requests under each spec.
const PER_SPEC: u64 = 100;
/// The default number of pairs of spec and request.
const CASES: u64 = 20_000;
/// The number of differences after which a run stops.
const MAX_DIFFERENCES: u64 = 3;
/// The number of pairs from which on a run must cover each kind of outcome.
const MIN_CASES_FOR_COVERAGE: u64 = 10_000;

struct Arguments {
    cases: u64,
    seed: u64,
    per_spec: u64,
    write: Option<PathBuf>,
}

fn main() -> ExitCode {
    let outcome = arguments().and_then(|arguments| match &arguments.write {
        Some(file) => write(&arguments, file),
        None => run(&arguments),
    });
    match outcome {
        Ok(code) => code,
        Err(why) => {
            println!("FAILED native against filter.wasm: {why}");
            println!(
                "test result: FAILED. 0 passed; 1 failed; 0 ignored (native against filter.wasm)"
            );
            ExitCode::FAILURE
        }
    }
}

fn arguments() -> Result<Arguments, String> {
    let mut arguments = Arguments { cases: CASES, seed: 1, per_spec: PER_SPEC, write: None };
    let mut given = std::env::args().skip(1);
    while let Some(option) = given.next() {
        let slot = match option.as_str() {
            "--cases" => &mut arguments.cases,
            "--seed" => &mut arguments.seed,
            "--per-spec" => &mut arguments.per_spec,
            "--write" => {
                arguments.write = given.next().map(PathBuf::from);
                continue;
            }
            // Arguments that cargo passes to every test.
            other if !other.starts_with("--") || other == "--quiet" => continue,
            other => {
                return Err(format!(
                    "unknown option {other}, use --cases, --seed, --per-spec or --write"
                ));
            }
        };
        let number = given.next().and_then(|text| text.replace('_', "").parse().ok());
        *slot = number.ok_or_else(|| format!("{option} needs a number"))?;
    }
    arguments.per_spec = arguments.per_spec.max(1);
    Ok(arguments)
}

fn run(arguments: &Arguments) -> Result<ExitCode, String> {
    let Arguments { cases, seed, per_spec, .. } = *arguments;
    let specs = cases.div_ceil(per_spec);
    eprintln!("differential: {cases} pairs, {specs} specs, --seed {seed}");
    let module = sim::filter()?;
    let (start, mut last_progress) = (Instant::now(), Instant::now());
    let (mut passed, mut failed) = (0, 0);
    let mut coverage = pair::Coverage::default();
    for number in 0..specs {
        let seed = seed.wrapping_add(number);
        let left = cases - number * per_spec;
        match run_spec(&module, seed, per_spec.min(left), &mut coverage) {
            Ok(count) => passed += count,
            Err(why) => {
                failed += 1;
                println!(
                    "FAILED native against filter.wasm: --seed {seed} --cases {per_spec} --per-spec {per_spec}\n{why}"
                );
            }
        }
        if last_progress.elapsed() > Duration::from_secs(5) {
            last_progress = Instant::now();
            eprintln!(
                "differential: {passed} pairs agree, {failed} differ, {} s",
                start.elapsed().as_secs()
            );
        }
        if failed == MAX_DIFFERENCES {
            break;
        }
    }
    println!("{coverage}");
    let missing = coverage.missing();
    if cases >= MIN_CASES_FOR_COVERAGE && !missing.is_empty() {
        failed += 1;
        println!("FAILED native against filter.wasm: no request with {}", missing.join(", "));
    }
    let word = if failed == 0 { "ok" } else { "FAILED" };
    let seconds = start.elapsed().as_secs_f64();
    println!(
        "test result: {word}. {passed} passed; {failed} failed; 0 ignored (native against filter.wasm, seed {seed}, {seconds:.1} s)"
    );
    Ok(ExitCode::from(u8::from(failed > 0)))
}

/// Generates the spec and the requests of a seed, and compiles the plan.
fn generate(seed: u64, count: u64) -> Result<(Value, Vec<Case>, Plan), String> {
    let mut random = Random::new(seed);
    let spec = random::spec(&mut random);
    let mut cases: Vec<_> = (0..count).map(|_| random::request(&mut random)).collect();
    for case in &mut cases {
        if random.chance(10) {
            case.latches = Some(random::latches(&mut random, &spec));
        }
    }
    // A VM's clock never goes back.
    cases.sort_by_key(|case| case.now);
    match Plan::from_json(spec.to_string().as_bytes()) {
        Ok(plan) => Ok((spec, cases, plan)),
        Err(errors) => Err(format!("the random spec is refused: {errors}\n{spec}")),
    }
}

/// Runs the requests of one spec; the error is the first difference, shrunk.
fn run_spec(
    module: &Module,
    seed: u64,
    count: u64,
    coverage: &mut pair::Coverage,
) -> Result<u64, String> {
    let (spec, cases, plan) = generate(seed, count)?;
    match pair::first_difference(module, &plan, &spec, &cases, coverage) {
        None => Ok(count),
        Some(found) => Err(shrink::report(module, spec, cases, found)),
    }
}

/// Writes the pairs as vectors with native Rust's outcomes.
fn write(arguments: &Arguments, file: &Path) -> Result<ExitCode, String> {
    let mut suites = Vec::new();
    for number in 0..arguments.cases.div_ceil(arguments.per_spec) {
        let seed = arguments.seed.wrapping_add(number);
        let (spec, mut cases, plan) = generate(seed, arguments.per_spec)?;
        for (index, case) in cases.iter_mut().enumerate() {
            case.name = format!("request {index}");
            native::expect(&plan, case);
        }
        let name = format!("seed {seed}");
        suites.push(json!({"name": name, "about": "made by chance", "spec": spec, "cases": cases}));
    }
    let vectors = json!({"about": "made by chance", "suites": suites});
    std::fs::write(file, vectors.to_string())
        .map_err(|error| format!("{} could not be written: {error}", file.display()))?;
    println!("{} suites are in {}", suites.len(), file.display());
    Ok(ExitCode::SUCCESS)
}
