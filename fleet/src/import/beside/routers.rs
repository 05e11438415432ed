//! The routes in the manifest of each router.

use super::{Route, Wanted, leads};
use crate::import::draft::{is_host, is_path};
use crate::import::node::Node;
use crate::import::notes::Notes;
use serde_json::{Value, json};

/// What becomes of a condition that a rollout cannot have.
const WIDER: &str = "a rollout is for hosts and paths, so it takes the other requests too";

/// The routes of a manifest that lead to one of the services.
pub(super) fn routes<'n>(
    document: &'n Node,
    wanted: &Wanted<'_>,
    services: &[String],
    notes: &mut Notes,
) -> Vec<Route<'n>> {
    match wanted.kind {
        "VirtualService" => virtual_service(document, wanted, services, notes),
        "HTTPRoute" => http_route(document, services, notes),
        "Ingress" => ingress(document, services, notes),
        "ApisixRoute" => apisix_route(document, wanted, notes),
        "Mapping" => mapping(document, notes),
        "Route" => openshift_route(document, notes),
        "IngressRoute" => ingress_route(document, services, notes),
        "HTTPProxy" => http_proxy(document, services, notes),
        _ => Vec::new(),
    }
}

/// The host names of a list. `*` is every host. Others are listed in the notes.
fn hosts<'n>(nodes: impl IntoIterator<Item = &'n Node>, notes: &mut Notes) -> Vec<String> {
    let mut names = Vec::new();
    let mut everything = false;
    for node in nodes {
        match node.peek_text() {
            Some("*" | "") => {
                everything = true;
                node.mark_all();
            }
            Some(host) if is_host(host) => {
                node.mark_all();
                names.push(host.to_owned());
            }
            _ => notes.dropped(node, "it is not a host name"),
        }
    }
    if everything {
        names.clear();
    }
    names
}

/// A path of a route.
enum Path {
    All,
    One(Value),
    /// No rollout has it.
    Foreign,
}

fn path(node: &Node, kind: &str, text: &str, notes: &mut Notes) -> Path {
    if kind == "prefix" && text == "/" {
        node.mark_all();
        return Path::All;
    }
    let is_plain = is_path(text) && !text.contains(['(', '[', '{', '^', '$', '|', '\\', '+']);
    if !is_plain {
        notes.dropped(node, "a rollout is for paths, exact or by prefix");
        return Path::Foreign;
    }
    node.mark_all();
    Path::One(json!({kind: text}))
}

/// As [`path`], for a router whose prefixes may end within a segment.
fn string_path(node: &Node, kind: &str, text: &str, notes: &mut Notes) -> Path {
    if kind == "prefix" && is_path(text) {
        notes.string_prefix(node, text);
    }
    path(node, kind, text, notes)
}

/// Lists the entries of a map, except some, as conditions that a rollout cannot have.
fn narrower(node: &Node, known: &[&str], notes: &mut Notes) {
    for (key, part) in node.entries() {
        if !known.contains(&key.as_str()) {
            notes.dropped(part, WIDER);
        }
    }
}

/// The paths of a route; an empty list for all of them. `None` if the route has no paths at all.
fn all_paths(route: &Node, paths: Vec<Path>, notes: &mut Notes) -> Option<Vec<Value>> {
    if paths.is_empty() {
        return None;
    }
    let mut values = Vec::new();
    for path in paths {
        match path {
            Path::All => return Some(Vec::new()),
            Path::One(value) => values.push(value),
            Path::Foreign => {}
        }
    }
    if values.is_empty() {
        notes.node(route, "leaves no path, so the rollout is for all paths: add match.paths");
    }
    Some(values)
}

/// The paths of a route; an empty list for all of them, as where it names none.
fn paths_or_all(route: &Node, paths: Vec<Path>, notes: &mut Notes) -> Vec<Value> {
    all_paths(route, paths, notes).unwrap_or_default()
}

fn virtual_service<'n>(
    document: &'n Node,
    wanted: &Wanted<'_>,
    services: &[String],
    notes: &mut Notes,
) -> Vec<Route<'n>> {
    let own = document.list("spec.hosts");
    let own = hosts(own, notes);
    let all = document.list("spec.http");
    let is_chosen = |route: &&Node| match route.peek("name") {
        Some(name) if !wanted.routes.is_empty() => wanted.routes.iter().any(|own| own == name),
        _ if all.len() == 1 => true,
        _ => wanted.routes.is_empty() && leads(route.get("route"), "destination.host", services),
    };
    let mut routes = Vec::new();
    for route in all.iter().filter(is_chosen) {
        let _ = route.text_at("name");
        for destination in route.list("route") {
            for part in ["destination.host", "destination.subset", "weight"] {
                let _ = destination.text_at(part);
            }
        }
        let blocks = route.list("match");
        let mut paths = Vec::new();
        for block in blocks {
            narrower(block, &["uri", "name", "gateways"], notes);
            let Some(uri) = block.get("uri") else {
                paths.push(Path::All);
                continue;
            };
            let given = ["prefix", "exact"].iter().find_map(|kind| Some((*kind, uri.peek(kind)?)));
            paths.push(match given {
                Some((kind, text)) => string_path(uri, kind, text, notes),
                None => path(uri, "regex", "", notes),
            });
        }
        let paths = paths_or_all(route, paths, notes);
        routes.push(Route { node: route, hosts: own.clone(), paths });
    }
    routes
}

