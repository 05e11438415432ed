//! What an embedder says about a stream.

use crate::value::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What the host knows about a stream besides its headers and bodies.
#[derive(Clone, Debug, PartialEq)]
pub struct StreamInfo {
    /// Shared: a driver may give the same to many streams.
    properties: Arc<Value>,
}

impl Default for StreamInfo {
    /// From 127.0.0.1:40000 to 127.0.0.1:80.
    fn default() -> Self {
        let info = Self { properties: Arc::new(Value::Map(BTreeMap::new())) };
        info.source("127.0.0.1:40000").destination("127.0.0.1:80")
    }
}

impl StreamInfo {
    /// From 127.0.0.1:40000 to 127.0.0.1:80.
    pub fn new() -> Self {
        Self::default()
    }

    /// The client's address with its port, as `source.address` shows it.
    #[must_use]
    pub fn source(self, address: &str) -> Self {
        self.peer("source", address)
    }

    /// The address the client connected to, with its port.
    #[must_use]
    pub fn destination(self, address: &str) -> Self {
        self.peer("destination", address)
    }

    fn peer(self, which: &str, address: &str) -> Self {
        let port = address.rsplit_once(':').and_then(|(_, port)| port.parse().ok());
        self.property(&[which, "address"], address)
            .property(&[which, "port"], Value::Int(port.unwrap_or(0)))
    }

    pub(crate) fn into_properties(self) -> Arc<Value> {
        self.properties
    }

    /// Any property by its path, such as `["xds", "cluster_name"]`. It wins over what the simulator
    /// would say itself.
    #[must_use]
    pub fn property(mut self, path: &[&str], value: impl Into<Value>) -> Self {
        Arc::make_mut(&mut self.properties).insert(path, value.into());
        self
    }

    /// Dynamic metadata of a filter, such as the payload that `envoy.filters.http.jwt_authn` leaves.
    #[must_use]
    pub fn metadata(self, filter: &str, json: serde_json::Value) -> Self {
        self.property(&["metadata", "filter_metadata", filter], json)
    }
}
