//! An Envoy as in production in front of several versions: it routes by arm and discovers the filter,
//! so that the spec can change under load.

use super::bootstrap::{self, discovery_response, wasm_config, wasm_filter_from_file};
use super::{Envoy, path_from_env, replace_file};
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::PathBuf;

/// The configuration of an edge.
pub struct Edge {
    folder: PathBuf,
    /// The environment variables of the filter's VM.
    variables: Value,
    /// The environment variables of Envoy itself.
    process_variables: Vec<(String, String)>,
    has_route_timeout: bool,
    version: u32,
}

impl Edge {
    /// An edge whose filter has these environment variables.
    pub fn new(name: &str, variables: Value) -> Result<Self, String> {
        Ok(Self {
            folder: super::create_folder(name)?,
            variables,
            process_variables: Vec::new(),
            has_route_timeout: true,
            version: 0,
        })
    }

    /// Starts Envoy with further environment variables.
    pub fn set_process_variables(&mut self, variables: Vec<(String, String)>) {
        self.process_variables = variables;
    }

    /// Lets requests wait for ever.
    pub fn remove_route_timeout(&mut self) {
        self.has_route_timeout = false;
    }

    /// Writes a spec to the file that Envoy watches.
    pub fn deliver(&mut self, spec: &Value) -> Result<(), String> {
        self.deliver_text(&spec.to_string())
    }

    /// Writes a spec as it is.
    pub fn deliver_text(&mut self, spec: &str) -> Result<(), String> {
        self.version += 1;
        let mut config = wasm_config(&path_from_env("SERIN_FILTER_WASM")?, spec);
        config["config"]["vm_config"]["environment_variables"] =
            json!({"key_values": self.variables});
        let response = discovery_response(&self.version.to_string(), &config);
        replace_file(&self.folder.join("serin.json"), &response.to_string())
    }

    /// Starts Envoy. Requests with `x-serin-arm` go to the cluster of that name, others to the first
    /// cluster.
    pub fn start(&self, clusters: &[(&str, SocketAddr)]) -> Result<Envoy, String> {
        self.start_with(&self.version.to_string(), clusters, &json!({}))
    }

    /// [`Edge::start`] under a name, so that several can run, with additional bootstrap fields.
    pub fn start_with(
        &self,
        name: &str,
        clusters: &[(&str, SocketAddr)],
        bootstrap_fields: &Value,
    ) -> Result<Envoy, String> {
        let filter = wasm_filter_from_file(&self.folder.join("serin.json"), &self.folder);
        let mut listener = bootstrap::listener("edge", &filter, clusters[0].0);
        // Without it one worker may get all of a few connections.
        listener["connection_balance_config"] = json!({"exact_balance": {}});
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        let routes = &mut manager["route_config"]["virtual_hosts"][0]["routes"];
        let route = |(name, _): &(&str, SocketAddr)| {
            let mut route = json!({
                "match": {"prefix": "/", "headers": [
                    {"name": "x-serin-arm", "string_match": {"exact": name}},
                ]},
                "route": {"cluster": name},
            });
            if !self.has_route_timeout {
                route["route"]["timeout"] = json!("0s");
            }
            route
        };
        let mut all: Vec<Value> = clusters.iter().map(route).collect();
        all.push(routes[0].clone());
        *routes = json!(all);
        // The edge outlives its Envoys, and each Envoy deletes its folder.
        let envoy_folder = super::create_folder(&format!("edge-{name}"))?;
        let mut bootstrap = bootstrap::bootstrap(vec![listener], clusters);
        for (key, value) in bootstrap_fields.as_object().into_iter().flatten() {
            bootstrap[key] = value.clone();
        }
        let variables = self.process_variables.iter();
        let variables: Vec<(&str, &str)> =
            variables.map(|(name, value)| (name.as_str(), value.as_str())).collect();
        Envoy::start_with(envoy_folder, &bootstrap, &variables)
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}
