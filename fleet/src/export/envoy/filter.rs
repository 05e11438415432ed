//! The filter, with the spec or with the file that delivers it.

use super::options::Options;
use crate::export::document;
use crate::export::environment::VARIABLES;
use crate::export::source::Source;
use serde_json::{Value, json};

const TYPE: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// The name of the extension, of the VM and of the discovered resource.
const NAME: &str = "serin";

/// The entry of the filter chain. Envoy discovers the filter if a file delivers the spec.
pub(super) fn filter(source: &Source<'_>, options: &Options) -> Value {
    let Some(path) = &options.ecds else {
        return json!({"name": NAME, "typed_config": config(source, options)});
    };
    let folder = match path.rsplit_once('/') {
        Some(("", _)) => "/",
        Some((folder, _)) => folder,
        None => ".",
    };
    json!({
        "name": NAME,
        "config_discovery": {
            "type_urls": [TYPE],
            "config_source": {
                "path_config_source": {"path": path, "watched_directory": {"path": folder}},
            },
        },
    })
}

/// The content of the file that delivers the filter.
pub(super) fn discovery(source: &Source<'_>, options: &Options) -> Value {
    let plan = source.plan;
    json!({
        "version_info": format!("{}-{}", plan.revision(), plan.digest()),
        "resources": [{
            "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
            "name": NAME,
            "typed_config": config(source, options),
        }],
    })
}

fn config(source: &Source<'_>, options: &Options) -> Value {
    json!({
        "@type": TYPE,
        "config": {
            "name": NAME,
            // Envoy restarts a filter that traps. Until then, requests get 503 instead of a wrong arm.
            "failure_policy": "FAIL_RELOAD",
            "vm_config": {
                "vm_id": NAME,
                "runtime": "envoy.wasm.runtime.v8",
                // By name only, so that the file contains no secret.
                "environment_variables": {"host_env_keys": VARIABLES},
                "code": {"local": {"filename": options.filter}},
            },
            // A string, because Envoy passes a Struct as protobuf, with the fractions of YAML as strings.
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": document::compact(source),
            },
        },
    })
}
