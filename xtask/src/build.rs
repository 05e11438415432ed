//! `cargo xtask build`: the files that people deploy, in `dist/`.

use crate::process::{self, TaskResult};
use crate::stamp::Stamp;
use crate::{files, prune, tools, wasm_opt, worker};
use std::path::{Path, PathBuf};

/// Source code that the filter's stamp covers, besides rustc's wasm.
const SOURCES: [&[u8]; 3] =
    [include_bytes!("build.rs"), include_bytes!("prune.rs"), include_bytes!("wasm_opt.rs")];

/// Builds everything into `dist/` and prints a summary.
pub(crate) fn task() -> TaskResult {
    let filter = filter()?;
    let serin = serin(&filter)?;
    let worker = worker::build()?.summary();
    println!("build: done, {}, {} and {worker}", summary(&filter), summary(&serin));
    Ok(())
}

/// Builds the filter alone and prints its size.
pub(crate) fn filter_task() -> TaskResult {
    println!("build: done, {}", summary(&filter()?));
    Ok(())
}

/// Builds the filter and leaves the pruned and optimised wasm in `dist/serin-filter.wasm`.
pub(crate) fn filter() -> TaskResult<PathBuf> {
    println!("build: the filter for {}", tools::FILTER_TARGET);
    let wasm = compiled_filter()?;
    let filter = dist("serin-filter.wasm")?;
    let outputs = [filter.clone()];
    let version = wasm_opt::version().as_bytes();
    let stamp = Stamp::new("filter", &[&wasm, version, &SOURCES.concat()]);
    if stamp.note(&outputs).is_some() {
        return Ok(filter);
    }
    let optimised = process::target_dir().join("serin-filter.optimised.wasm");
    files::write(&optimised, prune::prune(&wasm, prune::is_filter_export)?)?;
    wasm_opt::optimise(&optimised, &[])?;
    files::write_if_changed(&filter, &files::read(&optimised)?)?;
    stamp.write(&outputs, "")?;
    Ok(filter)
}

/// The filter as rustc and its linker make it, with every export of the SDK.
pub(crate) fn compiled_filter() -> TaskResult<Vec<u8>> {
    wasm("serin-filter", tools::FILTER_TARGET).and_then(|path| files::read(&path))
}

/// Compiles a package to wasm and returns the path of its module.
pub(crate) fn wasm(package: &str, target: &str) -> TaskResult<PathBuf> {
    tools::wasm_targets(&[target])?;
    let flags = format!("target.{target}.rustflags=[{}]", remapped_paths());
    let build = ["build", "--profile", "wasm", "--package", package, "--target", target];
    process::run(process::cargo(&build).args(["--config", &flags]))?;
    let file = format!("{}.wasm", package.replace('-', "_"));
    Ok(process::target_dir().join(target).join("wasm").join(file))
}

/// Builds the `serin` command with the filter inside and leaves it in `dist/serin`.
pub(crate) fn serin(filter: &Path) -> TaskResult<PathBuf> {
    println!("build: the serin command");
    let build = ["build", "--release", "--package", "serin-cli", "--bin", "serin"];
    process::run(process::cargo(&build).env("SERIN_FILTER_WASM", filter))?;
    let serin = dist("serin")?;
    let built = process::target_dir().join("release/serin");
    // Not a copy over the old file: a serin that still runs keeps its own.
    let _ = std::fs::remove_file(&serin);
    std::fs::copy(&built, &serin)
        .map_err(|error| format!("{} cannot be copied: {error}", built.display()))?;
    Ok(serin)
}

/// Compiler flags that keep this machine's paths out of the wasm, so that it is the same on every
/// machine.
fn remapped_paths() -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).unwrap_or_default();
    // Cargo has made the folder of each registry by now: this program has dependencies from there too.
    let sources = std::fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = sources.map(|entry| entry.path()).collect();
    folders.sort();
    let flag = |folder: PathBuf| format!("'--remap-path-prefix={}/='", folder.display());
    folders.into_iter().map(flag).collect::<Vec<_>>().join(",")
}

fn dist(name: &str) -> TaskResult<PathBuf> {
    let folder = process::root().join("dist");
    files::make_folder(&folder)?;
    Ok(folder.join(name))
}

fn summary(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let size = std::fs::metadata(path).map(|data| data.len()).unwrap_or_default();
    format!("dist/{name} ({} KB)", size.div_ceil(1000))
}
