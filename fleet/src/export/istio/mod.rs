//! For Istio: the filter as an extension, routes as VirtualServices or the Gateway API's HTTPRoutes,
//! subsets, and the arms as labels of Istio's own metrics.

mod destination;
mod extension;
mod hosts;
mod http_route;
mod names;
mod telemetry;
mod virtual_service;

use super::{Artifact, Problem, Source, mark};
use crate::yaml;
use serde_json::{Map, Value, json};

pub use destination::{Destination, Mapping};

/// Where the filter runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variant {
    /// In a gateway, for what comes into the mesh.
    Gateway,
    /// In callers' sidecars, for calls inside the mesh.
    Sidecar,
}

/// What the filter is installed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extension {
    /// `WasmPlugin`.
    WasmPlugin,
    /// `TrafficExtension`, Istio 1.30 and newer.
    TrafficExtension,
}

/// What requests are routed by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Routes {
    /// Istio's `VirtualService`.
    VirtualService,
    /// The Gateway API's `HTTPRoute`.
    GatewayApi,
}

/// What Istio's resources need to know beside the spec.
#[derive(Clone, Debug)]
pub struct Options {
    /// What every resource's name begins with.
    pub name: String,
    /// The namespace; left to whoever applies the resources when absent.
    pub namespace: Option<String>,
    /// Where the filter runs.
    pub variant: Variant,
    /// What installs it.
    pub extension: Extension,
    /// What routes by it.
    pub routes: Routes,
    /// Where the filter is: `oci://`, `https://` or `file://`.
    pub url: String,
    /// The checksum of what is there, 64 hex digits.
    pub sha256: Option<String>,
    /// The name of the secret with the registry's credentials.
    pub pull_secret: Option<String>,
    /// Labels of the pods that run the filter.
    pub selector: Vec<(String, String)>,
    /// The gateway, `NAME` or `NAMESPACE/NAME`; needed for the variant in a gateway.
    pub gateway: Option<String>,
    /// Targets that are not called as Kubernetes calls them.
    pub destinations: Vec<Mapping>,
    /// The port of destinations that name none.
    pub port: Option<u16>,
    /// The target of requests that belong to no rollout.
    pub default: Option<String>,
}

/// The files for Istio.
pub fn artifacts(source: &Source<'_>, options: &Options) -> Result<Vec<Artifact>, Vec<Problem>> {
    let mut problems = Vec::new();
    let destinations = destination::all(source, options, &mut problems);
    let tables = hosts::tables(source.spec, options, &mut problems);
    match (options.variant, &options.gateway) {
        (Variant::Gateway, None) => {
            problems
                .push(Problem("--gateway: name the gateway that the filter runs in".to_owned()));
        }
        (Variant::Sidecar, Some(_)) => {
            problems.push(Problem("--gateway: a sidecar is no gateway, leave it out".to_owned()));
        }
        _ => {}
    }
    if options.routes == Routes::GatewayApi {
        problems.extend(http_route::problems(source.spec, options, &destinations));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let context = Context { source, options };
    let (extension_file, extension) = extension::extension(&context);
    let (routes_file, routes) = match options.routes {
        Routes::VirtualService => {
            ("virtual-services.yaml", virtual_service::all(&context, &tables, &destinations))
        }
        Routes::GatewayApi => {
            ("http-routes.yaml", http_route::all(&context, &tables, &destinations))
        }
    };
    let files = [
        (extension_file, EXTENSION.as_slice(), vec![extension]),
        (routes_file, ROUTES.as_slice(), routes),
        ("destination-rules.yaml", SUBSETS.as_slice(), destination::rules(&context, &destinations)),
        ("telemetry.yaml", TELEMETRY.as_slice(), vec![telemetry::telemetry(&context)]),
    ];
    let files = files.into_iter().filter(|(_, _, resources)| !resources.is_empty());
    Ok(files.map(|(path, about, resources)| file(source, path, about, &resources)).collect())
}

const EXTENSION: [&str; 1] = ["The filter with the spec."];
const ROUTES: [&str; 2] = [
    "Where the arms' requests go. Routes without x-serin-arm are for requests that Serin has nothing to",
    "say about.",
];
const SUBSETS: [&str; 2] = [
    "The subsets that targets name. A host can have one DestinationRule: if yours has one already, add",
    "these subsets there and leave this file out.",
];
const TELEMETRY: [&str; 1] =
    ["Rollout and arm as labels of istio_requests_total and of the durations."];

fn file(source: &Source<'_>, path: &str, about: &[&str], resources: &[Value]) -> Artifact {
    let mut comment = mark::header(source, "istio");
    comment.extend(about.iter().map(|line| (*line).to_owned()));
    let documents: Vec<String> = resources.iter().map(yaml::document).collect();
    Artifact { path: path.to_owned(), text: yaml::comment(&comment) + &documents.join("---\n") }
}

/// What every resource is made from.
struct Context<'a> {
    source: &'a Source<'a>,
    options: &'a Options,
}

impl Context<'_> {
    /// A resource with the spec's digest and revision.
    fn resource(&self, api: &str, kind: &str, name: &str, spec: Value) -> Value {
        let mut metadata = Map::new();
        metadata.insert("annotations".into(), mark::annotations(self.source));
        metadata.insert("name".into(), name.into());
        if let Some(namespace) = &self.options.namespace {
            metadata.insert("namespace".into(), namespace.as_str().into());
        }
        json!({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec})
    }

    /// Adds to a resource's spec whose pods it is for.
    fn select(&self, spec: &mut Map<String, Value>) {
        let Options { selector, gateway, variant, routes, .. } = self.options;
        if !selector.is_empty() {
            let labels: Map<String, Value> =
                selector.iter().map(|(key, value)| (key.clone(), value.as_str().into())).collect();
            spec.insert("selector".into(), json!({"matchLabels": labels}));
            return;
        }
        if *variant == Variant::Sidecar {
            // Every pod of the namespace.
            return;
        }
        match (routes, gateway) {
            (Routes::GatewayApi, Some(gateway)) => {
                let (_, name) = split_gateway(gateway);
                let target =
                    json!({"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": name});
                spec.insert("targetRefs".into(), json!([target]));
            }
            _ => {
                let labels = json!({"matchLabels": {"istio": "ingressgateway"}});
                spec.insert("selector".into(), labels);
            }
        }
    }
}

/// Namespace and name of a gateway.
fn split_gateway(gateway: &str) -> (Option<&str>, &str) {
    match gateway.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, gateway),
    }
}
