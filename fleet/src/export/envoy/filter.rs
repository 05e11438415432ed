//! The filter, with the spec or with the place where Envoy finds it.

use super::Options;
use crate::export::environment::VARIABLES;
use crate::export::{Source, document};
use serde_json::{Value, json};

const TYPE: &str = "type.googleapis.com/envoy.extensions.filters.http.wasm.v3.Wasm";

/// The filter's name: of the extension, of the VM, and of its discovery.
const NAME: &str = "serin";

/// The filter in the chain: discovered if the spec is delivered by a file.
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

/// What the file holds that delivers the filter's configuration.
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
            // A filter that traps is started anew; until then its requests get 503, not a wrong arm.
            "failure_policy": "FAIL_RELOAD",
            "vm_config": {
                "vm_id": NAME,
                "runtime": "envoy.wasm.runtime.v8",
                // By name, so that no secret stands in a file.
                "environment_variables": {"host_env_keys": VARIABLES},
                "code": {"local": {"filename": options.filter}},
            },
            // A text: Envoy would hand a Struct over as protobuf, with YAML's fractions as texts.
            "configuration": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                "value": document::pretty(source),
            },
        },
    })
}
