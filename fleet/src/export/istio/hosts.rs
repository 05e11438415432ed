//! Routing tables: the rollouts that the requests of a host can belong to. A router selects by host first.

use super::destination::is_host;
use super::options::{Options, Variant};
use crate::export::artifact::Problem;
use crate::export::routing::{self, Fallback};
use serin_core::Spec;
use serin_core::spec::{HostMatch, Rollout};
use std::collections::BTreeSet;

/// Hosts that share their routes.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Table<'a> {
    /// The hosts in the notation of a router; empty is every host.
    pub(super) hosts: Vec<String>,
    /// The rollouts, by name.
    pub(super) rollouts: Vec<&'a str>,
    /// The routes of requests without a decision, the most specific first.
    pub(super) fallbacks: Vec<Fallback<'a>>,
}

/// A table for each host pattern of the spec; in a gateway, patterns with equal routes share one.
pub(super) fn tables<'a>(
    spec: &'a Spec,
    options: &Options,
    problems: &mut Vec<Problem>,
) -> Vec<Table<'a>> {
    for (name, rollout) in &spec.rollouts {
        check(name, rollout, options, problems);
    }
    // The most specific first; each with its host as the router knows it.
    let all: Vec<(Option<HostMatch>, Fallback<'a>)> = routing::fallbacks(spec)
        .into_iter()
        .map(|fallback| (fallback.host.map(|host| known_as(host, options)), fallback))
        .collect();
    let mut tables: Vec<Table<'a>> = Vec::new();
    let mut known = BTreeSet::new();
    for host in all.iter().map(|(host, _)| host).filter(|host| known.insert(*host)) {
        let fallbacks = reachable(&all, host.as_ref());
        // In a mesh, requests that belong to no rollout go to the service that was called, so tables differ.
        let shares = options.variant == Variant::Gateway && host.is_some();
        let same = tables
            .iter_mut()
            .find(|table| !table.hosts.is_empty() && same_routes(&table.fallbacks, &fallbacks));
        if let (Some(table), Some(host)) = (same.filter(|_| shares), host) {
            table.hosts.push(written(host));
            continue;
        }
        let rollouts: BTreeSet<&str> = fallbacks.iter().map(|fallback| fallback.rollout).collect();
        tables.push(Table {
            hosts: host.iter().map(written).collect(),
            rollouts: rollouts.into_iter().collect(),
            fallbacks,
        });
    }
    tables
}

/// The routes that requests for a host can reach. A path within a path of a narrower host pattern belongs to that
/// pattern, whatever a wider pattern has for it.
fn reachable<'a>(
    all: &[(Option<HostMatch>, Fallback<'a>)],
    host: Option<&HostMatch>,
) -> Vec<Fallback<'a>> {
    let mut reachable: Vec<&(Option<HostMatch>, Fallback<'a>)> = Vec::new();
    for one in all.iter().filter(|(wider, _)| covers(wider.as_ref(), host)) {
        let taken = reachable.iter().any(|(narrower, previous)| {
            (*narrower != one.0 && routing::contains(previous.path, one.1.path))
                || (*narrower == one.0 && previous.path == one.1.path)
        });
        if !taken {
            reachable.push(one);
        }
    }
    reachable.into_iter().map(|(_, fallback)| *fallback).collect()
}

fn check(name: &str, rollout: &Rollout, options: &Options, problems: &mut Vec<Problem>) {
    let hosts = &rollout.matches.hosts;
    if hosts.is_empty() && options.variant == Variant::Sidecar {
        problems.push(Problem::in_spec(
            format!("rollouts.{name}.match.hosts"),
            "is missing, and a sidecar sees calls to every service: name \
             the host that callers use",
        ));
    }
    for (index, host) in hosts.iter().enumerate() {
        let (HostMatch::Exact(text) | HostMatch::Below(text)) = host;
        if !is_host(text) {
            problems.push(Problem::in_spec(
                format!("rollouts.{name}.match.hosts[{index}]"),
                format!("{text} is no DNS name, and Istio routes by no other"),
            ));
        }
    }
}

/// Whether requests for the narrower pattern's hosts are the wider one's too.
fn covers(wider: Option<&HostMatch>, narrower: Option<&HostMatch>) -> bool {
    match (wider, narrower) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(HostMatch::Exact(_)), Some(_)) => wider == narrower,
        (Some(HostMatch::Below(above)), Some(HostMatch::Exact(host))) => is_below(host, above),
        (Some(HostMatch::Below(above)), Some(HostMatch::Below(host))) => {
            host == above || is_below(host, above)
        }
    }
}

