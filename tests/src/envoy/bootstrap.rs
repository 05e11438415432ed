//! Envoy configuration for tests: one listener for each spec, all in one process and one `vm_id`.

use crate::jwt;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;

/// The response field that carries the decision record.
pub const RECORD_FIELD: &str = "x-conformance-record";

const EXTENSIONS: &str = "type.googleapis.com/envoy.extensions";

/// A bootstrap with an admin interface on a free port, the listeners and the clusters.
pub fn bootstrap(listeners: Vec<Value>, clusters: &[(&str, SocketAddr)]) -> Value {
    let clusters: Vec<Value> = clusters.iter().map(|(name, to)| cluster(name, *to)).collect();
    json!({
        // Discovery requires a node name, even from a file.
        "node": {"id": "conformance", "cluster": "conformance"},
        "admin": {"address": address(0)},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    })
}

/// A listener on a free port: PROXY protocol, token verification, the filter, the router to the
/// cluster.
pub fn listener(name: &str, filter: &Value, cluster: &str) -> Value {
    let manager = json!({
        "@type": format!("{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "conformance",
        // Vectors hold large requests, which must reach the filter.
        "max_request_headers_kb": 96,
        "common_http_protocol_options": {"max_headers_count": 1000},
        "http_filters": [jwt_authn(), filter, router()],
        "route_config": {"virtual_hosts": [{
            "name": "all",
            "domains": ["*"],
            "routes": [{"match": {"prefix": "/"}, "route": {"cluster": cluster}}],
            "response_headers_to_add": [{
                "header": {"key": RECORD_FIELD, "value": "%FILTER_STATE(wasm.serin:PLAIN)%"},
            }],
        }]},
    });
    json!({
        "name": name,
        "address": address(0),
        "listener_filters": [{
            "name": "proxy-protocol",
            "typed_config": {
                "@type": format!("{EXTENSIONS}.filters.listener.proxy_protocol.v3.ProxyProtocol"),
                "allow_requests_without_proxy_protocol": true,
            },
        }],
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    })
}

/// The wasm filter with its configuration inline.
pub fn wasm_filter(filter: &Path, configuration: &str) -> Value {
    json!({"name": "serin", "typed_config": wasm_config(filter, configuration)})
}

/// Sets variables in the environment of the filter's VM. All filters of a VM share its environment, so the
/// VM gets the id `vm`.
pub fn set_variables(filter: &mut Value, vm: &str, variables: &[(&str, String)]) {
    let config = &mut filter["typed_config"]["config"]["vm_config"];
    config["vm_id"] = json!(format!("serin {vm}"));
    let variables: serde_json::Map<String, Value> =
        variables.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    config["environment_variables"] = json!({ "key_values": variables });
}

/// Passes the override keys of Envoy's own environment to the filter.
pub fn pass_override_keys(filter: &mut Value) {
    let config = &mut filter["typed_config"]["config"]["vm_config"];
    config["environment_variables"] = json!({"host_env_keys": ["SERIN_OVERRIDE_KEYS"]});
}

/// The filter's configuration in the form that ECDS delivers.
pub fn wasm_config(filter: &Path, configuration: &str) -> Value {
    let configuration = json!({
        "@type": "type.googleapis.com/google.protobuf.StringValue",
        "value": configuration,
    });
    json!({
        "@type": format!("{EXTENSIONS}.filters.http.wasm.v3.Wasm"),
        "config": {
            "name": "serin",
            "failure_policy": "FAIL_RELOAD",
            "configuration": configuration,
            "vm_config": {
                "vm_id": "serin",
                "runtime": "envoy.wasm.runtime.v8",
                "code": {"local": {"filename": filter}},
            },
        },
    })
}

/// The wasm filter with its configuration in `file`, which Envoy watches (ECDS).
pub fn wasm_filter_from_file(file: &Path, watched: &Path) -> Value {
    json!({
        "name": "serin",
        "config_discovery": {
            "config_source": {
                "path_config_source": {"path": file, "watched_directory": {"path": watched}},
            },
            "type_urls": [format!("{EXTENSIONS}.filters.http.wasm.v3.Wasm")],
        },
    })
}

/// The content of an ECDS file.
pub fn discovery_response(version: &str, config: &Value) -> Value {
    json!({"version_info": version, "resources": [{
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": "serin",
        "typed_config": config,
    }]})
}

/// The filter that verifies JSON Web Tokens.
fn jwt_authn() -> Value {
    let provider = json!({
        "issuer": jwt::ISSUER,
        "local_jwks": {"inline_string": jwt::key_set()},
        "payload_in_metadata": "payload",
    });
    json!({"name": "envoy.filters.http.jwt_authn", "typed_config": {
        "@type": format!("{EXTENSIONS}.filters.http.jwt_authn.v3.JwtAuthentication"),
        "providers": {"test": provider},
        "rules": [{"match": {"prefix": "/"}, "requires": {"requires_any": {"requirements": [
            {"provider_name": "test"},
            {"allow_missing": {}},
        ]}}}],
    }})
}

fn router() -> Value {
    json!({"name": "router", "typed_config": {
        "@type": format!("{EXTENSIONS}.filters.http.router.v3.Router"),
    }})
}

fn cluster(name: &str, to: SocketAddr) -> Value {
    json!({
        "name": name,
        "type": "STATIC",
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": name, "endpoints": [{"lb_endpoints": [{
            "endpoint": {"address": address(to.port())},
        }]}]},
    })
}

/// Makes a cluster send trailers to its HTTP/1 upstream, which Envoy leaves out otherwise.
pub fn enable_trailers(cluster: &mut Value) {
    let options = format!("{EXTENSIONS}.upstreams.http.v3.HttpProtocolOptions");
    cluster["typed_extension_protocol_options"] = json!({
        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
            "@type": options,
            "explicit_http_config": {"http_protocol_options": {"enable_trailers": true}},
        },
    });
}

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}
