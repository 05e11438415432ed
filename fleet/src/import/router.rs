//! The routers of Argo Rollouts: how each of them reads `setHeaderRoute`, and which manifests it names.

use super::beside::Wanted;
use super::condition::{self, WHOLE};
use super::node::Node;
use super::notes::Notes;
use super::provider::header_value;
use serde_json::{Value, json};

/// The router of a canary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Router {
    /// One of the headers must match.
    Istio,
    /// All headers must match; values have wildcards.
    Alb,
    /// All headers must match; an expression may match anywhere.
    Apisix,
    /// All headers must match.
    GatewayApi,
    /// A router that has no header routes, by its name.
    Without(&'static str),
    /// A plugin that is not known here.
    Plugin,
    /// The canary has none: Argo counts pods.
    None,
}

/// The plugin of the Gateway API.
const GATEWAY_API: &str = "argoproj-labs/gatewayAPI";
/// The plugin of Contour.
const CONTOUR: &str = "argoproj-labs/contour";

impl Router {
    pub(super) fn of(canary: &Node) -> Router {
        let Some(routing) = canary.get("trafficRouting") else { return Router::None };
        let known = [("istio", Router::Istio), ("alb", Router::Alb), ("apisix", Router::Apisix)];
        if let Some((_, router)) = known.iter().find(|(key, _)| routing.get(key).is_some()) {
            return *router;
        }
        let without = ["nginx", "smi", "ambassador", "appMesh", "traefik", "openshift"];
        let plugins = routing.get("plugins").map(Node::entries).unwrap_or_default();
        if plugins.iter().any(|(name, _)| name == GATEWAY_API) {
            return Router::GatewayApi;
        }
        if plugins.iter().any(|(name, _)| name == CONTOUR) {
            return Router::Without("contour");
        }
        if !plugins.is_empty() {
            return Router::Plugin;
        }
        let found = without.into_iter().find(|key| routing.get(key).is_some());
        found.map_or(Router::None, Router::Without)
    }

    /// Whether the router sends copies of requests to the canary.
    pub(super) fn mirrors(self) -> bool {
        self == Router::Istio
    }

    /// The condition of a header route. The notes list what it cannot express.
    pub(super) fn header_route(self, matches: &Node, notes: &mut Notes) -> Option<Value> {
        let items = matches.items();
        match self {
            Router::Istio => {
                let mut conditions = Vec::new();
                for item in items {
                    match self.header(item, notes) {
                        Some(condition) => conditions.push(condition),
                        None => notes.dropped(item, "a spec cannot express this match"),
                    }
                }
                condition::any_of(conditions)
            }
            Router::Alb | Router::Apisix | Router::GatewayApi => {
                if items.len() > 1 {
                    notes.node(
                        matches,
                        "must hold as a whole: this router takes all headers together",
                    );
                }
                let conditions: Option<Vec<Value>> =
                    items.iter().map(|item| self.header(item, notes)).collect();
                if conditions.is_none() {
                    notes.dropped(matches, WHOLE);
                }
                condition::all_of(conditions?)
            }
            Router::Plugin => match items {
                [item] => {
                    let condition = self.header(item, notes);
                    if condition.is_none() {
                        notes.dropped(item, "a spec cannot express this match");
                    }
                    condition
                }
                _ => {
                    notes.dropped(
                        matches,
                        "whether one header or all of them must match depends on the plugin",
                    );
                    None
                }
            },
            Router::Without(name) => {
                notes.dropped(matches, &format!("Argo sets no header route with {name}"));
                None
            }
            Router::None => {
                notes.dropped(matches, "Argo sets no header route without trafficRouting");
                None
            }
        }
    }

    /// A header name and a string match as a test.
    fn header(self, item: &Node, notes: &mut Notes) -> Option<Value> {
        let name = item.text_at("headerName")?.to_ascii_lowercase();
        let attribute = format!("header.{name}");
        let value = item.get("headerValue")?;
        match self {
            Router::Alb => {
                let (text, end) = match (value.peek("exact"), value.peek("prefix")) {
                    (Some(text), _) => (text, ""),
                    (None, Some(text)) => (text, "*"),
                    (None, None) => {
                        notes.dropped(value, "an ALB takes exact and prefix alone");
                        return None;
                    }
                };
                value.mark_all();
                if text.contains(|c: char| c.is_ascii_alphabetic()) {
                    notes.node(value, "is compared with case, which an ALB ignores");
                }
                // In a value of an ALB, * and ? are wildcards.
                Some(match (text.contains(['*', '?']), end) {
                    (false, "") => json!({"attribute": attribute, "equals": text}),
                    (false, _) => json!({"attribute": attribute, "prefix": text}),
                    (true, end) => json!({"attribute": attribute, "glob": format!("{text}{end}")}),
                })
            }
            Router::Apisix if value.get("prefix").is_none() => {
                header_value(&attribute, value, notes)
            }
            _ => condition::string_match(&attribute, value, notes),
        }
    }
}

