//! Where made-up units are asked about: one place for each rollout, and the paths of flags.

use super::outcome::Pair;
use super::tally::joined;
use serin_core::plan::FlagId;
use serin_core::spec::{HostMatch, PathMatch, RouteMatch, Spec};
use serin_core::{Decision, Facts, Plan, Timestamp, decide};
use std::borrow::Cow;
use std::collections::BTreeMap;

/// A host that no spec names.
const ANY_HOST: &str = "any.invalid";

/// A host and a path to ask about.
#[derive(Clone, Debug)]
pub(super) struct Place {
    host: String,
    path: String,
    /// The flags to ask about here; `None` asks about the rollout.
    pub(super) flags: Option<Vec<FlagOfBoth>>,
    /// With which method the shadows of the old and the new rollout are asked, where `GET` is none
    /// that they copy.
    pub(super) copied: [Option<String>; 2],
}

/// A flag, looked up once for all who are asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct FlagOfBoth {
    /// Its place among the names of both specs.
    pub(super) key: usize,
    pub(super) old: Option<FlagId>,
    pub(super) new: Option<FlagId>,
}

impl Place {
    fn new(host: String, path: String, flags: Option<Vec<FlagOfBoth>>) -> Place {
        Place { host, path, flags, copied: [None, None] }
    }

    /// For what depends on no place.
    pub(super) fn nowhere() -> Place {
        Place::new(ANY_HOST.into(), "/".into(), Some(Vec::new()))
    }

    /// Keeps some of the flags; whether there is still something to ask about.
    pub(super) fn keep_flags(&mut self, keep: impl Fn(usize) -> bool) -> bool {
        let Some(flags) = &mut self.flags else { return true };
        flags.retain(|flag| keep(flag.key));
        !flags.is_empty()
    }

    /// For a rollout, the host and path that a condition asks for, if requests there belong to the
    /// same rollouts.
    pub(super) fn fitted(
        &self,
        wanted: &[(String, String)],
        pair: &Pair<'_>,
        at: Timestamp,
    ) -> Place {
        let value = |name: &str| wanted.iter().find(|it| it.0 == name).map(|it| it.1.clone());
        let (host, path) = (value("host"), value("path"));
        if self.flags.is_some() || (host.is_none() && path.is_none()) {
            return self.clone();
        }
        let fitted = Place {
            host: host.unwrap_or_else(|| self.host.clone()),
            path: path.unwrap_or_else(|| self.path.clone()),
            ..self.clone()
        };
        let rollouts = |it| [pair.old.plan, pair.new.plan].map(|plan| rollout_at(plan, it, at));
        if rollouts(&fitted) == rollouts(self) { fitted } else { self.clone() }
    }

    /// The place as a context has it.
    pub(super) fn attributes(&self) -> [(&str, Cow<'_, str>); 2] {
        [("host", Cow::Borrowed(&self.host)), ("path", Cow::Borrowed(&self.path))]
    }
}

/// For each pair of an old and a new rollout that some request belongs to one place, then the flags
/// by the first path that delivers them.
pub(super) fn places(pair: &Pair<'_>, at: Timestamp) -> Vec<Place> {
    let mut found = BTreeMap::new();
    for (host, path) in candidates(pair) {
        let mut place = Place::new(host, path, None);
        let rollout = |plan| rollout_at(plan, &place, at);
        let both = (rollout(pair.old.plan), rollout(pair.new.plan));
        if both != (None, None) {
            place.copied = [method(pair.old.spec, &both.0), method(pair.new.spec, &both.1)];
            found.entry(both).or_insert(place);
        }
    }
    let mut by_path: BTreeMap<String, Vec<FlagOfBoth>> = BTreeMap::new();
    // The new spec last: where both know a flag, it says the path.
    let path = |name: &str| {
        let flag = pair.new.spec.flags.get(name).or_else(|| pair.old.spec.flags.get(name));
        let paths = flag.and_then(|flag| flag.deliver.as_ref());
        paths.and_then(|paths| paths.first()).map_or("/".to_owned(), |path| text(path).to_owned())
    };
    let names = joined(pair.old.spec.flags.names().chain(pair.new.spec.flags.names()));
    for (key, name) in names.iter().enumerate() {
        let (old, new) = (pair.old.plan.flag_named(name), pair.new.plan.flag_named(name));
        by_path.entry(path(name)).or_default().push(FlagOfBoth { key, old, new });
    }
    let flags =
        by_path.into_iter().map(|(path, flags)| Place::new(ANY_HOST.into(), path, Some(flags)));
    found.into_values().chain(flags).collect()
}

/// Every host with every path that some rollout matches.
fn candidates(pair: &Pair<'_>) -> Vec<(String, String)> {
    let rollouts = |spec: &Spec| -> Vec<RouteMatch> {
        spec.rollouts.values().map(|rollout| rollout.matches.clone()).collect()
    };
    let mut found = Vec::new();
    for matches in rollouts(pair.new.spec).iter().chain(&rollouts(pair.old.spec)) {
        let hosts: Vec<String> = match matches.hosts.as_slice() {
            [] => vec![ANY_HOST.into()],
            hosts => hosts.iter().map(host).collect(),
        };
        let paths: Vec<String> = match matches.paths.as_slice() {
            [] => vec!["/".into(), "/any".into()],
            paths => paths.iter().flat_map(within).collect(),
        };
        for host in &hosts {
            found.extend(paths.iter().map(|path| (host.clone(), path.clone())));
        }
    }
    found
}

fn host(pattern: &HostMatch) -> String {
    match pattern {
        HostMatch::Exact(host) => host.clone(),
        HostMatch::Below(host) => format!("any.{host}"),
    }
}

/// A path alone may belong to a rollout that matches it exactly, one below it does not.
fn within(pattern: &PathMatch) -> Vec<String> {
    match pattern {
        PathMatch::Exact(path) => vec![path.clone()],
        PathMatch::Prefix(path) => {
            vec![path.clone(), format!("{}/any", path.trim_end_matches('/'))]
        }
    }
}

fn text(pattern: &PathMatch) -> &str {
    match pattern {
        PathMatch::Exact(path) | PathMatch::Prefix(path) => path,
    }
}

/// A method that a rollout's shadow copies, if `GET` is none.
fn method(spec: &Spec, rollout: &Option<String>) -> Option<String> {
    let shadow = spec.rollouts.get(rollout.as_deref()?)?.shadow.as_ref()?;
    let gets = shadow.methods.iter().any(|method| method == "GET");
    shadow.methods.first().filter(|_| !gets).cloned()
}

fn rollout_at(plan: &Plan, place: &Place, at: Timestamp) -> Option<String> {
    let facts = Facts::from_context(plan, place.attributes(), Some(at.unix_ms()), None);
    let mut decision = Decision::default();
    decide(plan, &facts, &mut decision);
    decision.arm(plan).map(|(rollout, _)| rollout.to_owned())
}
