//! Routes as HTTPRoutes of the Gateway API. The API ignores the order of rules: the longest path wins, then the
//! most headers. So every rule of a rollout names its paths.

use super::context::{Context, split_gateway};
use super::destination::Destination;
use super::hosts::Table;
use super::names::Names;
use super::options::{Options, Variant};
use crate::export::artifact::Problem;
use crate::export::routing::{self, ArmRoute};
use serde_json::{Map, Value, json};
use serin_core::Spec;
use serin_core::headers::{ARM, ROLLOUT, SHADOW};
use serin_core::spec::{HostMatch, PathMatch};
use std::collections::BTreeMap;

/// The maximum numbers that the Gateway API allows.
const MAX_RULES: usize = 16;
const MAX_MATCHES: usize = 8;
const MAX_HOSTS: usize = 16;

/// The parts of the spec and the options that HTTPRoutes cannot express.
pub(super) fn problems(
    spec: &Spec,
    options: &Options,
    destinations: &BTreeMap<&str, Destination>,
) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (target, destination) in destinations {
        if destination.subset.is_some() {
            problems.push(Problem::new(
                routing::place_of(spec, target),
                format!(
                    "the Gateway API has no subsets, so give {target} a service of its own with \
                 --destination {target}=SERVICE"
                ),
            ));
        }
    }
    for (target, destination) in destinations {
        if service(&destination.host).is_none() {
            problems.push(Problem::new(
                routing::place_of(spec, target),
                format!(
                    "{} is no service of Kubernetes, and an HTTPRoute goes to no other",
                    destination.host
                ),
            ));
        }
    }
    for (name, rollout) in &spec.rollouts {
        let hosts = rollout.matches.hosts.iter().enumerate();
        for (index, host) in hosts.filter(|_| options.variant == Variant::Sidecar) {
            let text = match host {
                HostMatch::Exact(host) if service(host).is_some() => continue,
                HostMatch::Exact(host) => host.clone(),
                HostMatch::Below(host) => format!("*.{host}"),
            };
            problems.push(Problem::in_spec(
                format!("rollouts.{name}.match.hosts[{index}]"),
                format!(
                    "{text} is no service of Kubernetes, and a sidecar's \
                 HTTPRoute belongs to one"
                ),
            ));
        }
        let paths = rollout.matches.paths.iter().enumerate();
        for (index, PathMatch::Exact(path) | PathMatch::Prefix(path)) in paths {
            if !is_accepted(path) {
                problems.push(Problem::in_spec(
                    format!("rollouts.{name}.match.paths[{index}]"),
                    format!(
                        "the Gateway API can't match {path}: it takes letters, \
                     digits, -._~!$&'()*+,;=:@ and escapes, but no // and no %2F or %23"
                    ),
                ));
            }
        }
    }
    if options.variant == Variant::Sidecar && options.namespace.is_none() {
        problems.push(Problem::in_options(
            "--namespace",
            "a sidecar's HTTPRoute belongs to a service, so say in which namespace",
        ));
    }
    problems
}

/// Whether the API server accepts a path: the characters of RFC 3986, and escapes with two digits.
fn is_accepted(path: &str) -> bool {
    let lower = path.to_ascii_lowercase();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte);
    let mut pieces = path.split('%');
    let escaped = |piece: &str| piece.bytes().take(2).filter(u8::is_ascii_hexdigit).count() == 2;
    !["//", "%2f", "%23"].iter().any(|part| lower.contains(part))
        && path.bytes().all(|byte| plain(byte) || byte == b'%')
        && pieces.next().is_some()
        && pieces.all(escaped)
}