/// The rings that annotations of nginx make: everybody with a header, or with a cookie. Names and conditions.
pub(super) fn annotations(nginx: &Node, notes: &mut Notes) -> Vec<(&'static str, Value)> {
    let lists = ["additionalIngressAnnotations", "canaryIngressAnnotations"];
    let all: Vec<&(String, Node)> = lists
        .iter()
        .flat_map(|list| nginx.get(list).map(Node::entries).unwrap_or_default())
        .collect();
    let annotation = |name: &str| {
        let is_named = |entry: &&&(String, Node)| entry.0.rsplit('/').next() == Some(name);
        all.iter().find(is_named).map(|(_, node)| node)
    };
    let mut rings = Vec::new();
    let mut never = None;
    if let Some(header) = annotation("canary-by-header").and_then(Node::text) {
        let attribute = format!("header.{}", header.to_ascii_lowercase());
        let value = annotation("canary-by-header-value").and_then(Node::text);
        let pattern = annotation("canary-by-header-pattern");
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            rings.push(("header", json!({"attribute": attribute, "equals": value})));
        } else if let Some(pattern) = pattern {
            let test = pattern.parsed(|text| super::provider::pattern_anywhere(&attribute, text));
            match test {
                Some(test) => rings.push(("header", test)),
                None => notes.dropped(pattern, condition::NO_GLOB),
            }
        } else {
            rings.push(("header", json!({"attribute": attribute, "equals": "always"})));
            never = Some(json!({"not": {"attribute": attribute, "equals": "never"}}));
        }
    }
    if let Some(cookie) = annotation("canary-by-cookie").and_then(Node::text) {
        let test = json!({"attribute": format!("cookie.{cookie}"), "equals": "always"});
        rings.extend(
            condition::all_of([test].into_iter().chain(never.clone()).collect())
                .map(|ring| ("cookie", ring)),
        );
    }
    if let Some(node) = annotation("canary-by-cookie").or_else(|| annotation("canary-by-header"))
        && !rings.is_empty()
    {
        notes.node(
            node,
            "becomes a ring; requests with the value never are in the steps like all others",
        );
    }
    rings
}

/// The manifests that a router names.
pub(super) fn wanted(canary: &Node) -> Vec<Wanted<'_>> {
    let mut all = Vec::new();
    let Some(routing) = canary.get("trafficRouting") else { return all };
    let services = routing.list("istio.virtualServices");
    for node in routing.get("istio.virtualService").into_iter().chain(services) {
        if let Some(name) = node.peek("name") {
            let routes = node.list("routes");
            let routes = routes.iter().filter_map(Node::peek_text).map(str::to_owned).collect();
            all.push(Wanted { routes, ..Wanted::new("VirtualService", name, node) });
        }
    }
    for (kind, one, many) in [
        ("Ingress", "nginx.stableIngress", "nginx.stableIngresses"),
        ("Ingress", "alb.ingress", "alb.ingresses"),
        ("Mapping", "", "ambassador.mappings"),
        ("Route", "", "openshift.routes"),
        ("HTTPProxy", "", "plugins.argoproj-labs/contour.httpProxies"),
        ("HTTPRoute", "plugins.argoproj-labs/gatewayAPI.httpRoute", ""),
    ] {
        let list = routing.list(many);
        for node in routing.get(one).into_iter().chain(list) {
            if let Some(name) = node.peek_text() {
                all.push(Wanted::new(kind, name, node));
            }
        }
    }
    let routes = routing.get("plugins.argoproj-labs/gatewayAPI.httpRoutes");
    for node in routes.map(Node::items).unwrap_or_default() {
        if let Some(name) = node.peek("name") {
            all.push(Wanted::new("HTTPRoute", name, node));
        }
    }
    if let Some(node) = routing.get("apisix.route")
        && let Some(name) = node.peek("name")
    {
        let rules = node.list("rules");
        let routes = rules.iter().filter_map(Node::peek_text).map(str::to_owned).collect();
        all.push(Wanted { routes, ..Wanted::new("ApisixRoute", name, node) });
    }
    all
}
