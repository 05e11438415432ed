//! An Envoy as people run it in front of several versions: routes by arm, the filter by discovery, so
//! that its spec can change under load.

use super::bootstrap::{self, discovery, wasm_config, wasm_from_file};
use super::{Envoy, path_from, write};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;

/// What an edge is made of.
pub struct Edge {
    folder: PathBuf,
    /// Environment variables of the filter's VM.
    variables: Value,
    version: u32,
}

impl Edge {
    /// An edge whose filter has these environment variables.
    pub fn new(name: &str, variables: Value) -> Result<Self, String> {
        Ok(Self { folder: super::folder(name)?, variables, version: 0 })
    }

    /// Puts a spec in force.
    pub fn deliver(&mut self, spec: &Value) -> Result<(), String> {
        self.version += 1;
        let mut config = wasm_config(&path_from("SERIN_FILTER_WASM")?, &spec.to_string());
        config["config"]["vm_config"]["environment_variables"] =
            json!({"key_values": self.variables});
        let text = discovery(&self.version.to_string(), &config).to_string();
        let (file, new) = (self.folder.join("serin.json"), self.folder.join("serin.json.new"));
        write(&new, &text)?;
        std::fs::rename(&new, &file).map_err(|error| format!("{}: {error}", file.display()))
    }

    /// Starts Envoy: requests with `x-serin-arm` go to the cluster of that name, all others to the first.
    pub fn start(&self, clusters: &[(&str, SocketAddr)]) -> Result<Envoy, String> {
        self.start_with(&self.version.to_string(), clusters, &json!({}))
    }

    /// [`Edge::start`] under a name of its own, so that several can run, with more of a bootstrap.
    pub fn start_with(
        &self,
        name: &str,
        clusters: &[(&str, SocketAddr)],
        more: &Value,
    ) -> Result<Envoy, String> {
        let filter = wasm_from_file(&self.folder.join("serin.json"), &self.folder);
        let mut listener = bootstrap::listener("edge", &filter, clusters[0].0);
        // Both workers get their part of a few connections.
        listener["connection_balance_config"] = json!({"exact_balance": {}});
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        let routes = &mut manager["route_config"]["virtual_hosts"][0]["routes"];
        let route = |(name, _): &(&str, SocketAddr)| {
            json!({
                "match": {"prefix": "/", "headers": [
                    {"name": "x-serin-arm", "string_match": {"exact": name}},
                ]},
                "route": {"cluster": name},
            })
        };
        let mut all: Vec<Value> = clusters.iter().map(route).collect();
        all.push(routes[0].clone());
        *routes = json!(all);
        // Envoy's own folder goes with it, this one does not.
        let own = super::folder(&format!("edge-{name}"))?;
        let mut bootstrap = bootstrap::bootstrap(vec![listener], clusters);
        for (key, value) in more.as_object().into_iter().flatten() {
            bootstrap[key] = value.clone();
        }
        Envoy::start(own, &bootstrap)
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
