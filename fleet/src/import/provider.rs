//! The providers of Flagger: what each of them reads of a canary, and how it combines matches.

use super::condition::{self, WHOLE};
use super::glob;
use super::node::Node;
use super::notes::Notes;
use serde_json::{Value, json};

/// A provider, by its name without a version: `gatewayapi` of `gatewayapi:v1`.
pub(super) struct Provider<'n> {
    /// The name, or `istio` if the manifest names none.
    pub(super) name: &'n str,
    /// Whether the manifest names it.
    pub(super) is_given: bool,
    /// The way in which it reads `analysis.match`.
    pub(super) matches: Matches,
}

/// The way in which a provider reads `analysis.match`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Matches {
    /// One of the blocks must hold.
    Alternatives,
    /// The headers of all blocks must hold. Nothing else is read.
    AllHeaders,
    /// One header and one cookie of an Ingress, either of which is enough.
    HeaderOrCookie,
    /// None: it routes by weights alone.
    Ignored,
    /// The provider is not known here.
    Unknown,
}

impl<'n> Provider<'n> {
    pub(super) fn of(spec: &'n Node) -> Provider<'n> {
        let given = spec.peek("provider").filter(|name| !name.is_empty());
        let name = given.and_then(|name| name.split(':').next()).unwrap_or("istio");
        let matches = match name {
            "istio" | "gatewayapi" => Matches::Alternatives,
            "contour" | "gloo" | "appmesh" => Matches::AllHeaders,
            "nginx" => Matches::HeaderOrCookie,
            "linkerd" | "smi" | "osm" | "traefik" | "skipper" | "kuma" | "apisix" | "knative"
            | "kubernetes" => Matches::Ignored,
            _ => Matches::Unknown,
        };
        Provider { name, is_given: given.is_some(), matches }
    }

    /// Whether it moves traffic by weights.
    pub(super) fn has_weights(&self) -> bool {
        self.name != "kubernetes"
    }

    /// Whether it sends copies of requests to the canary.
    pub(super) fn mirrors(&self) -> bool {
        self.matches == Matches::Alternatives
    }

    /// Whether it takes hosts from `service.hosts`.
    pub(super) fn reads_hosts(&self) -> bool {
        matches!(self.matches, Matches::Alternatives | Matches::Unknown)
    }

    /// Whether a prefix of a path ends anywhere, and not only at a slash.
    pub(super) fn has_string_prefixes(&self) -> bool {
        self.name != "gatewayapi"
    }

    /// The rings that `analysis.match` becomes: conditions whose requests get the canary. Matches that a ring cannot
    /// express are listed in the notes.
    pub(super) fn rings(&self, matches: &Node, notes: &mut Notes) -> Vec<Value> {
        let name = self.name;
        match self.matches {
            Matches::Alternatives => {
                let blocks = matches.items().iter();
                blocks.filter_map(|item| self.alternative(item, notes)).collect()
            }
            Matches::AllHeaders => self.all_headers(matches, notes).into_iter().collect(),
            Matches::HeaderOrCookie => annotations(matches, notes),
            Matches::Ignored => {
                notes.dropped(matches, &format!(
                    "provider {name} routes by weights alone and reads no match: everybody keeps the baseline until the last step"
                ));
                Vec::new()
            }
            Matches::Unknown => {
                notes.dropped(
                    matches,
                    &format!("what a match means with provider {name} is not known here"),
                );
                Vec::new()
            }
        }
    }

    /// One block of Istio or the Gateway API.
    fn alternative(&self, item: &Node, notes: &mut Notes) -> Option<Value> {
        if self.name == "gatewayapi" {
            let is_read = |key: &str| matches!(key, "uri" | "method" | "headers" | "queryParams");
            if let Some((key, _)) = item.entries().iter().find(|(key, _)| !is_read(key)) {
                notes.dropped(item, &format!("provider gatewayapi does not read {key}"));
                return None;
            }
            for (_, value) in ["headers", "queryParams"]
                .iter()
                .flat_map(|part| item.get(part).map(Node::entries).unwrap_or_default())
            {
                if value.get("exact").or_else(|| value.get("regex")).is_none() {
                    notes.dropped(
                        item,
                        &format!(
                            "provider gatewayapi takes exact and regex alone ({})",
                            value.path
                        ),
                    );
                    return None;
                }
            }
        }
        let when = match self.has_string_prefixes() {
            true => condition::block(item, notes),
            false => condition::block_by_segments(item, notes),
        };
        match when {
            Ok(Some(when)) => Some(when),
            Ok(None) => {
                notes.node(item, "matches every request, and becomes no ring");
                None
            }
            Err(()) => None,
        }
    }

    /// The headers of all blocks, which Contour, Gloo and App Mesh put into one route.
    fn all_headers(&self, matches: &Node, notes: &mut Notes) -> Option<Value> {
        let name = self.name;
        if matches.items().len() > 1 {
            notes.node(
                matches,
                &format!(
                    "is one ring: provider {name} takes all matches together, so each must hold"
                ),
            );
        }
        let (mut all, mut methods) = (Vec::new(), Vec::new());
        for (key, part) in matches.items().iter().flat_map(Node::entries) {
            match key.as_str() {
                "headers" => {
                    for (header, value) in part.entries() {
                        let attribute = format!("header.{}", header.to_ascii_lowercase());
                        let Some(test) = self.header(&attribute, value, notes) else {
                            notes.dropped(matches, &format!("{WHOLE} ({header})"));
                            return None;
                        };
                        all.push(test);
                    }
                }
                "method" if name == "gloo" => {
                    methods.extend(part.text_at("exact").map(str::to_owned));
                }
                _ => notes.dropped(part, &format!("provider {name} does not read it")),
            }
        }
        if !methods.is_empty() {
            all.push(json!({"attribute": "method", "in": methods}));
        }
        let ring = condition::all_of(all);
        if ring.is_none() {
            notes.node(matches, "names no header, and becomes no ring");
        }
        ring
    }

    fn header(&self, attribute: &str, value: &Node, notes: &mut Notes) -> Option<Value> {
        if self.name == "contour" {
            // Flagger writes `contains` for both, and a prefix takes precedence.
            for key in ["prefix", "suffix"] {
                if let Some(part) = value.text_at(key) {
                    return Some(json!({"attribute": attribute, "contains": part}));
                }
            }
        }
        let is_read = match self.name {
            "contour" => value.get("exact").is_some(),
            "gloo" => value.get("exact").or_else(|| value.get("regex")).is_some(),
            _ => true,
        };
        if is_read { condition::string_match(attribute, value, notes) } else { None }
    }
}

/// The annotations `canary-by-header` and `canary-by-cookie` of nginx. Flagger writes the last header and the last
/// cookie of all blocks; either is enough.
fn annotations(matches: &Node, notes: &mut Notes) -> Vec<Value> {
    let (mut header, mut cookie) = (None, None);
    for item in matches.items() {
        for (_, part) in item.entries().iter().filter(|(key, _)| key != "headers") {
            notes.dropped(part, "provider nginx reads headers alone");
        }
        let headers = item.get("headers").map(Node::entries).unwrap_or_default();
        let own: Vec<_> = headers.iter().filter(|(name, _)| name != "cookie").collect();
        if own.len() > 1 {
            for (_, node) in own {
                notes.dropped(
                    node,
                    "nginx takes one header, and Flagger does not say which of these",
                );
            }
        } else if let Some((name, node)) = own.first()
            && let Some((_, replaced)) = header.replace((name.as_str(), node))
        {
            notes.dropped(replaced, REPLACED);
        }
        if let Some((_, node)) = headers.iter().find(|(name, _)| name == "cookie")
            && let Some(replaced) = cookie.replace(node)
        {
            notes.dropped(replaced, REPLACED);
        }
    }
    let mut rings = Vec::new();
    let mut never = None;
    if let Some((name, node)) = header {
        let attribute = format!("header.{}", name.to_ascii_lowercase());
        if has_value(node, "exact") || has_value(node, "regex") {
            rings.extend(header_value(&attribute, node, notes));
        } else {
            notes.replaced(
                node,
                "becomes the value always, as nginx reads a header without exact or regex",
            );
            rings.push(json!({"attribute": attribute, "equals": "always"}));
            never = Some(json!({"not": {"attribute": attribute, "equals": "never"}}));
        }
    }
    match cookie {
        Some(node) if has_value(node, "exact") => {
            let name = node.text_at("exact").unwrap_or_default();
            let test = json!({"attribute": format!("cookie.{name}"), "equals": "always"});
            notes.node(node, "is the name of a cookie, whose value always gives the canary: nginx reads it so");
            rings.extend(condition::all_of([test].into_iter().chain(never).collect()));
        }
        Some(node) => notes.dropped(
            node,
            "nginx takes the name of a cookie in exact, and its value is always: no request would match",
        ),
        None => {}
    }
    rings
}

const REPLACED: &str = "nginx takes one header and one cookie, and a later match replaces this one";

fn has_value(node: &Node, key: &str) -> bool {
    node.peek(key).is_some_and(|value| !value.is_empty())
}

/// The test of `canary-by-header-value`, or of `canary-by-header-pattern`, which matches anywhere in the value.
pub(super) fn header_value(attribute: &str, node: &Node, notes: &mut Notes) -> Option<Value> {
    if has_value(node, "exact") {
        let value = node.text_at("exact")?;
        return Some(json!({"attribute": attribute, "equals": value}));
    }
    let regex = node.get("regex")?;
    let test = regex.parsed(|text| pattern_anywhere(attribute, text));
    if test.is_none() {
        notes.dropped(regex, condition::NO_GLOB);
    }
    test
}

/// A regular expression that may match anywhere in the value, as a test.
pub(super) fn pattern_anywhere(attribute: &str, regex: &str) -> Option<Value> {
    condition::pattern(attribute, &glob::anywhere(regex)?)
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::*;

    #[track_caller]
    fn rings(provider: &str, matches: &str) -> (Vec<Value>, String) {
        let text = format!("provider: {provider}\nmatch:\n{matches}");
        let documents = document::read(&text).expect("a document");
        let mut notes = Notes::default();
        let matches = documents[0].get("match").expect("matches");
        let rings = Provider::of(&documents[0]).rings(matches, &mut notes);
        let notes: Vec<String> = notes.sorted().iter().map(ToString::to_string).collect();
        (rings, notes.join("\n"))
    }

    const TWO: &str =
        " - headers: { X-Team: { exact: crew } }\n - headers: { x-app: { prefix: v2 } }\n";

    #[test]
    fn the_provider_decides_whether_matches_are_alternatives() {
        let team = json!({"attribute": "header.x-team", "equals": "crew"});
        let app = json!({"attribute": "header.x-app", "prefix": "v2"});
        assert_eq!(rings("istio", TWO).0, [team.clone(), app.clone()]);
        assert_eq!(rings("appmesh:v1beta2", TWO).0, [json!({"all": [team, app]})]);
        let contains = json!({"attribute": "header.x-app", "contains": "v2"});
        let (found, notes) = rings("contour", TWO);
        assert_eq!(found[0]["all"][1], contains);
        assert!(notes.contains("2: match is one ring: provider contour takes all"), "{notes}");
        for (provider, why) in [
            ("gloo", "(x-app)"),
            ("linkerd", "routes by weights alone"),
            ("kuma", "routes by weights alone"),
            ("apisix", "routes by weights alone"),
            ("knative", "routes by weights alone"),
            ("traefik", "routes by weights alone"),
            ("skipper", "routes by weights alone"),
            ("smi:v1alpha2", "routes by weights alone"),
            ("newmesh", "is not known here"),
        ] {
            let (found, notes) = rings(provider, TWO);
            assert_eq!(found, [Value::Null; 0], "{provider}");
            assert!(
                notes.contains("2: match has no counterpart") && notes.contains(why),
                "{provider}: {notes}"
            );
        }
    }

    #[test]
    fn gateway_api_takes_exact_and_regex_and_whole_segments() {
        let (found, notes) = rings("gatewayapi:v1", TWO);
        assert_eq!(found.len(), 1, "{notes}");
        assert!(
            notes.contains("match[1] has no counterpart: provider gatewayapi takes"),
            "{notes}"
        );
        let (found, _) = rings("gatewayapi", " - uri: { prefix: /feed/ }\n");
        let whole = json!({"any": [
            {"attribute": "path", "equals": "/feed"}, {"attribute": "path", "prefix": "/feed/"},
        ]});
        assert_eq!(found, [whole]);
        let (_, notes) = rings("gatewayapi", " - authority: { exact: a }\n");
        assert!(notes.contains("does not read authority"), "{notes}");
    }

    #[test]
    fn gloo_combines_headers_and_methods() {
        let (found, _) = rings(
            "gloo",
            " - headers: { a: { regex: 'x.*' } }\n   method: { exact: GET }\n - method: { exact: PUT }\n",
        );
        let all = json!({"all": [
            {"attribute": "header.a", "glob": "x*"}, {"attribute": "method", "in": ["GET", "PUT"]},
        ]});
        assert_eq!(found, [all]);
    }

    #[test]
    fn nginx_takes_one_header_and_the_name_of_a_cookie() {
        let (found, notes) = rings(
            "nginx",
            " - headers: { X-One: { exact: a } }\n - headers: { X-Two: { regex: 'b+c' }, cookie: { exact: beta } }\n - headers: { X-Three: { regex: '^pre|x' } }\n - headers: { X-Four: { regex: 'mid$' } }\n   uri: { prefix: /a }\n",
        );
        assert_eq!(
            found,
            [
                json!({"attribute": "header.x-four", "glob": "*mid"}),
                json!({"attribute": "cookie.beta", "equals": "always"}),
            ]
        );
        for line in ["3:", "4:", "5:", "7:"] {
            assert!(notes.lines().any(|note| note.starts_with(line)), "{line} {notes}");
        }
        let (found, notes) =
            rings("nginx", " - headers: { cookie: { regex: 'a=b' }, x: { prefix: y } }\n");
        assert_eq!(found, [json!({"attribute": "header.x", "equals": "always"})]);
        assert!(notes.contains("headers.cookie has no counterpart"), "{notes}");
        let (found, _) = rings("nginx", " - headers: { cookie: { exact: c }, x: {} }\n");
        let all = json!({"all": [
            {"attribute": "cookie.c", "equals": "always"},
            {"not": {"attribute": "header.x", "equals": "never"}},
        ]});
        assert_eq!(found[1], all);
        let (found, notes) = rings("nginx", " - headers: { a: { exact: b }, c: { exact: d } }\n");
        assert_eq!((found.len(), notes.lines().count()), (0, 2), "{notes}");
    }
}
