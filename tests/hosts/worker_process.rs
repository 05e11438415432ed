//! workerd as a child process, by miniflare.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A Worker to start.
pub(crate) struct Described {
    /// Its name.
    pub(crate) name: String,
    /// Its variables.
    pub(crate) variables: Value,
    /// What is in its KV namespace under `latches`; without it there is no namespace.
    pub(crate) latches: Option<Value>,
}

/// A running workerd; it ends with its owner.
pub(crate) struct Workerd {
    child: Child,
    ports: Value,
}

impl Workerd {
    /// Starts one workerd with the Workers, and waits until they listen.
    pub(crate) fn start(workers: &[Described]) -> Result<Self, String> {
        let node = path_from("SERIN_NODE_TOOLS")?.join("node_modules/.bin/node");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("worker/serve.mjs");
        let described = workers.iter().map(|Described { name, variables, latches }| {
            json!({"name": name, "variables": variables, "latches": latches})
        });
        let described = Value::Array(described.collect()).to_string();
        let file = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("workers-{}.json", std::process::id()));
        std::fs::write(&file, described).map_err(|error| format!("{file:?}: {error}"))?;
        let started = Command::new(node)
            .arg(script)
            .arg(file)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn();
        let mut child = started.map_err(|error| format!("node did not start: {error}"))?;
        let output = child.stdout.take().ok_or("node has no output")?;
        let mut reader = BufReader::new(output);
        let mut line = String::new();
        // What workerd logs comes before and after; the ports are the one line of JSON.
        while !line.starts_with('{') {
            line.clear();
            if reader.read_line(&mut line).unwrap_or_default() == 0 {
                let _ = child.wait();
                return Err("workerd did not start".into());
            }
        }
        // Somebody has to read the rest, or workerd stops when the pipe is full.
        std::thread::spawn(move || {
            let mut rest = String::new();
            while reader.read_line(&mut rest).is_ok_and(|read| read > 0) {
                rest.clear();
            }
        });
        let ports = serde_json::from_str(&line).map_err(|error| format!("{line}: {error}"))?;
        Ok(Self { child, ports })
    }

    /// Where a Worker listens.
    pub(crate) fn address(&self, name: &str) -> Result<SocketAddr, String> {
        let port = self.ports.get(name).and_then(Value::as_u64);
        let port = port.and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or_else(|| format!("workerd has no port for {name}"))?;
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }
}

impl Drop for Workerd {
    fn drop(&mut self) {
        // The end of its input tells it to end workerd and itself.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn path_from(variable: &str) -> Result<PathBuf, String> {
    let value = std::env::var_os(variable);
    value
        .map(PathBuf::from)
        .ok_or_else(|| format!("{variable} is not set; `cargo xtask test` sets it"))
}
