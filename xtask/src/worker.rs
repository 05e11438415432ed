//! The Worker: wasm, glue and entry point in `dist/edge-worker/`, and its suites.

use crate::shell::{self, Outcome};
use crate::{build, glue, tools, wasm_opt};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Builds the Worker and says how large it is.
pub(crate) fn task() -> Outcome {
    println!("build: done, {}", summary(&build()?)?);
    Ok(())
}

/// The Worker's size in words.
pub(crate) fn summary(dist: &Path) -> Outcome<String> {
    let (raw, compressed) = size(dist).map_err(|error| format!("{}: {error}", dist.display()))?;
    let (raw, compressed) = (raw.div_ceil(1000), compressed.div_ceil(1000));
    Ok(format!("dist/edge-worker ({raw} KB, {compressed} KB compressed)"))
}

/// Builds the Worker and leaves everything that wrangler needs in `dist/edge-worker`.
pub(crate) fn build() -> Outcome<PathBuf> {
    let target = tools::BARE_TARGET;
    tools::wasm_targets(&[target])?;
    println!("build: the Worker for {target}");
    let flags = format!("target.{target}.rustflags=[{}]", build::remapped_paths());
    let package = ["build", "--package", "serin-edge-worker", "--target", target];
    shell::run(shell::cargo(&package).args(["--profile", "wasm", "--config", &flags]))?;
    let wasm = shell::target_dir().join(target).join("wasm/serin_edge_worker.wasm");
    let glue = shell::target_dir().join("worker-glue");
    write_glue(&wasm, &glue)?;
    trim(&glue)?;
    let dist = shell::root().join("dist/edge-worker");
    assemble(&glue, &dist).map_err(|error| format!("{}: {error}", dist.display()))?;
    Ok(dist)
}

/// wasm-bindgen's glue, by its library in a package of its own, which is slow to build.
fn write_glue(wasm: &Path, folder: &Path) -> Outcome {
    let _ = fs::remove_dir_all(folder);
    shell::run(&mut shell::cargo(&["build", "--package", "serin-bindgen"]))?;
    let bindgen = shell::target_dir().join("debug/serin-bindgen");
    shell::run(Command::new(bindgen).arg(wasm).arg(folder))
}

/// Leaves out what nothing calls.
fn trim(folder: &Path) -> Outcome {
    let (script, wasm) = (folder.join("serin.js"), folder.join("serin_bg.wasm"));
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    let text = fs::read_to_string(&script).map_err(failed)?;
    let (text, bytes) = glue::without_classes(&text, &fs::read(&wasm).map_err(failed)?)?;
    fs::write(&wasm, bytes).map_err(failed)?;
    wasm_opt::optimise(&wasm, &[wasm_opt::EXCEPTIONS])?;
    let text = glue::finished(&text, &fs::read(&wasm).map_err(failed)?)?;
    fs::write(&script, text).map_err(failed)
}

/// Puts the files side by side: the snippets' folders have names that change with the build.
fn assemble(glue: &Path, dist: &Path) -> io::Result<()> {
    fs::create_dir_all(dist)?;
    let mut script = fs::read_to_string(glue.join("serin.js"))?;
    for file in snippets(&glue.join("snippets"))? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let inside = file.strip_prefix(glue).unwrap_or(&file).to_string_lossy().into_owned();
        // Not where the wasm's own imports are listed by the old name.
        for quote in ['"', '\''] {
            let (old, new) =
                (format!("from {quote}./{inside}{quote}"), format!("from {quote}./{name}{quote}"));
            script = script.replace(&old, &new);
        }
        fs::copy(&file, dist.join(name))?;
    }
    fs::write(dist.join("serin.js"), script)?;
    fs::copy(glue.join("serin_bg.wasm"), dist.join("serin_bg.wasm"))?;
    fs::copy(shell::root().join("edge-worker/worker.js"), dist.join("worker.js"))?;
    fs::write(dist.join("spec.json"), "null\n")
}

fn snippets(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() { files.extend(snippets(&path)?) } else { files.push(path) }
    }
    Ok(files)
}

/// What has to be uploaded: bytes as they are, and compressed.
pub(crate) fn size(dist: &Path) -> io::Result<(u64, u64)> {
    let (mut raw, mut compressed) = (0, 0);
    for entry in fs::read_dir(dist)? {
        let path = entry?.path();
        if !path.extension().is_some_and(|extension| extension == "js" || extension == "wasm") {
            continue;
        }
        let bytes = fs::read(&path)?;
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&bytes)?;
        raw += bytes.len() as u64;
        compressed += encoder.finish()?.len() as u64;
    }
    Ok((raw, compressed))
}

/// A script of `tests/worker` with everything it needs.
pub(crate) fn script(node: &tools::Node, dist: &Path, name: &str) -> Command {
    let mut command = Command::new(node.bin("node"));
    command.arg(shell::root().join("tests/worker").join(name)).current_dir(shell::root());
    command.env("SERIN_WORKER", dist).env("SERIN_NODE_TOOLS", &node.folder);
    command
}
