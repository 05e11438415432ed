//! A complete configuration of Envoy: a listener, the filter, the routes, and a cluster for each target.

use super::options::{Bootstrap, Options, Upstream};
use super::{filter, routes, stats};
use crate::export::source::Source;
use serde_json::{Value, json};
use std::net::{IpAddr, SocketAddr};

const EXTENSIONS: &str = "type.googleapis.com/envoy.extensions";

/// One line for each request: who answered, and the decision record.
const LOG_LINE: &str = "%REQ(:METHOD)% %REQ(:PATH)% %RESPONSE_CODE% %UPSTREAM_CLUSTER% %FILTER_STATE(wasm.serin:PLAIN)%\n";

pub(super) fn bootstrap(
    source: &Source<'_>,
    options: &Options,
    given: &Bootstrap,
    default: &str,
) -> Value {
    let mut upstreams: Vec<&Upstream> = given.upstreams.iter().collect();
    upstreams.sort_by(|one, other| one.target.cmp(&other.target));
    let clusters: Vec<Value> = upstreams.into_iter().map(cluster).collect();
    json!({
        // Discovery wants a name, even from a file.
        "node": {"id": "serin-edge", "cluster": "serin-edge"},
        "admin": {"address": address(&given.admin.ip().to_string(), given.admin.port())},
        "stats_config": stats::config(),
        "static_resources": {
            "listeners": [listener(source, options, given.listen, default)],
            "clusters": clusters,
        },
    })
}

fn listener(source: &Source<'_>, options: &Options, at: SocketAddr, default: &str) -> Value {
    let manager = json!({
        "@type": format!("{EXTENSIONS}.filters.network.http_connection_manager.v3.HttpConnectionManager"),
        "stat_prefix": "edge",
        // The client's address is the connection's: nobody is in a cohort by a forged header.
        "use_remote_address": true,
        // Router and upstream see the path that Serin judged.
        "normalize_path": true,
        "merge_slashes": true,
        "path_with_escaped_slashes_action": "UNESCAPE_AND_REDIRECT",
        // Upstreams that make variables of fields (CGI, WSGI) read `serin_flags` as `serin-flags`.
        "common_http_protocol_options": {"headers_with_underscores_action": "DROP_HEADER"},
        "access_log": [{"name": "stdout", "typed_config": {
            "@type": format!("{EXTENSIONS}.access_loggers.stream.v3.StdoutAccessLog"),
            "log_format": {"text_format_source": {"inline_string": LOG_LINE}},
        }}],
        "http_filters": [
            filter::filter(source, options),
            {"name": "router", "typed_config": {
                "@type": format!("{EXTENSIONS}.filters.http.router.v3.Router"),
            }},
        ],
        "route_config": {
            "name": "serin",
            "virtual_hosts": [{
                "name": "serin",
                "domains": ["*"],
                "routes": routes::routes(source.spec, Some(default)),
            }],
        },
    });
    json!({
        "name": "edge",
        "address": address(&at.ip().to_string(), at.port()),
        "filter_chains": [{"filters": [{"name": "http", "typed_config": manager}]}],
    })
}

fn cluster(upstream: &Upstream) -> Value {
    let Upstream { target, host, port } = upstream;
    let kind = if host.parse::<IpAddr>().is_ok() { "STATIC" } else { "STRICT_DNS" };
    json!({
        "name": target,
        "type": kind,
        "connect_timeout": "5s",
        "load_assignment": {"cluster_name": target, "endpoints": [{"lb_endpoints": [{
            "endpoint": {"address": address(host, *port)},
        }]}]},
    })
}

fn address(host: &str, port: u16) -> Value {
    json!({"socket_address": {"address": host, "port_value": port}})
}
