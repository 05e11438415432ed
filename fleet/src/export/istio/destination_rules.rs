//! The destinations of all targets, and DestinationRules for those that are subsets.

use super::context::Context;
use super::destination::{Destination, Mapping};
use super::names::Names;
use super::options::Options;
use crate::export::artifact::Problem;
use crate::export::routing;
use crate::export::source::Source;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// The destination of every target.
pub(super) fn destinations<'a>(
    source: &'a Source<'_>,
    options: &'a Options,
    problems: &mut Vec<Problem>,
) -> BTreeMap<&'a str, Destination> {
    let default = options.default.as_deref();
    let targets = routing::targets(source.spec, default);
    for Mapping { target, .. } in &options.destinations {
        if !targets.contains(target.as_str()) {
            let known: Vec<&str> = targets.iter().copied().collect();
            let known = known.join(", ");
            problems.push(Problem::in_options(
                "--destination",
                format!("there is no target {target}, use {known}"),
            ));
        }
    }
    let mut all = BTreeMap::new();
    for target in targets {
        let mapping = options.destinations.iter().find(|mapping| mapping.target == target);
        let found = mapping.map(|mapping| mapping.destination.clone());
        match found.or_else(|| Destination::parse(target)) {
            Some(destination) => drop(all.insert(target, destination)),
            None => problems.push(Problem::new(routing::place_of(source.spec, target), format!("{target} is no host in Kubernetes, write reco or reco/v2, or say what it is with \
                 --destination {target}=HOST[:PORT][/SUBSET]"))),
        }
    }
    all
}

/// A DestinationRule for each host that has subsets.
pub(super) fn rules(context: &Context<'_>, all: &BTreeMap<&str, Destination>) -> Vec<Value> {
    let mut subsets: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for destination in all.values() {
        if let Some(subset) = &destination.subset {
            subsets.entry(&destination.host).or_default().insert(subset);
        }
    }
    let mut names = Names::default();
    let rule = |(host, subsets): (&str, BTreeSet<&str>)| {
        let subsets: Vec<Value> = subsets
            .into_iter()
            .map(|subset| json!({"name": subset, "labels": {"version": subset}}))
            .collect();
        let name = names.of_host(&context.options.name, host);
        let spec = json!({"host": host, "subsets": subsets});
        context.resource("networking.istio.io/v1", "DestinationRule", &name, spec)
    };
    subsets.into_iter().map(rule).collect()
}
