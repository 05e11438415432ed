//! Binaryen's optimiser, wasm-opt, which makes the filter a seventh smaller. It comes from npm. A build
//! without Node.js leaves it out, so that building needs nothing but rustup; the code does the same.

use crate::process::{self, TaskResult};
use crate::{files, tools};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

const PACKAGE: &str = "binaryen@132.0.0";
/// The WebAssembly proposals that rustc's targets use by default, and nothing newer: Envoy's V8 has them.
const FEATURES: [&str; 6] = [
    "--enable-bulk-memory",
    "--enable-multivalue",
    "--enable-mutable-globals",
    "--enable-nontrapping-float-to-int",
    "--enable-reference-types",
    "--enable-sign-ext",
];

/// What wasm-bindgen's glue also needs, to notice a trap. Cloudflare's V8 has it.
pub(crate) const EXCEPTIONS: &str = "--enable-exception-handling";

/// Whether the optimiser can run.
static IS_AVAILABLE: LazyLock<bool> = LazyLock::new(|| {
    process::is_installed("node") && (installed().is_some() || process::is_installed("npm"))
});

/// The optimiser's package and version, or that there is none: part of a build step's inputs.
pub(crate) fn version() -> &'static str {
    if *IS_AVAILABLE { PACKAGE } else { "no optimiser" }
}

/// Optimises a wasm file for size, in place. Without Node.js and npm it stays as it is.
pub(crate) fn optimise(wasm: &Path, more_options: &[&str]) -> TaskResult {
    if !*IS_AVAILABLE {
        println!("build: Node.js with npm is not installed: no wasm-opt, the wasm is 1/7 larger");
        return Ok(());
    }
    let script = installed().map_or_else(install, Ok)?;
    let mut command = Command::new("node");
    command.arg(script).arg("-Oz").args(FEATURES).args(more_options);
    process::run(command.arg(wasm).arg("-o").arg(wasm))
}

fn folder() -> PathBuf {
    process::root().join(".tools/binaryen")
}

fn script() -> PathBuf {
    folder().join("node_modules/binaryen/bin/wasm-opt")
}

/// The optimiser's script, if this version is installed.
fn installed() -> Option<PathBuf> {
    let is_wanted = tools::is_at_version(&folder(), PACKAGE);
    Some(script()).filter(|script| is_wanted && script.is_file())
}

fn install() -> TaskResult<PathBuf> {
    println!("build: installing {PACKAGE} into .tools/");
    files::make_folder(&folder())?;
    let options = ["install", "--silent", "--no-audit", "--no-fund", "--prefix"];
    process::run(Command::new("npm").args(options).arg(folder()).arg(PACKAGE))?;
    tools::record_version(&folder(), PACKAGE)?;
    Ok(script())
}
