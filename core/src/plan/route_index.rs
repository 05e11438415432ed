//! An index from host and path to the most specific rollout.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use super::RolloutId;
use super::path_index::{PathIndex, PathIndexBuilder};
use crate::spec::{HostMatch, PathMatch};

/// The maximum length of a DNS name, in bytes. A longer host matches no pattern.
const MAX_HOST_BYTES: usize = 253;

/// The routes of all rollouts. The host has precedence: exact hosts, then the longest `*.` pattern,
/// then rollouts for every host. Among those the path decides: exact paths, then the longest
/// prefix.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteIndex {
    exact: Hosts,
    below: Hosts,
    any: PathIndex,
}

/// The paths of each host, sorted by host.
#[derive(Clone, Debug, Default)]
struct Hosts(Box<[(Box<str>, PathIndex)]>);

impl Hosts {
    fn find(&self, host: &str, path: &str) -> Option<RolloutId> {
        let index = self.0.binary_search_by(|(known, _)| (**known).cmp(host)).ok()?;
        deepest(&self.0.get(index)?.1, path)
    }
}

impl RouteIndex {
    pub(crate) fn find(&self, host: &str, path: &str) -> Option<RolloutId> {
        self.find_by_host(host, path).or_else(|| deepest(&self.any, path))
    }

    fn find_by_host(&self, host: &str, path: &str) -> Option<RolloutId> {
        if host.len() > MAX_HOST_BYTES {
            return None;
        }
        if let Some(found) = self.exact.find(host, path) {
            return Some(found);
        }
        if self.below.0.is_empty() {
            return None;
        }
        let mut rest = host;
        while let Some((_, parent)) = rest.split_once('.') {
            if let Some(found) = self.below.find(parent, path) {
                return Some(found);
            }
            rest = parent;
        }
        None
    }
}

fn deepest(index: &PathIndex, path: &str) -> Option<RolloutId> {
    let mut found = None;
    index.walk(path, |list| found = list.first().or(found));
    found.map(|number| RolloutId(*number))
}

/// A builder of a [`RouteIndex`].
#[derive(Default)]
pub(crate) struct RouteIndexBuilder {
    exact: BTreeMap<Box<str>, PathIndexBuilder>,
    below: BTreeMap<Box<str>, PathIndexBuilder>,
    any: PathIndexBuilder,
}

impl RouteIndexBuilder {
    /// Adds a route from a host (`None` for every host) and path to a rollout. If another rollout
    /// has the same host and path already, nothing changes and that rollout is returned.
    pub(crate) fn add(
        &mut self,
        host: Option<&HostMatch>,
        path: &PathMatch,
        rollout: RolloutId,
    ) -> Option<RolloutId> {
        let builder = match host {
            None => &mut self.any,
            Some(HostMatch::Exact(name)) => self.exact.entry(name.as_str().into()).or_default(),
            Some(HostMatch::Below(name)) => self.below.entry(name.as_str().into()).or_default(),
        };
        let owners = builder.list(path);
        match owners.first() {
            Some(owner) if *owner != rollout.0 => return Some(RolloutId(*owner)),
            Some(_) => {}
            None => owners.push(rollout.0),
        }
        None
    }

    pub(crate) fn finish(self) -> RouteIndex {
        RouteIndex {
            exact: finish_hosts(self.exact),
            below: finish_hosts(self.below),
            any: self.any.finish(),
        }
    }
}

fn finish_hosts(builders: BTreeMap<Box<str>, PathIndexBuilder>) -> Hosts {
    Hosts(builders.into_iter().map(|(host, builder)| (host, builder.finish())).collect())
}
