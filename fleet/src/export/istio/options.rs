//! The options of the export to Istio.

use super::destination::Mapping;

/// The proxies that run the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// Gateways, for requests that enter the mesh.
    Gateway,
    /// Sidecars of callers, for calls inside the mesh.
    Sidecar,
}

/// The resource that installs the filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// `WasmPlugin`.
    WasmPlugin,
    /// `TrafficExtension`, from Istio 1.30 on.
    TrafficExtension,
}

/// The resource that routes requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routes {
    /// Istio's `VirtualService`.
    VirtualService,
    /// The Gateway API's `HTTPRoute`.
    GatewayApi,
}

/// The options of the export to Istio.
#[derive(Clone, Debug)]
pub struct Options {
    /// The prefix of the names of all resources.
    pub name: String,
    /// The namespace. Without it, the resources name none.
    pub namespace: Option<String>,
    /// The proxies that run the filter.
    pub variant: Variant,
    /// The resource that installs the filter.
    pub extension: Extension,
    /// The resource that routes requests.
    pub routes: Routes,
    /// The URL of the filter: `oci://`, `https://` or `file://`.
    pub url: String,
    /// The SHA-256 checksum of the filter, 64 hex digits.
    pub sha256: Option<String>,
    /// The name of the secret with the registry's credentials.
    pub pull_secret: Option<String>,
    /// Labels of the pods that run the filter.
    pub selector: Vec<(String, String)>,
    /// The gateway, `NAME` or `NAMESPACE/NAME`; required if gateways run the filter.
    pub gateway: Option<String>,
    /// The destinations of targets that are not named after a service.
    pub destinations: Vec<Mapping>,
    /// The port of destinations without one.
    pub port: Option<u16>,
    /// The target of requests that belong to no rollout.
    pub default: Option<String>,
}
