//! Routes: by decision, then, for requests without a decision, to the baselines.

use crate::export::routing::{self, ArmRoute, Fallback};
use serde_json::{Map, Value, json};
use serin_core::Spec;
use serin_core::headers::{ARM, ROLLOUT, SHADOW};
use serin_core::spec::{HostMatch, PathMatch};

/// All routes, the most specific first. With a default target, the last one matches everything.
pub(super) fn routes(spec: &Spec, default: Option<&str>) -> Vec<Value> {
    let arms = spec.rollouts.iter().flat_map(|(name, rollout)| routing::arms(name, rollout));
    let mut routes: Vec<Value> = arms.map(|route| decided(&route)).collect();
    let fallbacks = routing::fallbacks(spec);
    routes.extend(fallbacks.iter().map(undecided));
    let everything =
        |fallback: &Fallback<'_>| fallback.host.is_none() && routing::is_everything(fallback.path);
    if let Some(target) = default
        && !fallbacks.iter().any(everything)
    {
        routes.push(json!({
            "name": "no rollout",
            "match": {"prefix": "/"},
            "route": {"cluster": target},
        }));
    }
    routes
}

fn decided(route: &ArmRoute<'_>) -> Value {
    let mut action = Map::new();
    action.insert("cluster".into(), route.target.into());
    if route.shadow.is_some() {
        // Envoy copies exactly the requests that the filter has marked.
        action.insert("request_mirror_policies".into(), json!([{"cluster_header": SHADOW}]));
    }
    json!({
        "name": format!("{}.{}", route.rollout, route.arm),
        "match": {
            "prefix": "/",
            "headers": [
                {"name": ROLLOUT, "string_match": {"exact": route.rollout}},
                {"name": ARM, "string_match": {"exact": route.arm}},
            ],
        },
        "route": action,
    })
}

fn undecided(fallback: &Fallback<'_>) -> Value {
    let mut matches = Map::new();
    let (kind, path) = match fallback.path {
        Some(PathMatch::Exact(path)) => ("path", path.as_str()),
        Some(PathMatch::Prefix(path)) => match routing::prefix(path) {
            Some(path) => ("path_separated_prefix", path),
            None => ("prefix", "/"),
        },
        None => ("prefix", "/"),
    };
    matches.insert(kind.into(), path.into());
    if let Some(host) = fallback.host {
        let regex = json!({"safe_regex": {"regex": authority(host)}});
        matches.insert("headers".into(), json!([{"name": ":authority", "string_match": regex}]));
    }
    json!({
        "name": format!("{} undecided", fallback.rollout),
        "match": matches,
        "route": {"cluster": fallback.target},
    })
}

/// A regular expression for the host in `:authority`: in any case, with or without port and final dot.
fn authority(host: &HostMatch) -> String {
    let (before, name) = match host {
        HostMatch::Exact(name) => ("", name),
        HostMatch::Below(name) => (r".+\.", name),
    };
    let escaped: String = name
        .chars()
        .flat_map(|sign| {
            let special = matches!(sign, '.' | '[' | ']' | '-');
            special.then_some('\\').into_iter().chain([sign])
        })
        .collect();
    format!("(?i){before}{escaped}\\.?(:[0-9]+)?")
}
