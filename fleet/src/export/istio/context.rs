//! The parts that all resources of Istio share: metadata and the selector of pods.

use super::options::{Options, Routes, Variant};
use crate::export::mark;
use crate::export::source::Source;
use serde_json::{Map, Value, json};

/// The spec and the options that every resource is made from.
pub(super) struct Context<'a> {
    pub(super) source: &'a Source<'a>,
    pub(super) options: &'a Options,
}

impl Context<'_> {
    /// A resource annotated with the digest and the revision of the spec.
    pub(super) fn resource(&self, api: &str, kind: &str, name: &str, spec: Value) -> Value {
        let mut metadata = Map::new();
        metadata.insert("annotations".into(), mark::annotations(self.source));
        metadata.insert("name".into(), name.into());
        if let Some(namespace) = &self.options.namespace {
            metadata.insert("namespace".into(), namespace.as_str().into());
        }
        json!({"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec})
    }

    /// Adds the selector of the pods that a resource applies to.
    pub(super) fn select(&self, spec: &mut Map<String, Value>) {
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

/// The namespace and the name of a gateway.
pub(super) fn split_gateway(gateway: &str) -> (Option<&str>, &str) {
    match gateway.split_once('/') {
        Some((namespace, name)) => (Some(namespace), name),
        None => (None, gateway),
    }
}
