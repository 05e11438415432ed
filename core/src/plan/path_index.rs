//! An index from path patterns to numbers. A lookup walks the segments of the path, so its cost
//! does not depend on the number of patterns.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use crate::spec::PathMatch;

/// A tree of path segments, stored as one list whose first node is the root.
#[derive(Clone, Debug, Default)]
pub(crate) struct PathIndex {
    nodes: Box<[Node]>,
}

#[derive(Clone, Debug, Default)]
struct Node {
    /// Sorted by segment; the number is the index of the child in the list.
    children: Box<[(Box<str>, usize)]>,
    /// Numbers of prefixes that end here.
    below: Box<[u32]>,
    /// Numbers of exact patterns that end here.
    exact: Box<[u32]>,
}

impl PathIndex {
    /// Visits the numbers that match a path, from the least to the most specific pattern: prefixes
    /// from the root down, then exact patterns. Lists may be empty.
    pub(crate) fn walk<'i>(&'i self, path: &str, mut visit: impl FnMut(&'i [u32])) {
        let Some(mut node) = self.nodes.first() else {
            return;
        };
        visit(&node.below);
        // Often the only pattern is the prefix `/`, and then the path need not be split.
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

    /// The maximum count of numbers that one path can match, counting repetitions.
    pub(crate) fn max_len(&self) -> usize {
        let mut longest = 0_usize;
        let mut pending: Vec<(usize, usize)> = alloc::vec![(0, 0)];
        while let Some((index, above)) = pending.pop() {
            let Some(node) = self.nodes.get(index) else {
                continue;
            };
            let here = above.saturating_add(node.below.len());
            longest = longest.max(here.saturating_add(node.exact.len()));
            pending.extend(node.children.iter().map(|(_, child)| (*child, here)));
        }
        longest
    }
}

/// A builder of a [`PathIndex`]: a node of the tree with its descendants.
#[derive(Default)]
pub(crate) struct PathIndexBuilder {
    children: BTreeMap<Box<str>, PathIndexBuilder>,
    below: Vec<u32>,
    exact: Vec<u32>,
}

impl PathIndexBuilder {
    /// Adds a number under a path pattern.
    pub(crate) fn add(&mut self, path: &PathMatch, number: u32) {
        let list = self.list(path);
        // The patterns of one number are added in a row, so a repetition is the last entry.
        if list.last() != Some(&number) {
            list.push(number);
        }
    }

    /// The numbers under a path pattern. Prefixes with and without a trailing slash are the same.
    pub(crate) fn list(&mut self, path: &PathMatch) -> &mut Vec<u32> {
        let (path, exact) = match path {
            PathMatch::Exact(path) => (path.as_str(), true),
            PathMatch::Prefix(path) => (path.trim_end_matches('/'), false),
        };
        let mut node = self;
        if let Some(rest) = path.strip_prefix('/') {
            for segment in rest.split('/') {
                node = node.children.entry(segment.into()).or_default();
            }
        }
        if exact { &mut node.exact } else { &mut node.below }
    }

    /// Writes the tree into one list, breadth first, so that its depth needs no recursion.
    pub(crate) fn finish(self) -> PathIndex {
        let mut nodes: Vec<Node> = Vec::new();
        let mut pending = alloc::collections::VecDeque::from([self]);
        // The root has index 0; a child gets the next free index when its parent is written.
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

    fn matches(index: &PathIndex, path: &str) -> Vec<u32> {
        let mut found = Vec::new();
        index.walk(path, |list| found.extend_from_slice(list));
        found
    }

    #[test]
    fn prefix_matches_whole_segments() {
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
        assert_eq!(matches(&index, "/feed"), [0, 1, 3]);
        assert_eq!(matches(&index, "/feed/"), [0, 1, 4]);
        assert_eq!(matches(&index, "/feedback"), [0]);
        assert_eq!(matches(&index, "/feed/hot/now"), [0, 1, 2]);
        assert_eq!(matches(&index, "/"), [0, 5]);
        assert_eq!(matches(&index, "*"), [0]);
        assert_eq!(matches(&index, ""), [0]);
        assert_eq!(index.max_len(), 3);
    }
}
