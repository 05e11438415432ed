//! Envoy's configuration for tests: one listener a spec, all in one process and one vm_id.

use crate::jwt;
use serde_json::{Value, json};
use std::net::SocketAddr;
use std::path::Path;

/// Where the decision record appears in responses.
pub const RECORD_FIELD: &str = "x-conformance-record";

const EXTENSIONS: &str = "type.googleapis.com/envoy.extensions";

/// A bootstrap with an admin interface on a free port, the listeners and one cluster a target.
pub fn bootstrap(listeners: Vec<Value>, clusters: &[(&str, SocketAddr)]) -> Value {
    let clusters: Vec<Value> = clusters.iter().map(|(name, to)| cluster(name, *to)).collect();
    json!({
        // Discovery wants a name, even from a file.
        "node": {"id": "conformance", "cluster": "conformance"},
        "admin": {"address": address(0)},
        "static_resources": {"listeners": listeners, "clusters": clusters},
    })
}

/// A listener on a free port: PROXY protocol, verified tokens, the filter given, then the cluster.
pub fn listener(name: &str, filter: &Value, cluster: &str) -> Value {
    let manager = json!({
        "@type": format!("{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "conformance",
        // Vectors hold large requests; what Envoy itself refuses is not Serin's to decide.
        "max_request_headers_kb": 96,
        "common_http_protocol_options": {"max_headers_count": 1000},
        "http_filters": [tokens(), filter, router()],
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

/// The wasm filter with its configuration.
pub fn wasm(filter: &Path, configuration: &str) -> Value {
    json!({"name": "serin", "typed_config": wasm_config(filter, configuration)})
}

/// Gives the filter keys for overrides by its VM's environment. A VM has one environment, so it gets
/// an id of its own.
pub fn give_keys(filter: &mut Value, vm: &str, keys: &Value) {
    let config = &mut filter["typed_config"]["config"]["vm_config"];
    config["vm_id"] = json!(format!("serin {vm}"));
    config["environment_variables"] =
        json!({"key_values": {"SERIN_OVERRIDE_KEYS": keys.to_string()}});
}

/// Lets the filter have the keys that Envoy itself was given by its environment.
pub fn let_have_keys(filter: &mut Value) {
    let config = &mut filter["typed_config"]["config"]["vm_config"];
    config["environment_variables"] = json!({"host_env_keys": ["SERIN_OVERRIDE_KEYS"]});
}

/// The filter's configuration alone, as ECDS delivers it.
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

/// The filter by ECDS: its configuration lies in a file that may be replaced at any time.
pub fn wasm_from_file(file: &Path, watched: &Path) -> Value {
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

/// What such a file holds.
pub fn discovery(version: &str, config: &Value) -> Value {
    json!({"version_info": version, "resources": [{
        "@type": "type.googleapis.com/envoy.config.core.v3.TypedExtensionConfig",
        "name": "serin",
        "typed_config": config,
    }]})
}

fn tokens() -> Value {
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

fn address(port: u16) -> Value {
    json!({"socket_address": {"address": "127.0.0.1", "port_value": port}})
}
