//! `cargo xtask bench`: what a decision costs, natively and as wasm, in one table at the end.
//!
//! The core's criterion benches measure wall time, which varies; the simulator counts host calls,
//! fuel and bytes, which do not.

use crate::shell::{self, Outcome};
use crate::{build, tools, worker};
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::SystemTime;

/// One line of the table.
struct Row {
    what: String,
    value: String,
}

/// Measures everything and prints the table.
pub(crate) fn task() -> Outcome {
    let filter = build::filter()?;
    let serin = build::serin(&filter)?;
    let start = SystemTime::now();
    let mut rows = sizes(&filter)?;
    rows.extend(request(&serin)?);
    let benched = [("core", "serin-core"), ("host-sim", "serin-host-sim")];
    for (folder, package) in benched {
        if !shell::root().join(folder).join("benches").is_dir() {
            continue;
        }
        println!("\n== benches of {package}");
        let mut said = Vec::new();
        let mut cargo = shell::cargo(&["bench", "--package", package]);
        shell::watch(cargo.env("SERIN_FILTER_WASM", &filter), |line| said.push(line.to_string()))?;
        rows.extend(stated(&said));
    }
    rows.extend(timings(&shell::target_dir().join("criterion"), start));
    rows.extend(in_workerd()?);
    print_table(&rows);
    println!(
        "\nbench: done; times are of this machine and of whatever else it does, counts are exact"
    );
    Ok(())
}

/// The same decision by other published engines, which are fetched from crates.io.
pub(crate) fn engines() -> Outcome {
    let folder = shell::root().join("bench-engines");
    let start = SystemTime::now();
    let mut said = Vec::new();
    // Each bench first makes sure that every engine does the same work.
    for bench in ["allocations", "engines"] {
        let mut cargo = shell::cargo(&["bench", "--bench", bench]);
        shell::watch(cargo.current_dir(&folder), |line| said.push(line.to_string()))?;
    }
    let times = medians(&shell::target_dir().join("criterion").join("engines"), start);
    let own = times.iter().find(|(name, _)| name.starts_with("serin"));
    let own = own.map(|(_, time)| *time).ok_or("criterion left no figures")?;
    let mut rows = stated(&said);
    for (engine, time) in &times {
        let ratio = time / own;
        let value = format!("{}, {ratio:.1} × Serin's", nanoseconds(*time));
        rows.push(Row { what: format!("time per decision, {engine}"), value });
    }
    print_table(&rows);
    println!("\nbench engines: done; times are of this machine and of whatever else it does");
    Ok(())
}

/// What a request with one rollout and three delivered flags costs in the filter.
fn request(serin: &Path) -> Outcome<Vec<Row>> {
    let mut command = Command::new(serin);
    command.args(["bench-filter", "--json", "--requests", "20000", "--path", "/feed"]);
    command.args(["--header", "x-user-id: ana", "--header", "x-plan: enterprise"]);
    command.arg(shell::root().join("xtask/bench.json"));
    let json: Value = serde_json::from_str(&shell::read(&mut command)?)
        .map_err(|error| format!("`serin bench-filter` gave no JSON: {error}"))?;
    let number = |field: &str| json.get(field).and_then(Value::as_f64).unwrap_or_default();
    let count =
        |what: &str, field: &str| Row { what: what.into(), value: number(field).to_string() };
    Ok(vec![
        Row {
            what: "linear memory of a configured VM".into(),
            value: bytes(number("memoryBytes")),
        },
        count("host calls per request", "hostCallsPerRequest"),
        count("wasmtime fuel per request", "fuelPerRequest"),
        Row {
            what: "time per request in host-sim".into(),
            value: nanoseconds(number("nanosPerRequest")),
        },
        count("requests per second in host-sim, one VM", "requestsPerSecond"),
    ])
}

/// The Worker's size, and its requests against those of a Worker in JavaScript.
fn in_workerd() -> Outcome<Vec<Row>> {
    let dist = worker::build()?;
    let (raw, packed) = worker::size(&dist).map_err(|error| error.to_string())?;
    let mut rows = vec![
        Row { what: "Worker, wasm and JavaScript, raw".into(), value: bytes(raw as f64) },
        Row { what: "Worker, wasm and JavaScript, gzip".into(), value: bytes(packed as f64) },
    ];
    println!("\n== the Worker against one in JavaScript, in workerd");
    let mut said = Vec::new();
    let mut script = worker::script(&tools::Node::ready()?, &dist, "bench.mjs");
    shell::watch(&mut script, |line| said.push(line.to_string()))?;
    rows.extend(stated(&said));
    Ok(rows)
}

fn sizes(filter: &Path) -> Outcome<Vec<Row>> {
    let wasm = std::fs::read(filter)
        .map_err(|error| format!("{} could not be read: {error}", filter.display()))?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    let packed = gzip.write_all(&wasm).and_then(|()| gzip.finish());
    let packed = packed.map_err(|error| format!("the wasm could not be packed: {error}"))?;
    Ok(vec![
        Row { what: "filter.wasm, raw".into(), value: bytes(wasm.len() as f64) },
        Row { what: "filter.wasm, gzip".into(), value: bytes(packed.len() as f64) },
    ])
}

/// What benches state beside wall times: lines of the form `measure: NAME = VALUE`.
fn stated(lines: &[String]) -> Vec<Row> {
    let read = |line: &String| {
        let (what, value) = line.strip_prefix("measure: ")?.split_once(" = ")?;
        Some(Row { what: what.into(), value: value.into() })
    };
    lines.iter().filter_map(read).collect()
}

/// Criterion's medians of the benches that ran just now, from its own files.
fn timings(folder: &Path, since: SystemTime) -> Vec<Row> {
    let row = |(what, value)| Row { what, value: nanoseconds(value) };
    medians(folder, since).into_iter().map(row).collect()
}

/// Names and nanoseconds.
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

/// `new/estimates.json` holds the latest run.
fn median(folder: &Path, since: SystemTime) -> Option<f64> {
    if folder.file_name()? != "new" {
        return None;
    }
    let file: PathBuf = folder.join("estimates.json");
    let fresh = std::fs::metadata(&file).ok()?.modified().ok()? >= since;
    let json: Value = serde_json::from_slice(&std::fs::read(file).ok()?).ok()?;
    fresh.then(|| json.get("median")?.get("point_estimate")?.as_f64())?
}

fn print_table(rows: &[Row]) {
    let width = rows.iter().map(|row| row.what.chars().count()).max().unwrap_or_default();
    println!("\n{:width$}  value", "what");
    for Row { what, value } in rows {
        println!("{what:width$}  {value}");
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
    use super::{nanoseconds, stated};

    #[test]
    fn reads_what_benches_state() {
        let lines = ["measure: host calls per request = 5".to_string(), "other".to_string()];
        let rows = stated(&lines);
        assert_eq!(rows.len(), 1);
        assert_eq!((&*rows[0].what, &*rows[0].value), ("host calls per request", "5"));
    }

    #[test]
    fn prints_times_in_their_unit() {
        assert_eq!(nanoseconds(99.96), "100.0 ns");
        assert_eq!(nanoseconds(1500.0), "1.50 µs");
    }
}
