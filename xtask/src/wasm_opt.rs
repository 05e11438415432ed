//! Binaryen's optimiser makes the filter a seventh smaller. It comes from npm; without node the
//! filter is the same, only larger, so that building needs nothing but rustup.

use crate::shell::{self, Outcome};
use std::path::{Path, PathBuf};
use std::process::Command;

const PACKAGE: &str = "binaryen@132.0.0";
/// The proposals that rustc's wasm targets use by default, and nothing newer: Envoy's V8 has them.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// What wasm-bindgen's glue needs further, to notice a trap. Cloudflare's V8 has it.
pub(crate) const EXCEPTIONS: &str = "--enable-exception-handling";

/// Optimises a wasm file for size, in place, if node is there.
pub(crate) fn optimise(wasm: &Path, further: &[&str]) -> Outcome {
    if !shell::exists("node") || !shell::exists("npm") {
        println!("build: node is not installed, the wasm stays as rustc made it (1/7 larger)");
        return Ok(());
    }
    let mut command = Command::new("node");
    command.arg(installed()?).arg("-Oz").args(FEATURES).args(further).arg(wasm).arg("-o").arg(wasm);
    shell::run(&mut command)
}

/// The optimiser's script, installed once.
fn installed() -> Outcome<PathBuf> {
    let folder = shell::root().join(".tools/binaryen");
    let script = folder.join("node_modules/binaryen/bin/wasm-opt");
    let stamp = folder.join("serin.stamp");
    if script.is_file() && std::fs::read_to_string(&stamp).is_ok_and(|found| found == PACKAGE) {
        return Ok(script);
    }
    println!("build: installing {PACKAGE} into .tools/");
    std::fs::create_dir_all(&folder)
        .map_err(|error| format!("{} could not be made: {error}", folder.display()))?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"])
        .arg(&folder)
        .arg(PACKAGE);
    shell::run(&mut npm)?;
    std::fs::write(&stamp, PACKAGE)
        .map_err(|error| format!("{} could not be written: {error}", stamp.display()))?;
    Ok(script)
}
