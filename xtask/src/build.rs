//! `cargo xtask build` and `cargo xtask demo`: what people deploy, in `dist/`.

use crate::shell::{self, Outcome};
use crate::{prune, tools, wasm_opt, worker};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds everything into `dist/` and says what is there.
pub(crate) fn task() -> Outcome {
    let filter = filter()?;
    let serin = serin(&filter)?;
    let worker = worker::summary(&worker::build()?)?;
    println!("build: done, {}, {} and {worker}", summary(&filter), summary(&serin));
    Ok(())
}

/// Builds the filter alone and says how large it is.
pub(crate) fn filter_task() -> Outcome {
    println!("build: done, {}", summary(&filter()?));
    Ok(())
}

/// Builds, then runs `serin demo` with the arguments given.
pub(crate) fn demo(args: &[String]) -> Outcome {
    let serin = serin(&filter()?)?;
    println!("demo: running `serin demo` on the filter that was just built\n");
    let mut command = Command::new(serin);
    command.arg("demo").args(args).current_dir(shell::root());
    match command.status() {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("`serin demo` ended with {status}")),
        Err(error) => Err(format!("`serin demo` did not start: {error}")),
    }
}

/// Builds the filter and leaves the pruned and optimised wasm in `dist/serin-filter.wasm`.
pub(crate) fn filter() -> Outcome<PathBuf> {
    tools::wasm_targets(&[tools::FILTER_TARGET])?;
    println!("build: the filter for {}", tools::FILTER_TARGET);
    let target = tools::FILTER_TARGET;
    // The flags name the folders that this fills.
    shell::run(&mut shell::cargo(&["fetch", "--quiet"]))?;
    let flags = format!("target.{target}.rustflags=[{}]", remapped_paths());
    shell::run(&mut shell::cargo(&[
        "build",
        "--package",
        "serin-filter",
        "--target",
        target,
        "--profile",
        "wasm",
        "--config",
        &flags,
    ]))?;
    let built = shell::target_dir().join(target).join("wasm/serin_filter.wasm");
    let wasm = std::fs::read(&built)
        .map_err(|error| format!("{} could not be read: {error}", built.display()))?;
    let pruned = shell::target_dir().join("serin-filter.pruned.wasm");
    std::fs::write(&pruned, prune::prune(&wasm, |name| prune::FILTER_EXPORTS.contains(&name))?)
        .map_err(|error| format!("{} could not be written: {error}", pruned.display()))?;
    wasm_opt::optimise(&pruned, &[])?;
    let optimised = std::fs::read(&pruned)
        .map_err(|error| format!("{} could not be read: {error}", pruned.display()))?;
    let filter = dist("serin-filter.wasm")?;
    write_if_changed(&filter, &optimised)?;
    Ok(filter)
}

/// Builds the `serin` command with the filter inside and leaves it in `dist/serin`.
pub(crate) fn serin(filter: &Path) -> Outcome<PathBuf> {
    println!("build: the serin command");
    let mut cargo =
        shell::cargo(&["build", "--release", "--package", "serin-cli", "--bin", "serin"]);
    shell::run(cargo.env("SERIN_FILTER_WASM", filter))?;
    let serin = dist("serin")?;
    let built = shell::target_dir().join("release/serin");
    // Not a copy over the old file: a serin that still runs keeps its own.
    let _ = std::fs::remove_file(&serin);
    std::fs::copy(&built, &serin)
        .map_err(|error| format!("{} could not be copied: {error}", built.display()))?;
    Ok(serin)
}

/// Compiler flags that keep this machine's paths out of the wasm, so that it comes out the same
/// on every machine.
pub(crate) fn remapped_paths() -> String {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).unwrap_or_default();
    let sources = std::fs::read_dir(home.join("registry/src")).into_iter().flatten().flatten();
    let folders = sources.map(|entry| entry.path());
    let flag = |folder: PathBuf| format!("'--remap-path-prefix={}/='", folder.display());
    folders.map(flag).collect::<Vec<_>>().join(",")
}

fn dist(name: &str) -> Outcome<PathBuf> {
    let folder = shell::root().join("dist");
    std::fs::create_dir_all(&folder)
        .map_err(|error| format!("{} could not be made: {error}", folder.display()))?;
    Ok(folder.join(name))
}

/// An untouched file keeps its time, so nothing that depends on it is built again.
fn write_if_changed(path: &Path, bytes: &[u8]) -> Outcome {
    if std::fs::read(path).is_ok_and(|old| old == bytes) {
        return Ok(());
    }
    std::fs::write(path, bytes)
        .map_err(|error| format!("{} could not be written: {error}", path.display()))
}

fn summary(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let size = std::fs::metadata(path).map(|data| data.len()).unwrap_or_default();
    format!("dist/{name} ({} KB)", size.div_ceil(1000))
}