/// HTTPRoutes for each table, as many as its rules need.
pub(super) fn all(
    context: &Context<'_>,
    tables: &[Table<'_>],
    destinations: &BTreeMap<&str, Destination>,
) -> Vec<Value> {
    let mut names = Names::default();
    let mut routes = Vec::new();
    for table in tables {
        let rules = rules(context, table, destinations);
        let hosts: Vec<&[String]> = match table.hosts.as_slice() {
            [] => vec![&[]],
            hosts => hosts.chunks(MAX_HOSTS).collect(),
        };
        for hosts in hosts {
            for rules in rules.chunks(MAX_RULES) {
                let mut spec = Map::new();
                spec.insert("parentRefs".into(), parents(context.options, hosts));
                if !hosts.is_empty() && context.options.variant == Variant::Gateway {
                    spec.insert("hostnames".into(), json!(hosts));
                }
                spec.insert("rules".into(), json!(rules));
                let name = names.of_table(&context.options.name, table);
                let api = "gateway.networking.k8s.io/v1";
                routes.push(context.resource(api, "HTTPRoute", &name, spec.into()));
            }
        }
    }
    routes
}

/// The parents of a route: the gateway, or inside a mesh the services that are called.
fn parents(options: &Options, hosts: &[String]) -> Value {
    if options.variant == Variant::Gateway {
        let (namespace, name) = split_gateway(options.gateway.as_deref().unwrap_or_default());
        let mut parent = Map::new();
        parent.insert("group".into(), "gateway.networking.k8s.io".into());
        parent.insert("kind".into(), "Gateway".into());
        parent.insert("name".into(), name.into());
        if let Some(namespace) = namespace {
            parent.insert("namespace".into(), namespace.into());
        }
        return json!([parent]);
    }
    let parent = |host: &String| {
        let mut parent = service(host)?;
        parent.insert("group".into(), "".into());
        parent.insert("kind".into(), "Service".into());
        Some(Value::from(parent))
    };
    hosts.iter().filter_map(parent).collect()
}

/// The name and the namespace of the service of a host. `None` for a host outside of Kubernetes.
fn service(host: &str) -> Option<Map<String, Value>> {
    let inside = host.strip_suffix(".cluster.local").unwrap_or(host);
    let inside = inside.strip_suffix(".svc").unwrap_or(inside);
    let (name, namespace) = match inside.split_once('.') {
        None => (inside, None),
        Some((name, namespace)) if !namespace.contains('.') => (name, Some(namespace)),
        Some(_) => return None,
    };
    let mut service = Map::new();
    service.insert("name".into(), name.into());
    if let Some(namespace) = namespace {
        service.insert("namespace".into(), namespace.into());
    }
    Some(service)
}

fn rules(
    context: &Context<'_>,
    table: &Table<'_>,
    destinations: &BTreeMap<&str, Destination>,
) -> Vec<Value> {
    let port = context.options.port.unwrap_or(80);
    let backend = |target: &str| {
        let destination = destinations.get(target);
        let service = destination.and_then(|destination| service(&destination.host));
        let mut backend = service.unwrap_or_default();
        let own = destination.and_then(|destination| destination.port);
        backend.insert("port".into(), own.unwrap_or(port).into());
        Value::from(backend)
    };
    let spec = context.source.spec;
    let mut rules = Vec::new();
    for name in &table.rollouts {
        let Some(rollout) = spec.rollouts.get(name) else { continue };
        let paths = paths(table, name);
        for arm in routing::arms(name, rollout) {
            let backends = json!([backend(arm.target)]);
            if let Some(shadow) = arm.shadow {
                let copy = json!([{"type": "RequestMirror", "requestMirror": {"backendRef": backend(shadow)}}]);
                for matches in matches(&paths, &headers(&arm, Some(shadow))) {
                    rules.push(
                        json!({"matches": matches, "filters": copy, "backendRefs": backends}),
                    );
                }
            }
            for matches in matches(&paths, &headers(&arm, None)) {
                rules.push(json!({"matches": matches, "backendRefs": backends}));
            }
        }
        let baseline = routing::baseline_target(rollout);
        for matches in matches(&paths, &[]) {
            rules.push(json!({"matches": matches, "backendRefs": [backend(baseline)]}));
        }
    }
    let everything = table.fallbacks.iter().any(|one| routing::is_everything(one.path));
    let default = routing::default_target(spec, context.options.default.as_deref());
    let no_rollout = default.map(backend).or_else(|| called_service(context.options, table, port));
    if let Some(backend) = no_rollout.filter(|_| !everything) {
        rules.push(json!({"matches": [{"path": path(None)}], "backendRefs": [backend]}));
    }
    rules
}

/// The backend of the service that was called, in a mesh.
fn called_service(options: &Options, table: &Table<'_>, port: u16) -> Option<Value> {
    let [host] = table.hosts.as_slice() else { return None };
    let mut backend = service(host).filter(|_| options.variant == Variant::Sidecar)?;
    backend.insert("port".into(), port.into());
    Some(backend.into())
}

/// The paths of a rollout on the hosts of a table.
fn paths(table: &Table<'_>, rollout: &str) -> Vec<Value> {
    let mut paths: Vec<Value> = Vec::new();
    for fallback in table.fallbacks.iter().filter(|fallback| fallback.rollout == rollout) {
        let path = path(fallback.path);
        // A wider host pattern of the same rollout may have the same path.
        if !paths.contains(&path) {
            paths.push(path);
        }
    }
    paths
}

fn everything() -> Value {
    json!({"type": "PathPrefix", "value": "/"})
}

fn path(path: Option<&PathMatch>) -> Value {
    match path {
        Some(PathMatch::Exact(path)) => json!({"type": "Exact", "value": path}),
        Some(PathMatch::Prefix(path)) => match routing::prefix(path) {
            Some(path) => json!({"type": "PathPrefix", "value": path}),
            None => everything(),
        },
        None => everything(),
    }
}

fn headers(arm: &ArmRoute<'_>, shadow: Option<&str>) -> Vec<Value> {
    let header = |name: &str, value: &str| json!({"type": "Exact", "name": name, "value": value});
    let mut headers = vec![header(ROLLOUT, arm.rollout), header(ARM, arm.arm)];
    headers.extend(shadow.map(|target| header(SHADOW, target)));
    headers
}

/// Matches of every path with these headers, in chunks of the size that one rule allows.
fn matches(paths: &[Value], headers: &[Value]) -> Vec<Vec<Value>> {
    let one = |path: &Value| match headers {
        [] => json!({"path": path}),
        headers => json!({"path": path, "headers": headers}),
    };
    paths.chunks(MAX_MATCHES).map(|paths| paths.iter().map(one).collect()).collect()
}
