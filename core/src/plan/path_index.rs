//! Paths → numbers, by a walk along the path's segments: as long as the path, whatever the count.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::spec::PathMatch;

/// A tree of path segments in one list; the first node is the root.
#[derive(Clone, Debug, Default)]
pub(crate) struct PathIndex {
    nodes: Box<[Node]>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// Sorted by segment; the number is a position in the list.
    children: Box<[(Box<str>, usize)]>,
    /// What covers this path and all below it.
    below: Box<[u32]>,
    /// What covers this path alone.
    exact: Box<[u32]>,
}

impl PathIndex {
    /// Visits what covers a path, from the least to the most specific: prefixes from the root
    /// down, then exact ones. Lists may be empty.
    pub(crate) fn walk<'i>(&'i self, path: &str, mut visit: impl FnMut(&'i [u32])) {
        let Some(mut node) = self.nodes.first() else {
            return;
        };
        visit(&node.below);
        // Nothing but "everywhere" is common, and then the path need not be cut up.
        if node.children.is_empty() {
            return;
        }
        let Some(rest) = path.strip_prefix('/') else {
            return;
        };
        for segment in rest.split('/') {
            let Some(child) = self.child(node, segment) else {
                return;
            };
            node = child;
            visit(&node.below);
        }
        visit(&node.exact);
    }

    fn child(&self, node: &Node, segment: &str) -> Option<&Node> {
        let found = node.children.binary_search_by(|(known, _)| (**known).cmp(segment)).ok()?;
        self.nodes.get(node.children.get(found)?.1)
    }

    /// The most numbers that a single path can collect, those it collects twice counted twice.
    pub(crate) fn most(&self) -> usize {
        let mut most = 0_usize;
        let mut pending: Vec<(usize, usize)> = alloc::vec![(0, 0)];
        while let Some((index, above)) = pending.pop() {
            let Some(node) = self.nodes.get(index) else {
                continue;
            };
            let here = above.saturating_add(node.below.len());
            most = most.max(here.saturating_add(node.exact.len()));
            pending.extend(node.children.iter().map(|(_, child)| (*child, here)));
        }
        most
    }
}

/// Builds a [`PathIndex`]: a node of the tree, with those below it.
#[derive(Default)]
pub(crate) struct PathIndexBuilder {
    children: BTreeMap<Box<str>, PathIndexBuilder>,
    below: Vec<u32>,
    exact: Vec<u32>,
}

impl PathIndexBuilder {
    /// Adds a number under a path.
    pub(crate) fn add(&mut self, path: &PathMatch, number: u32) {
        let list = self.list(path);
        // One owner's paths are added together, so a repetition is the latest entry.
        if list.last() != Some(&number) {
            list.push(number);
        }
    }

    /// What stands under a path. Prefixes with and without a closing slash are the same.
    pub(crate) fn list(&mut self, path: &PathMatch) -> &mut Vec<u32> {
        let (text, exact) = match path {
            PathMatch::Exact(text) => (text.as_str(), true),
            PathMatch::Prefix(text) => (text.trim_end_matches('/'), false),
        };
        let mut node = self;
        if let Some(rest) = text.strip_prefix('/') {
            for segment in rest.split('/') {
                node = node.children.entry(segment.into()).or_default();
            }
        }
        if exact { &mut node.exact } else { &mut node.below }
    }

    /// Lays the tree out, breadth first, so that depth costs no stack.
    pub(crate) fn finish(self) -> PathIndex {
        let mut nodes: Vec<Node> = Vec::new();
        let mut pending = alloc::collections::VecDeque::from([self]);
        // The root takes place 0; each child takes the next free place when its parent is laid out.
        let mut next = 1_usize;
        while let Some(building) = pending.pop_front() {
            let mut children = Vec::with_capacity(building.children.len());
            for (segment, child) in building.children {
                children.push((segment, next));
                next = next.saturating_add(1);
                pending.push_back(child);
            }
            nodes.push(Node {
                children: children.into(),
                below: building.below.into(),
                exact: building.exact.into(),
            });
        }
        PathIndex { nodes: nodes.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn covered(index: &PathIndex, path: &str) -> Vec<u32> {
        let mut found = Vec::new();
        index.walk(path, |list| found.extend_from_slice(list));
        found
    }

    #[test]
    fn prefixes_are_whole_segments() {
        let mut builder = PathIndexBuilder::default();
        let prefix = |text: &str| PathMatch::Prefix(text.into());
        for (path, number) in [
            (prefix("/"), 0),
            (prefix("/feed"), 1),
            (prefix("/feed/hot/"), 2),
            (PathMatch::Exact("/feed".into()), 3),
            (PathMatch::Exact("/feed/".into()), 4),
            (PathMatch::Exact("/".into()), 5),
        ] {
            builder.add(&path, number);
        }
        let index = builder.finish();
        assert_eq!(covered(&index, "/feed"), [0, 1, 3]);
        assert_eq!(covered(&index, "/feed/"), [0, 1, 4]);
        assert_eq!(covered(&index, "/feedback"), [0]);
        assert_eq!(covered(&index, "/feed/hot/now"), [0, 1, 2]);
        assert_eq!(covered(&index, "/"), [0, 5]);
        assert_eq!(covered(&index, "*"), [0]);
        assert_eq!(covered(&index, ""), [0]);
        assert_eq!(index.most(), 3);
    }
}
