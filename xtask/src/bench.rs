//! `cargo xtask bench`: the costs of a decision, natively and as wasm, in one table.
//!
//! The core's criterion benches measure wall time, which varies. The simulator counts host calls, fuel
//! and bytes, which are the same in every run.

use crate::process::{self, TaskResult};
use crate::{build, files, tools, worker};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// A line of the table: a measure's name and its value with its unit.
struct Row {
    name: String,
    value: String,
}

/// Measures everything and prints the table.
pub(crate) fn task() -> TaskResult {
    let filter = build::filter()?;
    let serin = build::serin(&filter)?;
    let start = SystemTime::now();
    let mut rows = filter_sizes(&filter)?;
    rows.extend(request_costs(&serin)?);
    for package in ["serin-core", "serin-host-sim"] {
        println!("\n== benches of {package}");
        let mut lines = Vec::new();
        let mut cargo = process::cargo(&["bench", "--package", package]);
        process::run_with_lines(cargo.env("SERIN_FILTER_WASM", &filter), |line| {
            lines.push(line.to_string())
        })?;
        rows.extend(measures(&lines));
    }
    rows.extend(criterion_rows(&process::target_dir().join("criterion"), start));
    rows.extend(worker_costs()?);
    print_table(&rows);
    println!("\nbench: done; times depend on this machine and its other load, counts are exact");
    Ok(())
}

/// Measures the same decision in other published engines, which cargo downloads from crates.io.
pub(crate) fn engines() -> TaskResult {
    let folder = process::root().join("bench-engines");
    let start = SystemTime::now();
    let mut lines = Vec::new();
    // Each bench first checks that every engine gives the same decision.
    for bench in ["allocations", "engines"] {
        let mut cargo = process::cargo(&["bench", "--bench", bench]);
        process::run_with_lines(cargo.current_dir(&folder), |line| lines.push(line.to_string()))?;
    }
    let times = medians(&process::target_dir().join("criterion").join("engines"), start);
    let own = times.iter().find(|(name, _)| name.starts_with("serin"));
    let own = own.map(|(_, time)| *time).ok_or("criterion wrote no times of Serin")?;
    let mut rows = measures(&lines);
    for (engine, time) in &times {
        let ratio = time / own;
        let value = format!("{}, {ratio:.1} × Serin's", nanoseconds(*time));
        rows.push(Row { name: format!("time per decision, {engine}"), value });
    }
    print_table(&rows);
    println!("\nbench engines: done; times depend on this machine and its other load");
    Ok(())
}

/// The costs of a request with one rollout and three delivered flags in the filter.
fn request_costs(serin: &Path) -> TaskResult<Vec<Row>> {
    let mut command = Command::new(serin);
    command.args(["bench-filter", "--json", "--requests", "20000", "--path", "/feed"]);
    command.args(["--header", "x-user-id: ana", "--header", "x-plan: enterprise"]);
    command.arg(process::root().join("xtask/bench.json"));
    let json: Value = serde_json::from_str(&process::output(&mut command)?)
        .map_err(|error| format!("`serin bench-filter` printed no JSON: {error}"))?;
    let number = |field: &str| json.get(field).and_then(Value::as_f64).unwrap_or_default();
    let count =
        |name: &str, field: &str| Row { name: name.into(), value: number(field).to_string() };
    Ok(vec![
        Row {
            name: "linear memory of a configured VM".into(),
            value: bytes(number("memoryBytes")),
        },
        count("host calls per request", "hostCallsPerRequest"),
        count("wasmtime fuel per request", "fuelPerRequest"),
        Row {
            name: "time per request in host-sim".into(),
            value: nanoseconds(number("nanosPerRequest")),
        },
        count("requests per second in host-sim, one VM", "requestsPerSecond"),
    ])
}

