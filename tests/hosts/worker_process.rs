//! workerd as a child process, which miniflare starts.

use serde_json::{Value, json};
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// The configuration of a Worker.
pub(crate) struct WorkerConfig {
    /// The name.
    pub(crate) name: String,
    /// The variables.
    pub(crate) variables: Value,
    /// The value under `latches` in the KV namespace; without it there is no namespace.
    pub(crate) latches: Option<Value>,
}

/// A running workerd; it ends when it is dropped.
pub(crate) struct Workerd {
    child: Child,
    ports: Value,
}

impl Workerd {
    /// Starts one workerd with the Workers, and waits until they listen.
    pub(crate) fn start(workers: &[WorkerConfig]) -> Result<Self, String> {
        let node = folder_from_env("SERIN_NODE_TOOLS")?.join("node_modules/.bin/node");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("worker/serve.mjs");
        let configs = workers.iter().map(|WorkerConfig { name, variables, latches }| {
            json!({"name": name, "variables": variables, "latches": latches})
        });
        let configs = Value::Array(configs.collect()).to_string();
        let file = Path::new(env!("CARGO_TARGET_TMPDIR"))
            .join(format!("workers-{}.json", std::process::id()));
        std::fs::write(&file, configs).map_err(|error| format!("{file:?}: {error}"))?;
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
        // The ports are the only line of JSON among workerd's logs.
        while !line.starts_with('{') {
            line.clear();
            if reader.read_line(&mut line).unwrap_or_default() == 0 {
                let _ = child.wait();
                return Err("workerd did not start".into());
            }
        }
        // A full pipe would block workerd.
        std::thread::spawn(move || {
            let mut rest = String::new();
            while reader.read_line(&mut rest).is_ok_and(|read| read > 0) {
                rest.clear();
            }
        });
        let ports = serde_json::from_str(&line).map_err(|error| format!("{line}: {error}"))?;
        Ok(Self { child, ports })
    }

    /// The address of a Worker.
    pub(crate) fn address(&self, name: &str) -> Result<SocketAddr, String> {
        let port = self.ports.get(name).and_then(Value::as_u64);
        let port = port.and_then(|port| u16::try_from(port).ok());
        let port = port.ok_or_else(|| format!("workerd has no port for {name}"))?;
        Ok(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))
    }
}

impl Drop for Workerd {
    fn drop(&mut self) {
        // The script ends workerd and itself at the end of its standard input.
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

fn folder_from_env(variable: &str) -> Result<PathBuf, String> {
    let value = std::env::var_os(variable);
    value
        .map(PathBuf::from)
        .ok_or_else(|| format!("{variable} is not set; `cargo xtask test` sets it"))
}
