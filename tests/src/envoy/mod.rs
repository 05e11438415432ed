//! Real Envoy as a child process, bounded in time and gone when its owner is.

pub mod bootstrap;
pub mod edge;

use crate::client;
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// Starting takes a second or two; two busy cores make it longer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A running Envoy with a folder of its own.
pub struct Envoy {
    child: Child,
    /// Where its configuration and its log lie.
    pub folder: PathBuf,
    admin: SocketAddr,
}

/// A path that the task runner gives by environment; `cargo xtask test` sets it.
pub fn path_from(variable: &str) -> Result<PathBuf, String> {
    let path = std::env::var_os(variable).map(PathBuf::from);
    let path = path.ok_or_else(|| format!("{variable} is not set: run `cargo xtask test`"))?;
    if path.is_file() {
        return Ok(path);
    }
    Err(format!("{variable} names {}, which is not there", path.display()))
}

/// A fresh folder for one Envoy.
pub fn folder(name: &str) -> Result<PathBuf, String> {
    let folder = std::env::temp_dir().join(format!("serin-{name}-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    Ok(folder)
}

impl Envoy {
    /// Starts Envoy on a bootstrap and waits until it is ready.
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
        write(&file, &bootstrap.to_string())?;
        Self::run(folder, Path::new("/"), &file, variables)
    }

    /// Starts Envoy in a directory on a configuration file, with further environment variables.
    pub fn run(
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
        match ready(&mut child, &admin) {
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

    /// Where a listener with a free port really listens.
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

    /// Where the admin interface listens.
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// A page of the admin interface.
    pub fn admin(&self, path: &str) -> Result<String, String> {
        Ok(client::get(self.admin, path)?.text())
    }

    /// What Envoy wrote to standard output, its access log for one.
    pub fn output(&self) -> String {
        tail(&self.folder.join("stdout"), usize::MAX)
    }

    /// The end of Envoy's log.
    pub fn log(&self) -> String {
        tail(&self.folder.join("envoy.log"), 40)
    }

    /// The whole of Envoy's log.
    pub fn whole_log(&self) -> String {
        tail(&self.folder.join("envoy.log"), usize::MAX)
    }

    /// Waits until the log holds a text; the error shows the log.
    pub fn wait_for_log(&self, text: &str) -> Result<(), String> {
        let found = until(PATIENCE, || self.whole_log().contains(text).then_some(()));
        found.ok_or_else(|| format!("the log never said {text:?}\n{}", self.log()))
    }
}

impl Drop for Envoy {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// Runs Envoy on a bootstrap it ought to refuse, and gives what it said.
pub fn refused(name: &str, bootstrap: &Value) -> Result<String, String> {
    let folder = folder(name)?;
    let file = folder.join("envoy.json");
    write(&file, &bootstrap.to_string())?;
    let log = folder.join("envoy.log");
    let mut child = command(&file)?
        .arg("--log-path")
        .arg(&log)
        .spawn()
        .map_err(|error| format!("Envoy did not start: {error}"))?;
    let status = until(PATIENCE, || child.try_wait().ok().flatten());
    let _ = child.kill();
    let _ = child.wait();
    let said = tail(&log, usize::MAX);
    let _ = std::fs::remove_dir_all(&folder);
    match status {
        Some(status) if !status.success() => Ok(said),
        Some(_) => Err(format!("Envoy ended well\n{said}")),
        None => Err(format!("Envoy went on running\n{said}")),
    }
}

/// Writes a file; the error names it.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Asks again and again until there is an answer or the time is up.
pub fn until<T>(patience: Duration, mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let end = Instant::now() + patience;
    loop {
        if let Some(answer) = ask() {
            return Some(answer);
        }
        if Instant::now() > end {
            return None;
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn command(file: &Path) -> Result<Command, String> {
    let mut command = Command::new(path_from("SERIN_ENVOY")?);
    command.arg("-c").arg(file).arg("--disable-hot-restart");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    Ok(command)
}

fn ready(child: &mut Child, admin: &Path) -> Result<SocketAddr, String> {
    let answer = until(PATIENCE, || {
        if let Ok(Some(status)) = child.try_wait() {
            return Some(Err(format!("Envoy ended with {status}")));
        }
        let address: SocketAddr = std::fs::read_to_string(admin).ok()?.trim().parse().ok()?;
        let live = client::get(address, "/ready").ok()?.text();
        live.starts_with("LIVE").then_some(Ok(address))
    });
    answer.unwrap_or_else(|| Err("Envoy was not ready in time".into()))
}

fn tail(log: &Path, lines: usize) -> String {
    let text = std::fs::read(log).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}
