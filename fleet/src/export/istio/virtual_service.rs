//! Routes as VirtualServices of Istio. The first route that matches wins.

use super::context::Context;
use super::destination::Destination;
use super::hosts::Table;
use super::names::Names;
use super::options::Variant;
use crate::export::routing::{self, ArmRoute, Fallback};
use serde_json::{Map, Value, json};
use serin_core::headers::{ARM, ROLLOUT, SHADOW};
use serin_core::spec::PathMatch;
use std::collections::BTreeMap;

/// A VirtualService for each table.
pub(super) fn all(
    context: &Context<'_>,
    tables: &[Table<'_>],
    destinations: &BTreeMap<&str, Destination>,
) -> Vec<Value> {
    let writer = Writer { context, destinations };
    let mut names = Names::default();
    tables.iter().map(|table| writer.virtual_service(table, &mut names)).collect()
}

struct Writer<'a> {
    context: &'a Context<'a>,
    destinations: &'a BTreeMap<&'a str, Destination>,
}

impl Writer<'_> {
    fn virtual_service(&self, table: &Table<'_>, names: &mut Names) -> Value {
        let options = self.context.options;
        let spec = self.context.source.spec;
        let rollouts =
            table.rollouts.iter().filter_map(|name| Some((*name, spec.rollouts.get(name)?)));
        let arms = rollouts.flat_map(|(name, rollout)| routing::arms(name, rollout));
        let mut http: Vec<Value> = arms.flat_map(|arm| self.decided(&arm)).collect();
        http.extend(table.fallbacks.iter().map(|fallback| self.undecided(fallback)));
        let everything = |fallback: &Fallback<'_>| routing::is_everything(fallback.path);
        if !table.fallbacks.iter().any(everything) {
            http.extend(self.no_rollout(table));
        }
        let mut body = Map::new();
        if let (Variant::Gateway, Some(gateway)) = (options.variant, &options.gateway) {
            body.insert("gateways".into(), json!([gateway]));
        }
        let all = vec!["*".to_owned()];
        let hosts = if table.hosts.is_empty() { &all } else { &table.hosts };
        body.insert("hosts".into(), json!(hosts));
        body.insert("http".into(), http.into());
        let name = names.of_table(&options.name, table);
        self.context.resource("networking.istio.io/v1", "VirtualService", &name, body.into())
    }

    /// The routes of an arm. The first copies requests that are marked for the shadow.
    fn decided(&self, arm: &ArmRoute<'_>) -> Vec<Value> {
        let name = format!("{}.{}", arm.rollout, arm.arm);
        let headers = json!({ROLLOUT: {"exact": arm.rollout}, ARM: {"exact": arm.arm}});
        let plain = json!({
            "name": name,
            "match": [{"headers": headers}],
            "route": self.route(arm.target),
        });
        let Some(shadow) = arm.shadow else { return vec![plain] };
        let mut copied = plain.clone();
        copied["name"] = format!("{name} with a copy").into();
        copied["match"][0]["headers"][SHADOW] = json!({ "exact": shadow });
        copied["mirror"] = self.destination(shadow);
        copied["mirrorPercentage"] = json!({"value": 100});
        vec![copied, plain]
    }

    fn undecided(&self, fallback: &Fallback<'_>) -> Value {
        let mut route = Map::new();
        route.insert("name".into(), format!("{} undecided", fallback.rollout).into());
        if let Some(matches) = matches(fallback.path) {
            route.insert("match".into(), matches);
        }
        route.insert("route".into(), self.route(fallback.target));
        route.into()
    }

    /// The route of requests that belong to no rollout: to the default target, or in a mesh without one, to the
    /// service that was called.
    fn no_rollout(&self, table: &Table<'_>) -> Option<Value> {
        let options = self.context.options;
        let default = routing::default_target(self.context.source.spec, options.default.as_deref());
        let route = match (default, table.hosts.as_slice()) {
            (Some(target), _) => self.route(target),
            (None, [host]) if options.variant == Variant::Sidecar => {
                json!([{"destination": {"host": host}}])
            }
            (None, _) => return None,
        };
        Some(json!({"name": "no rollout", "route": route}))
    }

    fn route(&self, target: &str) -> Value {
        json!([{"destination": self.destination(target)}])
    }

    fn destination(&self, target: &str) -> Value {
        let port = self.context.options.port;
        self.destinations.get(target).map(|destination| destination.value(port)).unwrap_or_default()
    }
}

/// A prefix of Istio's may end inside a segment, so a path has two: itself and what is below it.
fn matches(path: Option<&PathMatch>) -> Option<Value> {
    match path? {
        PathMatch::Exact(path) => Some(json!([{"uri": {"exact": path}}])),
        PathMatch::Prefix(path) => {
            let path = routing::prefix(path)?;
            Some(json!([{"uri": {"exact": path}}, {"uri": {"prefix": format!("{path}/")}}]))
        }
    }
}
