//! `cargo xtask demo`: builds the filter and a `serin` with the demo alone, then runs it.

use crate::process::{self, TaskResult};
use crate::{build, files, prune};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// What happens before the demo starts. `time cargo xtask demo` with an empty target folder showed 377 s of CPU time
/// on 2 cores that other builds kept busy. Two thirds of it is wasmtime with its dependencies.
const INTRODUCTION: &str = "\
demo: builds the filter, and a serin command with nothing but `demo` and `serve`, lightly optimised;
      this takes about 4 minutes on 2 idle cores the first time, and under a minute afterwards";

/// Builds the demo and runs it with these arguments.
pub(crate) fn task(args: &[String]) -> TaskResult {
    println!("{INTRODUCTION}\n");
    let filter = step("1/2 the filter, as WebAssembly", filter)?;
    let serin = step("2/2 the serin command, with the filter inside", || serin(&filter))?;
    println!("demo: running `serin demo`\n");
    let mut command = Command::new(serin);
    command.arg("demo").args(args).current_dir(process::root());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`serin demo` failed with {status}")),
        Err(error) => Err(format!("`serin demo` did not start: {error}")),
    }
}

/// Runs a step and prints how long it took.
fn step<T>(name: &str, work: impl FnOnce() -> TaskResult<T>) -> TaskResult<T> {
    println!("demo: {name}");
    let start = Instant::now();
    let value = work()?;
    println!("demo: done in {:.0} s\n", start.elapsed().as_secs_f64());
    Ok(value)
}

/// The deployed filter's code, pruned as it is there, but without wasm-opt: that makes it smaller, takes
/// Node.js a quarter of a minute, and changes nothing that the demo shows.
fn filter() -> TaskResult<PathBuf> {
    let pruned = prune::prune(&build::compiled_filter()?, prune::is_filter_export)?;
    let filter = process::target_dir().join("serin-filter.pruned.wasm");
    files::write_if_changed(&filter, &pruned)?;
    Ok(filter)
}

fn serin(filter: &Path) -> TaskResult<PathBuf> {
    let build = ["build", "--profile", "demo", "--package", "serin-cli", "--bin", "serin"];
    let features = ["--no-default-features", "--features", "demo"];
    process::run(process::cargo(&build).args(features).env("SERIN_FILTER_WASM", filter))?;
    Ok(process::target_dir().join("demo/serin"))
}
