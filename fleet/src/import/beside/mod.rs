//! Routes beside a rollout: the manifests of routers that a rollout names. They say for which hosts and paths the
//! rollout is.

mod routers;

use super::draft::Draft;
use super::node::Node;
use super::notes::Notes;
use serde_json::Value;

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
        let routes = document.list("spec.routes");
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
        let items = document.list(list);
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
            let rules = document.list("spec.rules");
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
        let found = routers::routes(document, wanted, services, notes);
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
