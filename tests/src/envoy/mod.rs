//! Real Envoy as a child process. It ends when its owner is dropped, and every wait has a limit.

pub mod bootstrap;
pub mod edge;
pub mod shifted_clock;

use crate::client;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// The limit of every wait. It is generous, so that a busy machine fails no test.
const TIMEOUT: Duration = Duration::from_secs(60);

/// A running Envoy; its folder is deleted when it ends.
pub struct Envoy {
    child: Child,
    /// The folder of its configuration and its logs.
    pub folder: PathBuf,
    admin: SocketAddr,
}

/// The path of an existing file that an environment variable names; `cargo xtask test` sets it.
pub fn path_from_env(variable: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    let path = path.ok_or_else(|| format!("{variable} is not set: run `cargo xtask test`"))?;
    if path.is_file() {
        return Ok(path);
    }
    Err(format!("{variable} names {}, which does not exist", path.display()))
}

/// Creates an empty temporary folder.
pub fn create_folder(name: &str) -> Result<PathBuf, String> {
    let folder = std::env::temp_dir().join(format!("serin-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

impl Envoy {
    /// Starts Envoy with a bootstrap and waits until it is ready.
    pub fn start(folder: PathBuf, bootstrap: &Value) -> Result<Self, String> {
        Self::start_with(folder, bootstrap, &[])
    }

    /// [`Envoy::start`] with further environment variables.
    pub fn start_with(
        folder: PathBuf,
        bootstrap: &Value,
        variables: &[(&str, &str)],
    ) -> Result<Self, String> {
        let file = folder.join("envoy.json");
        write_file(&file, &bootstrap.to_string())?;
        Self::start_from_file(folder, Path::new("/"), &file, variables)
    }

    /// Starts Envoy in a working directory with a configuration file and further environment variables.
    pub fn start_from_file(
        folder: PathBuf,
        directory: &Path,
        file: &Path,
        variables: &[(&str, &str)],
    ) -> Result<Self, String> {
        let admin = folder.join("admin");
        let output = std::fs::File::create(folder.join("stdout"))
            .map_err(|error| format!("{}: {error}", folder.display()))?;
        let mut child = command(file)?
            .args(["--concurrency", "2", "-l", "warning", "--admin-address-path"])
            .arg(&admin)
            .arg("--log-path")
            .arg(folder.join("envoy.log"))
            .current_dir(directory)
            .envs(variables.iter().copied())
            .stdout(output)
            .spawn()
            .map_err(|error| format!("Envoy did not start: {error}"))?;
        let log = folder.join("envoy.log");
        match wait_until_ready(&mut child, &admin) {
            Ok(admin) => Ok(Self { child, folder, admin }),
            Err(why) => {
                let _ = child.kill();
                let _ = child.wait();
                let log = tail(&log, 40);
                let _ = std::fs::remove_dir_all(&folder);
                Err(format!("{why}; its log ends in\n{log}"))
            }
        }
    }

    /// The address of a listener that is configured with a free port.
    pub fn listener(&self, name: &str) -> Result<SocketAddr, String> {
        let text = self.admin("/listeners?format=json")?;
        let list: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let statuses = list["listener_statuses"].as_array().cloned().unwrap_or_default();
        let found = statuses.iter().find(|status| status["name"] == name);
        let address = found.map(|status| &status["local_address"]["socket_address"]);
        let port = address.and_then(|address| address["port_value"].as_u64());
        let port = port.and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or_else(|| format!("Envoy has no listener {name}\n{}", self.log()))?;
        Ok(SocketAddr::from(([127, 0, 0, 1], port)))
    }

    /// The address of the admin interface.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// A page of the admin interface.
    pub fn admin(&self, path: &str) -> Result<String, String> {
        Ok(client::get(self.admin, path)?.text())
    }

    /// Envoy's standard output, which includes its access log.
    pub fn output(&self) -> String {
        tail(&self.folder.join("stdout"), usize::MAX)
    }

    /// The last lines of Envoy's log.
    pub fn log(&self) -> String {
        tail(&self.folder.join("envoy.log"), 40)
    }

    /// The whole of Envoy's log.
    pub fn whole_log(&self) -> String {
        tail(&self.folder.join("envoy.log"), usize::MAX)
    }

    /// Waits until the log contains a string; the error shows the end of the log.
    pub fn wait_for_log(&self, text: &str) -> Result<(), String> {
        let found = poll(|| self.whole_log().contains(text).then_some(()));
        found.ok_or_else(|| format!("the log does not contain {text:?}\n{}", self.log()))
    }

    /// Waits until a condition holds; the error names it and shows the end of the log.
    pub fn wait_until(&self, what: &str, mut holds: impl FnMut() -> bool) -> Result<(), String> {
        let found = poll(|| holds().then_some(()));
        found.ok_or_else(|| format!("timed out: {what}\n{}", self.log()))
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Starts Envoy with a bootstrap that it must refuse; returns its log.
pub fn expect_refusal(name: &str, bootstrap: &Value) -> Result<String, String> {
    let folder = create_folder(name)?;
    let file = folder.join("envoy.json");
    write_file(&file, &bootstrap.to_string())?;
    let log = folder.join("envoy.log");
    let mut child = command(&file)?
        .arg("--log-path")
        .arg(&log)
        .spawn()
        .map_err(|error| format!("Envoy did not start: {error}"))?;
    let status = poll(|| child.try_wait().ok().flatten());
    let _ = child.kill();
    let _ = child.wait();
    let log = tail(&log, usize::MAX);
    let _ = std::fs::remove_dir_all(&folder);
    match status {
        Some(status) if !status.success() => Ok(log),
        Some(_) => Err(format!("Envoy accepted the bootstrap and ended\n{log}")),
        None => Err(format!("Envoy accepted the bootstrap and runs\n{log}")),
    }
}

/// Writes a file; the error names it.
pub fn write_file(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Replaces a file by a rename, so that a watching Envoy never reads half of it.
pub fn replace_file(path: &Path, text: &str) -> Result<(), String> {
    let new = path.with_added_extension("new");
    write_file(&new, text)?;
    std::fs::rename(&new, path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Calls `attempt` every 20 ms until it returns a value; `None` after 60 s.
pub fn poll<T>(mut attempt: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + TIMEOUT;
    loop {
        if let Some(value) = attempt() {
            return Some(value);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn command(file: &Path) -> Result<Command, String> {
    let mut command = Command::new(path_from_env("SERIN_ENVOY")?);
    command.arg("-c").arg(file).arg("--disable-hot-restart");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

/// Waits until Envoy is live; returns the address of its admin interface, which it writes to `admin`.
fn wait_until_ready(child: &mut Child, admin: &Path) -> Result<SocketAddr, String> {
    let found = poll(|| {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(Err(format!("Envoy ended with {status}")));
        }
        let address: SocketAddr = std::fs::read_to_string(admin).ok()?.trim().parse().ok()?;
        let live = client::get(address, "/ready").ok()?.text();
        live.starts_with("LIVE").then_some(Ok(address))
    });
    found.unwrap_or_else(|| Err("Envoy was not ready in time".into()))
}

/// The last lines of a file.
fn tail(log: &Path, lines: usize) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}