fn http_route<'n>(document: &'n Node, services: &[String], notes: &mut Notes) -> Vec<Route<'n>> {
    let own = document.list("spec.hostnames");
    let own = hosts(own, notes);
    let mut routes = Vec::new();
    for rule in document.list("spec.rules") {
        if !leads(rule.get("backendRefs"), "name", services) {
            continue;
        }
        for backend in rule.list("backendRefs") {
            for part in ["name", "kind", "weight"] {
                let _ = backend.text_at(part);
            }
        }
        let blocks = rule.list("matches");
        let mut paths = Vec::new();
        for block in blocks {
            narrower(block, &["path"], notes);
            paths.push(match block.get("path") {
                None => Path::All,
                Some(node) => {
                    let kind = match node.peek("type").unwrap_or("PathPrefix") {
                        "PathPrefix" => "prefix",
                        "Exact" => "exact",
                        _ => "regex",
                    };
                    let text = node.peek("value").unwrap_or("/");
                    path(node, kind, if kind == "regex" { "" } else { text }, notes)
                }
            });
        }
        let paths = paths_or_all(rule, paths, notes);
        routes.push(Route { node: rule, hosts: own.clone(), paths });
    }
    routes
}

fn ingress<'n>(document: &'n Node, services: &[String], notes: &mut Notes) -> Vec<Route<'n>> {
    let mut routes = Vec::new();
    for rule in document.list("spec.rules") {
        let mut paths = Vec::new();
        for item in rule.list("http.paths") {
            // The older form is backend.serviceName.
            let name =
                item.peek("backend.service.name").or_else(|| item.peek("backend.serviceName"));
            if !name.is_some_and(|name| services.iter().any(|own| own == name)) {
                continue;
            }
            let text = item.peek("path").unwrap_or("/").to_owned();
            let (kind, text) = match item.peek("pathType") {
                Some("Exact") => ("exact", text),
                Some("Prefix") => ("prefix", text),
                // An ALB ends a prefix in an asterisk, nginx takes every path as a prefix.
                _ => (
                    "prefix",
                    text.strip_suffix("/*").map_or(text.clone(), |path| format!("{path}/")),
                ),
            };
            if item.peek("pathType").is_none_or(|kind| kind == "ImplementationSpecific")
                && text != "/"
            {
                notes.node(item, "is read as a prefix of whole segments: its meaning depends on the ingress controller");
            }
            paths.push(path(item, kind, &text, notes));
        }
        if let Some(paths) = all_paths(rule, paths, notes) {
            let hosts = hosts(rule.get("host"), notes);
            routes.push(Route { node: rule, hosts, paths });
        }
    }
    routes
}

fn apisix_route<'n>(document: &'n Node, wanted: &Wanted<'_>, notes: &mut Notes) -> Vec<Route<'n>> {
    let mut routes = Vec::new();
    let all = document.list("spec.http");
    for rule in all.iter().filter(|rule| {
        wanted.routes.is_empty()
            || rule.peek("name").is_some_and(|name| wanted.routes.iter().any(|own| own == name))
    }) {
        let _ = rule.text_at("name");
        let Some(node) = rule.get("match") else { continue };
        narrower(node, &["hosts", "paths"], notes);
        let own = hosts(node.list("hosts"), notes);
        let mut paths = Vec::new();
        for item in node.list("paths") {
            let text = item.peek_text().unwrap_or_default();
            paths.push(match text.strip_suffix('*') {
                Some(prefix) => string_path(item, "prefix", prefix, notes),
                None => path(item, "exact", text, notes),
            });
        }
        if let Some(paths) = all_paths(rule, paths, notes) {
            routes.push(Route { node: rule, hosts: own, paths });
        }
    }
    routes
}

fn mapping<'n>(document: &'n Node, notes: &mut Notes) -> Vec<Route<'n>> {
    let Some(spec) = document.get("spec") else { return Vec::new() };
    for key in
        ["prefix_regex", "host_regex", "headers", "regex_headers", "method", "query_parameters"]
    {
        if let Some(part) = spec.get(key) {
            notes.dropped(part, WIDER);
        }
    }
    let Some(prefix) = spec.get("prefix") else { return Vec::new() };
    let text = prefix.peek_text().unwrap_or_default();
    let own = hosts(spec.get("hostname").or_else(|| spec.get("host")), notes);
    let paths = vec![string_path(prefix, "prefix", text, notes)];
    let paths = all_paths(spec, paths, notes);
    paths.map(|paths| Route { node: spec, hosts: own, paths }).into_iter().collect()
}

