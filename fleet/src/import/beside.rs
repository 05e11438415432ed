//! Routes beside a rollout: the manifests of routers that a rollout names. They say for which hosts and paths the
//! rollout is.

use super::draft::{Draft, is_host, is_path};
use super::node::Node;
use super::notes::Notes;
use serde_json::{Value, json};

/// The reason for which the rest of such a manifest has no counterpart.
pub(super) const STAYS: &str = "it stays with the router";

/// A manifest that a rollout names.
pub(super) struct Wanted<'n> {
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// The names of the routes in it; empty for those that lead to one of the services.
    pub(super) routes: Vec<String>,
    /// The place that names it.
    pub(super) place: &'n Node,
}

impl<'n> Wanted<'n> {
    pub(super) fn new(kind: &'static str, name: &str, place: &'n Node) -> Wanted<'n> {
        Wanted { kind, name: name.to_owned(), routes: Vec::new(), place }
    }
}

/// Hosts and paths of one route. An empty list is for all of them.
struct Route<'n> {
    node: &'n Node,
    hosts: Vec<String>,
    paths: Vec<Value>,
}

/// The manifest of a kind and a name. Marks its identity.
pub(super) fn find<'d>(others: &[&'d Node], kind: &str, name: &str) -> Option<&'d Node> {
    let found = others.iter().find(|document| {
        document.peek("kind") == Some(kind) && document.peek("metadata.name") == Some(name)
    })?;
    for path in ["apiVersion", "kind", "metadata.name"] {
        let _ = found.text_at(path);
    }
    Some(found)
}

/// The names of Traefik's routes that lead to one of the services.
pub(super) fn ingress_routes<'d>(
    others: &[&'d Node],
    services: &[String],
) -> impl Iterator<Item = &'d str> {
    let leads_here = |document: &&Node| {
        let routes = document.get("spec.routes").map(Node::items).unwrap_or_default();
        routes.iter().any(|route| leads(route.get("services"), "name", services))
    };
    let is_route = |document: &&Node| document.peek("kind") == Some("IngressRoute");
    let found: Vec<&'d str> = others
        .iter()
        .copied()
        .filter(|document| is_route(document) && leads_here(document))
        .filter_map(|document| document.peek("metadata.name"))
        .collect();
    found.into_iter()
}

/// The manifests that lead to one of the services, where a rollout names none.
pub(super) fn leading<'n>(
    others: &[&Node],
    services: &[String],
    place: &'n Node,
) -> Vec<Wanted<'n>> {
    let any = |document: &Node, list: &str, targets: &str, name: &str| {
        let items = document.get(list).map(Node::items).unwrap_or_default();
        items.iter().any(|item| leads(item.get(targets), name, services))
    };
    let has_backend = |rule: &Node| {
        let paths = rule.get("http.paths");
        let names = ["backend.service.name", "backend.serviceName"];
        names.iter().any(|name| leads(paths, name, services))
    };
    let is_leading = |document: &Node, kind: &str| match kind {
        "VirtualService" => any(document, "spec.http", "route", "destination.host"),
        "HTTPRoute" => any(document, "spec.rules", "backendRefs", "name"),
        "HTTPProxy" | "IngressRoute" => any(document, "spec.routes", "services", "name"),
        "Ingress" => {
            let rules = document.get("spec.rules").map(Node::items).unwrap_or_default();
            rules.iter().any(has_backend)
        }
        _ => false,
    };
    let kinds = ["VirtualService", "HTTPRoute", "Ingress", "HTTPProxy", "IngressRoute"];
    let mut found = Vec::new();
    for document in others {
        let kind = kinds.into_iter().find(|kind| document.peek("kind") == Some(kind));
        if let (Some(kind), Some(name)) = (kind, document.peek("metadata.name"))
            && is_leading(document, kind)
        {
            found.push(Wanted::new(kind, name, place));
        }
    }
    found
}

