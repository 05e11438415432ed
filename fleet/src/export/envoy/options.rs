//! The options of the export to Envoy.

use std::net::SocketAddr;

/// The options of the export to Envoy.
#[derive(Clone, Debug)]
pub struct Options {
    /// The path of the filter's wasm, as Envoy sees it.
    pub filter: String,
    /// The path of the file that delivers the spec, as Envoy sees it. Without it, the spec is part of the
    /// filter's own configuration, and a change needs a restart.
    pub ecds: Option<String>,
    /// The cluster of requests that belong to no rollout.
    pub default: Option<String>,
    /// The options of a complete configuration. Without them, none is written.
    pub bootstrap: Option<Bootstrap>,
}

/// The options of a complete configuration.
#[derive(Clone, Debug)]
pub struct Bootstrap {
    /// The address on which Envoy listens for requests.
    pub listen: SocketAddr,
    /// The address of the admin interface.
    pub admin: SocketAddr,
    /// The address of each target.
    pub upstreams: Vec<Upstream>,
}

/// The address of a target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Upstream {
    /// The target.
    pub target: String,
    /// A host name or an IP address; an IPv6 address without brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}
