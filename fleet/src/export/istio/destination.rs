//! What a target is in Kubernetes: a host, perhaps a subset of its pods, perhaps a port.

use super::names::Names;
use super::{Context, Options};
use crate::export::routing;
use crate::export::{Problem, Source};
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Where a target's requests go.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Destination {
    /// The service's host: `reco`, or with its namespace.
    pub host: String,
    /// Its pods with the label `version` of this value.
    pub subset: Option<String>,
    /// The service's port.
    pub port: Option<u16>,
}

/// A target that is not called as Kubernetes calls it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mapping {
    /// The target, as the spec has it.
    pub target: String,
    /// What it is.
    pub destination: Destination,
}

impl Destination {
    /// Reads `HOST`, `HOST/SUBSET`, `HOST:PORT` and `HOST:PORT/SUBSET`.
    pub fn parse(text: &str) -> Option<Destination> {
        let (rest, subset) = match text.split_once('/') {
            Some((rest, subset)) => (rest, Some(subset)),
            None => (text, None),
        };
        let (host, port) = match rest.split_once(':') {
            Some((host, port)) => (host, Some(port.parse().ok().filter(|port| *port != 0)?)),
            None => (rest, None),
        };
        let good = is_host(host) && subset.is_none_or(is_label);
        good.then(|| Destination { host: host.to_owned(), subset: subset.map(str::to_owned), port })
    }

    /// As a VirtualService names it.
    pub(in crate::export) fn value(&self, otherwise: Option<u16>) -> Value {
        let mut value = Map::new();
        value.insert("host".into(), self.host.as_str().into());
        if let Some(port) = self.port.or(otherwise) {
            value.insert("port".into(), json!({ "number": port }));
        }
        if let Some(subset) = &self.subset {
            value.insert("subset".into(), subset.as_str().into());
        }
        value.into()
    }
}

/// A DNS name in lower case.
pub(super) fn is_host(text: &str) -> bool {
    text.len() <= 253 && text.split('.').all(is_label)
}

/// A DNS label in lower case.
fn is_label(text: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (Some(first), Some(last)) = (text.bytes().next(), text.bytes().last()) else {
        return false;
    };
    text.len() <= 63
        && plain(first)
        && plain(last)
        && text.bytes().all(|byte| plain(byte) || byte == b'-')
}

/// Every target with what it is.
pub(super) fn all<'a>(
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
            problems
                .push(Problem(format!("--destination: there is no target {target}, use {known}")));
        }
    }
    let mut all = BTreeMap::new();
    for target in targets {
        let given = options.destinations.iter().find(|mapping| mapping.target == target);
        let found = given.map(|mapping| mapping.destination.clone());
        match found.or_else(|| Destination::parse(target)) {
            Some(destination) => drop(all.insert(target, destination)),
            None => problems.push(Problem(format!(
                "{}: {target} is no host in Kubernetes, write reco or reco/v2, or say what it is with \
                 --destination {target}=HOST[:PORT][/SUBSET]",
                routing::place_of(source.spec, target)
            ))),
        }
    }
    all
}

/// A rule for each host that has subsets.
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_hosts_with_subset_and_port() {
        let read = |text: &str| {
            Destination::parse(text).map(|found| (found.host, found.subset, found.port))
        };
        assert_eq!(read("reco"), Some(("reco".into(), None, None)));
        assert_eq!(read("reco/v2"), Some(("reco".into(), Some("v2".into()), None)));
        assert_eq!(read("a.b.svc:80/v2"), Some(("a.b.svc".into(), Some("v2".into()), Some(80))));
        for bad in [
            "",
            "Reco",
            "reco/",
            "reco/V2",
            "a_b",
            "a:",
            "a:0",
            "a:x",
            "a..b",
            "-a",
            "a/b/c",
            "https://a",
        ] {
            assert_eq!(Destination::parse(bad), None, "{bad}");
        }
    }
}