fn openshift_route<'n>(document: &'n Node, notes: &mut Notes) -> Vec<Route<'n>> {
    let Some(spec) = document.get("spec") else { return Vec::new() };
    let own = hosts(spec.get("host"), notes);
    let paths = match spec.get("path") {
        Some(node) => {
            let text = node.peek_text().unwrap_or("/");
            let paths = vec![path(node, "prefix", text, notes)];
            all_paths(spec, paths, notes)
        }
        None => Some(Vec::new()),
    };
    paths.map(|paths| Route { node: spec, hosts: own, paths }).into_iter().collect()
}

/// Traefik's routes, whose `match` is an expression: Host(`a`) && PathPrefix(`/b`).
fn ingress_route<'n>(document: &'n Node, services: &[String], notes: &mut Notes) -> Vec<Route<'n>> {
    let mut routes = Vec::new();
    for rule in document.list("spec.routes") {
        let Some(node) =
            rule.get("match").filter(|_| leads(rule.get("services"), "name", services))
        else {
            continue;
        };
        for service in rule.list("services") {
            for part in ["name", "kind"] {
                let _ = service.text_at(part);
            }
        }
        let Some((own, paths)) = expression(node.peek_text().unwrap_or_default()) else {
            notes.dropped(node, "a rollout is for hosts and paths: only Host, Path and PathPrefix, joined by &&, are read");
            continue;
        };
        let mut all = Vec::new();
        for (kind, text) in paths {
            all.push(string_path(node, kind, &text, notes));
        }
        if own.iter().any(|host| !is_host(host)) {
            notes.dropped(node, "it names a host that is not a host name");
            continue;
        }
        node.mark_all();
        let paths = paths_or_all(rule, all, notes);
        routes.push(Route { node: rule, hosts: own, paths });
    }
    routes
}

/// Paths of an expression, each with its kind: `exact` or `prefix`.
type Paths = Vec<(&'static str, String)>;

/// Hosts and paths of Traefik's expression. `None` for what is not read.
fn expression(text: &str) -> Option<(Vec<String>, Paths)> {
    let (mut hosts, mut paths) = (Vec::new(), Vec::new());
    for term in text.split("&&") {
        let (function, rest) = term.trim().split_once('(')?;
        let arguments = rest.strip_suffix(')')?;
        if arguments.contains(['(', ')', '|', '!']) {
            return None;
        }
        let values = arguments
            .split(',')
            .map(|value| value.trim().trim_matches(['`', '"', '\'']).to_owned());
        match function.trim() {
            "Host" if hosts.is_empty() => hosts.extend(values),
            "Path" if paths.is_empty() => paths.extend(values.map(|value| ("exact", value))),
            "PathPrefix" if paths.is_empty() => paths.extend(values.map(|value| ("prefix", value))),
            _ => return None,
        }
    }
    Some((hosts, paths))
}

fn http_proxy<'n>(document: &'n Node, services: &[String], notes: &mut Notes) -> Vec<Route<'n>> {
    let own = hosts(document.get("spec.virtualhost.fqdn"), notes);
    let mut routes = Vec::new();
    for rule in document.list("spec.routes") {
        if !leads(rule.get("services"), "name", services) {
            continue;
        }
        for service in rule.list("services") {
            for part in ["name", "weight"] {
                let _ = service.text_at(part);
            }
        }
        let mut paths = Vec::new();
        for condition in rule.list("conditions") {
            narrower(condition, &["prefix", "exact"], notes);
            for kind in ["prefix", "exact"] {
                if let Some(node) = condition.get(kind) {
                    let text = node.peek_text().unwrap_or_default();
                    paths.push(string_path(node, kind, text, notes));
                }
            }
        }
        let paths = paths_or_all(rule, paths, notes);
        routes.push(Route { node: rule, hosts: own.clone(), paths });
    }
    routes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_of_traefik_are_hosts_and_paths() {
        let (hosts, paths) =
            expression("Host(`a.example`, `b.example`) && PathPrefix(`/x`)").unwrap();
        assert_eq!(hosts, ["a.example", "b.example"]);
        assert_eq!(paths, [("prefix", "/x".to_owned())]);
        for text in [
            "",
            "Host(`a`) || Host(`b`)",
            "Host(`a`) && Header(`a`, `b`)",
            "!Host(`a`)",
            "(Host(`a`))",
        ] {
            assert_eq!(expression(text), None, "{text}");
        }
    }
}