/// Sets hosts and paths of a rollout by the manifests that it names. `services` lead to the rollout.
pub(super) fn read(
    wanted: &[Wanted<'_>],
    others: &[&Node],
    services: &[String],
    draft: &mut Draft,
    notes: &mut Notes,
) {
    let mut routes = Vec::new();
    let mut is_missing = false;
    for wanted in wanted {
        let Some(document) = find(others, wanted.kind, &wanted.name) else {
            is_missing = true;
            continue;
        };
        let found = match wanted.kind {
            "VirtualService" => virtual_service(document, wanted, services, notes),
            "HTTPRoute" => http_route(document, services, notes),
            "Ingress" => ingress(document, services, notes),
            "ApisixRoute" => apisix_route(document, wanted, notes),
            "Mapping" => mapping(document, notes),
            "Route" => openshift_route(document, notes),
            "IngressRoute" => ingress_route(document, services, notes),
            "HTTPProxy" => http_proxy(document, services, notes),
            _ => Vec::new(),
        };
        if found.is_empty() {
            let text = format!(
                "leads to none of {}, so it says nothing of the rollout's requests",
                services.join(", ")
            );
            notes.node(document, text.trim_start());
        }
        routes.extend(found);
    }
    if routes.is_empty() {
        if let Some(Wanted { kind, name, place, .. }) = wanted.first().filter(|_| is_missing) {
            notes.node(place, &format!("names the {kind} {name}, which is not in the input: the rollout is for all requests unless you add match.hosts and match.paths"));
        }
        return;
    }
    merge(routes, draft, notes);
}

/// Combines routes into one list of hosts and one of paths. Routes that would widen it are left out.
fn merge(routes: Vec<Route<'_>>, draft: &mut Draft, notes: &mut Notes) {
    let mut groups: Vec<Route<'_>> = Vec::new();
    for route in routes {
        match groups.iter_mut().find(|group| group.hosts == route.hosts) {
            Some(group) if group.paths.is_empty() || route.paths.is_empty() => group.paths.clear(),
            Some(group) => {
                for path in route.paths {
                    if !group.paths.contains(&path) {
                        group.paths.push(path);
                    }
                }
            }
            None => groups.push(route),
        }
    }
    let mut groups = groups.into_iter();
    let Some(first) = groups.next() else { return };
    let (mut hosts, paths) = (first.hosts, first.paths);
    for group in groups {
        if group.paths != paths {
            notes.dropped(group.node, "a rollout has one list of hosts and one of paths: give these hosts a rollout of their own");
        } else if hosts.is_empty() || group.hosts.is_empty() {
            hosts.clear();
        } else {
            hosts.extend(group.hosts);
        }
    }
    draft.hosts = hosts;
    draft.paths = paths;
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

/// Lists the entries of a map, except some, as conditions that a rollout cannot have.
fn narrower(node: &Node, known: &[&str], notes: &mut Notes) {
    for (key, part) in node.entries() {
        if !known.contains(&key.as_str()) {
            notes.dropped(
                part,
                "a rollout is for hosts and paths, so it takes the other requests too",
            );
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

/// The short name of a service: `shop` of `shop.prod.svc.cluster.local`.
fn short(host: &str) -> &str {
    host.split('.').next().unwrap_or(host)
}

/// Whether the names in a list include one of the services.
fn leads(list: Option<&Node>, name: &str, services: &[String]) -> bool {
    let is_service = |item: &Node| {
        item.peek(name)
            .is_some_and(|given| services.iter().any(|own| own == given || own == short(given)))
    };
    list.map(Node::items).unwrap_or_default().iter().any(is_service)
}

fn virtual_service<'n>(
    document: &'n Node,
    wanted: &Wanted<'_>,
    services: &[String],
    notes: &mut Notes,
) -> Vec<Route<'n>> {
    let own = document.get("spec.hosts").map(Node::items).unwrap_or_default();
    let own = hosts(own, notes);
    let all = document.get("spec.http").map(Node::items).unwrap_or_default();
    let is_chosen = |route: &&Node| match route.peek("name") {
        Some(name) if !wanted.routes.is_empty() => wanted.routes.iter().any(|own| own == name),
        _ if all.len() == 1 => true,
        _ => wanted.routes.is_empty() && leads(route.get("route"), "destination.host", services),
    };
    let mut routes = Vec::new();
    for route in all.iter().filter(is_chosen) {
        let _ = route.text_at("name");
        for destination in route.get("route").map(Node::items).unwrap_or_default() {
            for part in ["destination.host", "destination.subset", "weight"] {
                let _ = destination.text_at(part);
            }
        }
        let blocks = route.get("match").map(Node::items).unwrap_or_default();
        let mut paths = Vec::new();
        for block in blocks {
            narrower(block, &["uri", "name", "gateways"], notes);
            let Some(uri) = block.get("uri") else {
                paths.push(Path::All);
                continue;
            };
            let given = ["prefix", "exact"].iter().find_map(|kind| Some((*kind, uri.peek(kind)?)));
            paths.push(match given {
                Some((kind, text)) => {
                    if kind == "prefix" && is_path(text) {
                        notes.string_prefix(uri, text);
                    }
                    path(uri, kind, text, notes)
                }
                None => path(uri, "regex", "", notes),
            });
        }
        let paths =
            if blocks.is_empty() { Some(Vec::new()) } else { all_paths(route, paths, notes) };
        if let Some(paths) = paths {
            routes.push(Route { node: route, hosts: own.clone(), paths });
        }
    }
    routes
}

fn http_route<'n>(document: &'n Node, services: &[String], notes: &mut Notes) -> Vec<Route<'n>> {
    let own = document.get("spec.hostnames").map(Node::items).unwrap_or_default();
    let own = hosts(own, notes);
    let mut routes = Vec::new();
    for rule in document.get("spec.rules").map(Node::items).unwrap_or_default() {
        if !leads(rule.get("backendRefs"), "name", services) {
            continue;
        }
        for backend in rule.get("backendRefs").map(Node::items).unwrap_or_default() {
            for part in ["name", "kind", "weight"] {
                let _ = backend.text_at(part);
            }
        }
        let blocks = rule.get("matches").map(Node::items).unwrap_or_default();
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
        let paths =
            if blocks.is_empty() { Some(Vec::new()) } else { all_paths(rule, paths, notes) };
        if let Some(paths) = paths {
            routes.push(Route { node: rule, hosts: own.clone(), paths });
        }
    }
    routes
}

fn ingress<'n>(document: &'n Node, services: &[String], notes: &mut Notes) -> Vec<Route<'n>> {
    let mut routes = Vec::new();
    for rule in document.get("spec.rules").map(Node::items).unwrap_or_default() {
        let mut paths = Vec::new();
        for item in rule.get("http.paths").map(Node::items).unwrap_or_default() {
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
    let all = document.get("spec.http").map(Node::items).unwrap_or_default();
    for rule in all.iter().filter(|rule| {
        wanted.routes.is_empty()
            || rule.peek("name").is_some_and(|name| wanted.routes.iter().any(|own| own == name))
    }) {
        let _ = rule.text_at("name");
        let Some(node) = rule.get("match") else { continue };
        narrower(node, &["hosts", "paths"], notes);
        let own = hosts(node.get("hosts").map(Node::items).unwrap_or_default(), notes);
        let mut paths = Vec::new();
        for item in node.get("paths").map(Node::items).unwrap_or_default() {
            let text = item.peek_text().unwrap_or_default();
            paths.push(match text.strip_suffix('*') {
                Some(prefix) => {
                    notes.string_prefix(item, prefix);
                    path(item, "prefix", prefix, notes)
                }
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
            notes.dropped(
                part,
                "a rollout is for hosts and paths, so it takes the other requests too",
            );
        }
    }
    let Some(prefix) = spec.get("prefix") else { return Vec::new() };
    let text = prefix.peek_text().unwrap_or_default();
    if is_path(text) {
        notes.string_prefix(prefix, text);
    }
    let own = hosts(spec.get("hostname").or_else(|| spec.get("host")), notes);
    let paths = vec![path(prefix, "prefix", text, notes)];
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
    for rule in document.get("spec.routes").map(Node::items).unwrap_or_default() {
        let Some(node) =
            rule.get("match").filter(|_| leads(rule.get("services"), "name", services))
        else {
            continue;
        };
        for service in rule.get("services").map(Node::items).unwrap_or_default() {
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
            if kind == "prefix" && is_path(&text) {
                notes.string_prefix(node, &text);
            }
            all.push(path(node, kind, &text, notes));
        }
        if own.iter().any(|host| !is_host(host)) {
            notes.dropped(node, "it names a host that is not a host name");
            continue;
        }
        node.mark_all();
        let paths = if all.is_empty() { Some(Vec::new()) } else { all_paths(rule, all, notes) };
        if let Some(paths) = paths {
            routes.push(Route { node: rule, hosts: own, paths });
        }
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
    for rule in document.get("spec.routes").map(Node::items).unwrap_or_default() {
        if !leads(rule.get("services"), "name", services) {
            continue;
        }
        for service in rule.get("services").map(Node::items).unwrap_or_default() {
            for part in ["name", "weight"] {
                let _ = service.text_at(part);
            }
        }
        let mut paths = Vec::new();
        for condition in rule.get("conditions").map(Node::items).unwrap_or_default() {
            narrower(condition, &["prefix", "exact"], notes);
            for kind in ["prefix", "exact"] {
                if let Some(node) = condition.get(kind) {
                    let text = node.peek_text().unwrap_or_default();
                    if kind == "prefix" && is_path(text) {
                        notes.string_prefix(node, text);
                    }
                    paths.push(path(node, kind, text, notes));
                }
            }
        }
        let paths = if paths.is_empty() { Some(Vec::new()) } else { all_paths(rule, paths, notes) };
        if let Some(paths) = paths {
            routes.push(Route { node: rule, hosts: own.clone(), paths });
        }
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
