//! Probe points: the hosts and paths at which units are evaluated, one for each rollout and one for each
//! path that delivers flags.

use super::spec_pair::{Pair, merge_names};
use serin_core::plan::FlagId;
use serin_core::spec::{HostMatch, PathMatch, RouteMatch, Spec};
use serin_core::{Decision, Facts, Plan, Timestamp, decide};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A host that no spec names.
const ANY_HOST: &str = "any.invalid";

/// A host and a path, with what is evaluated there.
#[derive(Clone, Debug)]
pub(super) struct ProbePoint {
    host: String,
    path: String,
    /// The flags that are evaluated; `None` evaluates the rollout.
    pub(super) flags: Option<Vec<FlagIds>>,
    /// The method with which the shadow of the old and of the new rollout is evaluated, if the shadow does
    /// not copy `GET`.
    pub(super) shadow_methods: [Option<String>; 2],
}

/// A flag with its ids in both plans, resolved once for all units.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlagIds {
    /// Its position in the sorted names of both specs.
    pub(super) key: usize,
    pub(super) old: Option<FlagId>,
    pub(super) new: Option<FlagId>,
}

impl ProbePoint {
    fn new(host: String, path: String, flags: Option<Vec<FlagIds>>) -> ProbePoint {
        ProbePoint { host, path, flags, shadow_methods: [None, None] }
    }

    /// The probe point for cohorts, which belong to no host or path of their own.
    pub(super) fn for_cohorts() -> ProbePoint {
        ProbePoint::new(ANY_HOST.into(), "/".into(), Some(Vec::new()))
    }

    /// Removes the flags that `keep` rejects. Returns whether anything is left to evaluate.
    pub(super) fn retain_flags(&mut self, keep: impl Fn(usize) -> bool) -> bool {
        let Some(flags) = &mut self.flags else { return true };
        flags.retain(|flag| keep(flag.key));
        !flags.is_empty()
    }

    /// The probe point with the host and the path of an attribute profile, if it evaluates a rollout and
    /// requests there belong to the same rollouts. Unchanged otherwise.
    pub(super) fn adapted_to(
        &self,
        attributes: &[(String, String)],
        pair: &Pair<'_>,
        at: Timestamp,
    ) -> ProbePoint {
        let value = |name: &str| attributes.iter().find(|it| it.0 == name).map(|it| it.1.clone());
        let (host, path) = (value("host"), value("path"));
        if self.flags.is_some() || (host.is_none() && path.is_none()) {
            return self.clone();
        }
        let adapted = ProbePoint {
            host: host.unwrap_or_else(|| self.host.clone()),
            path: path.unwrap_or_else(|| self.path.clone()),
            ..self.clone()
        };
        let rollouts = |it| [pair.old.plan, pair.new.plan].map(|plan| rollout_at(plan, it, at));
        if rollouts(&adapted) == rollouts(self) { adapted } else { self.clone() }
    }

    /// Host and path as attributes of an evaluation context.
    pub(super) fn attributes(&self) -> [(&str, Cow<'_, str>); 2] {
        [("host", Cow::Borrowed(&self.host)), ("path", Cow::Borrowed(&self.path))]
    }
}

/// One probe point for each pair of an old and a new rollout that some request belongs to, then one for
/// each path that delivers flags.
pub(super) fn probe_points(pair: &Pair<'_>, at: Timestamp) -> Vec<ProbePoint> {
    let mut found = BTreeMap::new();
    for (host, path) in candidates(pair) {
        let mut point = ProbePoint::new(host, path, None);
        let rollout = |plan| rollout_at(plan, &point, at);
        let both = (rollout(pair.old.plan), rollout(pair.new.plan));
        if both != (None, None) {
            point.shadow_methods =
                [shadow_method(pair.old.spec, &both.0), shadow_method(pair.new.spec, &both.1)];
            found.entry(both).or_insert(point);
        }
    }
    let mut by_path: BTreeMap<String, Vec<FlagIds>> = BTreeMap::new();
    // The new spec takes precedence for a flag that both specs have.
    let path = |name: &str| {
        let flag = pair.new.spec.flags.get(name).or_else(|| pair.old.spec.flags.get(name));
        let paths = flag.and_then(|flag| flag.deliver.as_ref());
        paths
            .and_then(|paths| paths.first())
            .map_or("/".to_owned(), |path| path_of(path).to_owned())
    };
    let names = merge_names(pair.old.spec.flags.names().chain(pair.new.spec.flags.names()));
    for (key, name) in names.iter().enumerate() {
        let (old, new) = (pair.old.plan.flag_named(name), pair.new.plan.flag_named(name));
        by_path.entry(path(name)).or_default().push(FlagIds { key, old, new });
    }
    let flags = by_path
        .into_iter()
        .map(|(path, flags)| ProbePoint::new(ANY_HOST.into(), path, Some(flags)));
    found.into_values().chain(flags).collect()
}

/// Every host of a rollout combined with each of its paths.
fn candidates(pair: &Pair<'_>) -> Vec<(String, String)> {
    let rollouts = |spec: &Spec| -> Vec<RouteMatch> {
        spec.rollouts.values().map(|rollout| rollout.matches.clone()).collect()
    };
    let mut found = Vec::new();
    for matches in rollouts(pair.new.spec).iter().chain(&rollouts(pair.old.spec)) {
        let hosts: Vec<String> = match matches.hosts.as_slice() {
            [] => vec![ANY_HOST.into()],
            hosts => hosts.iter().map(example_host).collect(),
        };
        let paths: Vec<String> = match matches.paths.as_slice() {
            [] => vec!["/".into(), "/any".into()],
            paths => paths.iter().flat_map(example_paths).collect(),
        };
        for host in &hosts {
            found.extend(paths.iter().map(|path| (host.clone(), path.clone())));
        }
    }
    found
}

/// A host that the pattern matches.
fn example_host(pattern: &HostMatch) -> String {
    match pattern {
        HostMatch::Exact(host) => host.clone(),
        HostMatch::Below(host) => format!("any.{host}"),
    }
}

/// Paths that the pattern matches. The path of a prefix itself may belong to another rollout, which matches
/// it exactly; a path below it does not.
fn example_paths(pattern: &PathMatch) -> Vec<String> {
    match pattern {
        PathMatch::Exact(path) => vec![path.clone()],
        PathMatch::Prefix(path) => {
            vec![path.clone(), format!("{}/any", path.trim_end_matches('/'))]
        }
    }
}

fn path_of(pattern: &PathMatch) -> &str {
    match pattern {
        PathMatch::Exact(path) | PathMatch::Prefix(path) => path,
    }
}

/// A method that a rollout's shadow copies, if it does not copy `GET`.
fn shadow_method(spec: &Spec, rollout: &Option<String>) -> Option<String> {
    let shadow = spec.rollouts.get(rollout.as_deref()?)?.shadow.as_ref()?;
    let gets = shadow.methods.iter().any(|method| method == "GET");
    shadow.methods.first().filter(|_| !gets).cloned()
}

fn rollout_at(plan: &Plan, point: &ProbePoint, at: Timestamp) -> Option<String> {
    let facts = Facts::from_context(plan, point.attributes(), Some(at.unix_ms()), None);
    let mut decision = Decision::default();
    decide(plan, &facts, &mut decision);
    decision.arm(plan).map(|(rollout, _)| rollout.to_owned())
}
