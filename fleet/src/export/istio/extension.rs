//! The resource that installs the filter.

use super::context::Context;
use super::options::Extension;
use crate::export::document;
use crate::export::environment::VARIABLES;
use serde_json::{Map, Value, json};

/// The name of the file and the resource.
pub(super) fn extension(context: &Context<'_>) -> (&'static str, Value) {
    let api = "extensions.istio.io/v1alpha1";
    let name = &context.options.name;
    let mut spec = Map::new();
    context.select(&mut spec);
    // After authentication, which provides the claims, and before authorisation, so that no policy sees a header
    // that a client forged.
    spec.insert("phase".into(), "AUTHZ".into());
    // In a gateway, all requests; in a sidecar, outgoing calls.
    spec.insert("match".into(), json!([{"mode": "CLIENT"}]));
    match context.options.extension {
        Extension::WasmPlugin => {
            spec.extend(wasm(context));
            ("wasm-plugin.yaml", context.resource(api, "WasmPlugin", name, spec.into()))
        }
        Extension::TrafficExtension => {
            spec.insert("wasm".into(), wasm(context).into());
            let resource = context.resource(api, "TrafficExtension", name, spec.into());
            ("traffic-extension.yaml", resource)
        }
    }
}

fn wasm(context: &Context<'_>) -> Map<String, Value> {
    let options = context.options;
    let mut wasm = Map::new();
    wasm.insert("url".into(), options.url.as_str().into());
    if let Some(sha256) = &options.sha256 {
        wasm.insert("sha256".into(), sha256.as_str().into());
    }
    if let Some(secret) = &options.pull_secret {
        wasm.insert("imagePullSecret".into(), secret.as_str().into());
    }
    // Envoy restarts a filter that traps. Until then, requests get 503 instead of a wrong arm.
    wasm.insert("failStrategy".into(), "FAIL_RELOAD".into());
    wasm.insert("pluginConfig".into(), document::value(context.source));
    // By name only, so that the manifest contains no secret.
    let variables = VARIABLES.map(|name| json!({"name": name, "valueFrom": "HOST"}));
    wasm.insert("vmConfig".into(), json!({ "env": variables }));
    wasm
}
