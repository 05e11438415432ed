//! The Worker: wasm, glue and entry point in `dist/edge-worker/`, and its suites.

use crate::process::{self, TaskResult};
use crate::stamp::Stamp;
use crate::{build, files, glue, tools, wasm_opt};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Source code that the Worker's stamp covers, besides rustc's wasm.
const SOURCES: [&[u8]; 6] = [
    include_bytes!("worker.rs"),
    include_bytes!("glue.rs"),
    include_bytes!("prune.rs"),
    include_bytes!("wasm_opt.rs"),
    include_bytes!("../bindgen/Cargo.toml"),
    include_bytes!("../bindgen/src/main.rs"),
];

/// A built Worker.
pub(crate) struct Worker {
    /// The folder with everything that wrangler needs.
    pub(crate) folder: PathBuf,
    pub(crate) size: Size,
}

/// The bytes of a Worker's wasm and JavaScript, which are uploaded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Size {
    pub(crate) raw: u64,
    /// By gzip, file by file.
    pub(crate) compressed: u64,
}

impl Worker {
    /// The Worker's folder and size for a person.
    pub(crate) fn summary(&self) -> String {
        let Size { raw, compressed } = self.size;
        let (raw, compressed) = (raw.div_ceil(1000), compressed.div_ceil(1000));
        format!("dist/edge-worker ({raw} KB, {compressed} KB compressed)")
    }
}

/// Builds the Worker and prints its size.
pub(crate) fn task() -> TaskResult {
    println!("build: done, {}", build()?.summary());
    Ok(())
}

/// Builds the Worker into `dist/edge-worker`.
pub(crate) fn build() -> TaskResult<Worker> {
    println!("build: the Worker for {}", tools::BARE_TARGET);
    let wasm = build::wasm("serin-edge-worker", tools::BARE_TARGET)?;
    let folder = process::root().join("dist/edge-worker");
    let failed = |error: io::Error| format!("{}: {error}", folder.display());
    let stamp = stamp(&wasm)?;
    if let Some(size) = outputs(&folder).ok().and_then(|files| Size::parse(&stamp.note(&files)?)) {
        return Ok(Worker { folder, size });
    }
    let glue = process::target_dir().join("worker-glue");
    write_glue(&wasm, &glue)?;
    trim(&glue)?;
    assemble(&glue, &folder).map_err(failed)?;
    let files = outputs(&folder).map_err(failed)?;
    let size = Size::measure(&files).map_err(failed)?;
    stamp.write(&files, &size.to_note())?;
    Ok(Worker { folder, size })
}

/// wasm-bindgen's library has its version in the lock file.
fn stamp(wasm: &Path) -> TaskResult<Stamp> {
    let root = process::root();
    let lock = files::read(&root.join("Cargo.lock"))?;
    let entry = files::read(&root.join("edge-worker/worker.js"))?;
    let version = wasm_opt::version().as_bytes();
    Ok(Stamp::new("worker", &[&files::read(wasm)?, &lock, &entry, version, &SOURCES.concat()]))
}

/// Writes wasm-bindgen's glue, by its library in a package of its own, which is slow to build.
fn write_glue(wasm: &Path, folder: &Path) -> TaskResult {
    let _ = fs::remove_dir_all(folder);
    process::run(&mut process::cargo(&["build", "--package", "serin-bindgen"]))?;
    let bindgen = process::target_dir().join("debug/serin-bindgen");
    process::run(Command::new(bindgen).arg(wasm).arg(folder))
}

/// Leaves out the parts of the glue that nothing calls.
fn trim(folder: &Path) -> TaskResult {
    let (script, wasm) = (folder.join("serin.js"), folder.join("serin_bg.wasm"));
    let (text, bytes) = glue::without_classes(&files::read_text(&script)?, &files::read(&wasm)?)?;
    files::write(&wasm, bytes)?;
    wasm_opt::optimise(&wasm, &[wasm_opt::EXCEPTIONS])?;
    files::write(&script, glue::finished(&text, &files::read(&wasm)?)?)
}

/// Puts all files into one folder: the snippets' folders have names that change with the build.
fn assemble(glue: &Path, dist: &Path) -> io::Result<()> {
    fs::create_dir_all(dist)?;
    let mut script = fs::read_to_string(glue.join("serin.js"))?;
    for file in snippets(&glue.join("snippets"))? {
        let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let inside = file.strip_prefix(glue).unwrap_or(&file).to_string_lossy().into_owned();
        // The wasm's own imports keep the old name.
        for quote in ['"', '\''] {
            let (old, new) =
                (format!("from {quote}./{inside}{quote}"), format!("from {quote}./{name}{quote}"));
            script = script.replace(&old, &new);
        }
        fs::copy(&file, dist.join(name))?;
    }
    fs::write(dist.join("serin.js"), script)?;
    fs::copy(glue.join("serin_bg.wasm"), dist.join("serin_bg.wasm"))?;
    fs::copy(process::root().join("edge-worker/worker.js"), dist.join("worker.js"))?;
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

/// The files of a built Worker, in a fixed order.
fn outputs(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.collect::<io::Result<Vec<_>>>()?;
    let mut files: Vec<PathBuf> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}

impl Size {
    fn measure(files: &[PathBuf]) -> io::Result<Self> {
        let mut size = Self { raw: 0, compressed: 0 };
        for path in files {
            if !path.extension().is_some_and(|extension| extension == "js" || extension == "wasm") {
                continue;
            }
            let bytes = fs::read(path)?;
            let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
            gzip.write_all(&bytes)?;
            size.raw += bytes.len() as u64;
            size.compressed += gzip.finish()?.len() as u64;
        }
        Ok(size)
    }

    /// The size as a stamp's note: compressing takes a second.
    fn to_note(self) -> String {
        format!("{} {}", self.raw, self.compressed)
    }

    fn parse(note: &str) -> Option<Self> {
        let (raw, compressed) = note.split_once(' ')?;
        Some(Self { raw: raw.parse().ok()?, compressed: compressed.parse().ok()? })
    }
}

/// A script of `tests/worker` with everything it needs.
pub(crate) fn script(node: &tools::Node, worker: &Worker, name: &str) -> Command {
    let mut command = Command::new(node.bin("node"));
    command.arg(process::root().join("tests/worker").join(name)).current_dir(process::root());
    command.env("SERIN_WORKER", &worker.folder).env("SERIN_NODE_TOOLS", &node.folder);
    command
}

#[cfg(test)]
mod tests {
    use super::Size;

    #[test]
    fn a_size_survives_its_note() {
        let size = Size { raw: 1_234_567, compressed: 456_789 };
        assert_eq!(Size::parse(&size.to_note()), Some(size));
        assert_eq!(Size::parse("12"), None);
    }
}