fn is_below(host: &str, above: &str) -> bool {
    host.strip_suffix(above).is_some_and(|rest| rest.ends_with('.'))
}

/// Whether two hosts have the same routes, whatever each is called.
fn same_routes(one: &[Fallback<'_>], other: &[Fallback<'_>]) -> bool {
    let key = |fallback: &Fallback<'_>| (fallback.rollout.to_owned(), fallback.path.cloned());
    one.iter().map(key).eq(other.iter().map(key))
}

/// A host as the router knows it. Inside a mesh, the short names of a service are all one.
fn known_as(host: &HostMatch, options: &Options) -> HostMatch {
    match host {
        HostMatch::Exact(name) if options.variant == Variant::Sidecar => {
            HostMatch::Exact(in_mesh(name, options.namespace.as_deref()))
        }
        host => host.clone(),
    }
}

/// A host as manifests name it.
fn written(host: &HostMatch) -> String {
    match host {
        HostMatch::Below(name) => format!("*.{name}"),
        HostMatch::Exact(name) => name.clone(),
    }
}

/// A service's full name, if this is one of its short ones.
pub(super) fn in_mesh(name: &str, namespace: Option<&str>) -> String {
    let labels: Vec<&str> = name.split('.').collect();
    match (labels.as_slice(), namespace) {
        ([service], Some(namespace)) => format!("{service}.{namespace}.svc.cluster.local"),
        ([service, other], Some(namespace)) if *other == namespace => {
            format!("{service}.{namespace}.svc.cluster.local")
        }
        ([_, _, "svc"], _) => format!("{name}.cluster.local"),
        _ => name.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_covers_what_is_below_it() {
        let exact = |name: &str| HostMatch::Exact(name.into());
        let below = |name: &str| HostMatch::Below(name.into());
        assert!(covers(Some(&below("b.c")), Some(&exact("a.b.c"))));
        assert!(covers(Some(&below("b.c")), Some(&below("a.b.c"))));
        assert!(covers(Some(&below("b.c")), Some(&below("b.c"))));
        assert!(!covers(Some(&below("b.c")), Some(&exact("b.c"))));
        assert!(!covers(Some(&below("b.c")), Some(&exact("ab.c"))));
        assert!(!covers(Some(&below("a.b.c")), Some(&below("b.c"))));
        assert!(covers(None, Some(&exact("a"))) && covers(None, None));
        assert!(!covers(Some(&exact("a")), None));
    }

    #[test]
    fn a_narrower_host_keeps_what_is_below_its_paths() {
        let rollout = |hosts: &str, paths: &str| {
            format!(
                r#"{{"match":{{{hosts}"paths":{paths}}},"arms":{{"a":{{"target":"t"}}}},"baseline":"a"}}"#
            )
        };
        let narrow = rollout(r#""hosts":["a.test"],"#, r#"["/x"]"#);
        let wide = rollout("", r#"["/x/y",{"exact":"/x"},"/z","/"]"#);
        let text = format!(r#"{{"formatVersion":1,"rollouts":{{"n":{narrow},"w":{wide}}}}}"#);
        let spec = Spec::from_json(text.as_bytes()).expect("a good spec");
        let all: Vec<_> = routing::fallbacks(&spec)
            .into_iter()
            .map(|fallback| (fallback.host.cloned(), fallback))
            .collect();
        let of = |host: Option<&HostMatch>| {
            let routes = reachable(&all, host);
            routes.iter().map(|one| format!("{} {:?}", one.rollout, one.path)).collect::<Vec<_>>()
        };
        assert_eq!(
            of(Some(&HostMatch::Exact("a.test".into()))),
            [r#"n Some(Prefix("/x"))"#, r#"w Some(Prefix("/z"))"#, r#"w Some(Prefix("/"))"#]
        );
        assert_eq!(of(None).len(), 4);
    }

    #[test]
    fn service_has_several_host_names_in_a_mesh() {
        for name in ["reco", "reco.shop", "reco.shop.svc", "reco.shop.svc.cluster.local"] {
            assert_eq!(in_mesh(name, Some("shop")), "reco.shop.svc.cluster.local");
        }
        assert_eq!(in_mesh("reco", None), "reco");
        assert_eq!(in_mesh("reco.other", Some("shop")), "reco.other");
        assert_eq!(in_mesh("shop.example.com", Some("shop")), "shop.example.com");
    }
}
