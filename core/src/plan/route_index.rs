//! Host and path → rollout, the most specific one.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;

use super::RolloutId;
use super::path_index::{PathIndex, PathIndexBuilder};
use crate::spec::{HostMatch, PathMatch};

/// The longest host name that DNS allows; a longer one matches no pattern.
const LONGEST_HOST: usize = 253;

/// Which rollout a request belongs to. The host decides first: exact, then the longest `*.` pattern,
/// then rollouts for every host; within that the path: exact, then the longest prefix.
#[derive(Clone, Debug, Default)]
pub(crate) struct RouteIndex {
    exact: Hosts,
    below: Hosts,
    any: PathIndex,
}

/// Sorted by host.
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
        if host.len() > LONGEST_HOST {
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

/// Builds a [`RouteIndex`].
#[derive(Default)]
pub(crate) struct RouteIndexBuilder {
    exact: BTreeMap<Box<str>, PathIndexBuilder>,
    below: BTreeMap<Box<str>, PathIndexBuilder>,
    any: PathIndexBuilder,
}

impl RouteIndexBuilder {
    /// Sends requests for a host (every host when `None`) and path to a rollout.
    /// Returns the rollout that has the very same host and path already, and then changes nothing.
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