/// The Worker's size, and the costs of its requests beside those of a Worker in JavaScript.
fn worker_costs() -> TaskResult<Vec<Row>> {
    let worker = worker::build()?;
    let worker::Size { raw, compressed } = worker.size;
    let mut rows = vec![
        Row { name: "Worker, wasm and JavaScript, raw".into(), value: bytes(raw as f64) },
        Row { name: "Worker, wasm and JavaScript, gzip".into(), value: bytes(compressed as f64) },
    ];
    println!("\n== the Worker against one in JavaScript, in workerd");
    let mut lines = Vec::new();
    let mut script = worker::script(&tools::Node::ready()?, &worker, "bench.mjs");
    process::run_with_lines(&mut script, |line| lines.push(line.to_string()))?;
    rows.extend(measures(&lines));
    Ok(rows)
}

fn filter_sizes(filter: &Path) -> TaskResult<Vec<Row>> {
    let wasm = files::read(filter)?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let compressed = gzip.write_all(&wasm).and_then(|()| gzip.finish());
    let compressed =
        compressed.map_err(|error| format!("the wasm cannot be compressed: {error}"))?;
    Ok(vec![
        Row { name: "filter.wasm, raw".into(), value: bytes(wasm.len() as f64) },
        Row { name: "filter.wasm, gzip".into(), value: bytes(compressed.len() as f64) },
    ])
}

/// The measures that a bench prints besides wall times: lines of the form `measure: NAME = VALUE`.
fn measures(lines: &[String]) -> Vec<Row> {
    let read = |line: &String| {
        let (name, value) = line.strip_prefix("measure: ")?.split_once(" = ")?;
        Some(Row { name: name.into(), value: value.into() })
    };
    lines.iter().filter_map(read).collect()
}

/// The rows of criterion's benches that have run since a time.
fn criterion_rows(folder: &Path, since: SystemTime) -> Vec<Row> {
    let row = |(name, value)| Row { name, value: nanoseconds(value) };
    medians(folder, since).into_iter().map(row).collect()
}

/// Criterion's medians in nanoseconds, by the bench's name.
fn medians(folder: &Path, since: SystemTime) -> BTreeMap<String, f64> {
    let mut found = BTreeMap::new();
    collect(folder, folder, since, &mut found);
    found
}

fn collect(root: &Path, folder: &Path, since: SystemTime, found: &mut BTreeMap<String, f64>) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for path in entries.flatten().map(|entry| entry.path()) {
        if path.is_dir() {
            if let Some(median) = median(&path, since) {
                let name = folder.strip_prefix(root).unwrap_or(folder);
                found.insert(name.to_string_lossy().replace('/', " "), median);
            } else {
                collect(root, &path, since, found);
            }
        }
    }
}

/// The median of a bench's latest run, which criterion writes to `new/estimates.json`.
fn median(folder: &Path, since: SystemTime) -> Option<f64> {
    if folder.file_name()? != "new" {
        return None;
    }
    let file: PathBuf = folder.join("estimates.json");
    let is_fresh = std::fs::metadata(&file).ok()?.modified().ok()? >= since;
    let json: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    is_fresh.then(|| json.get("median")?.get("point_estimate")?.as_f64())?
}

fn print_table(rows: &[Row]) {
    let width = rows.iter().map(|row| row.name.chars().count()).max().unwrap_or_default();
    println!("\n{:width$}  value", "measure");
    for Row { name, value } in rows {
        println!("{name:width$}  {value}");
    }
}

fn nanoseconds(value: f64) -> String {
    match value {
        v if v < 1e3 => format!("{v:.1} ns"),
        v if v < 1e6 => format!("{:.2} µs", v / 1e3),
        v => format!("{:.2} ms", v / 1e6),
    }
}

fn bytes(value: f64) -> String {
    format!("{:.1} KB", value / 1e3)
}

#[cfg(test)]
mod tests {
    use super::{measures, nanoseconds};

    #[test]
    fn measures_are_read_from_lines() {
        let lines = ["measure: host calls per request = 5".to_string(), "other".to_string()];
        let rows = measures(&lines);
        assert_eq!(rows.len(), 1);
        assert_eq!((&*rows[0].name, &*rows[0].value), ("host calls per request", "5"));
    }

    #[test]
    fn times_have_the_fitting_unit() {
        assert_eq!(nanoseconds(99.96), "100.0 ns");
        assert_eq!(nanoseconds(1500.0), "1.50 µs");
    }
}
