//! An index from path patterns to numbers. A lookup walks the segments of the path, so its cost
//! does not depend on the number of patterns.

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::string::String;
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

/// The numbers that a path matches, and their total weight.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct PathWeight {
    /// The total, counting each number once.
    pub(crate) total: usize,
    /// A path that matches them.
    pub(crate) path: String,
    /// The numbers, each once.
    pub(crate) numbers: Vec<u32>,
}

impl PathIndex {
    /// The path whose numbers weigh most. `weights` has the weight of each number. The cost is linear
    /// in the patterns.
    pub(crate) fn heaviest(&self, weights: &[usize]) -> PathWeight {
        let mut walk = Walk { weights, times_seen: weights.iter().map(|_| 0).collect(), total: 0 };
        // The heaviest node so far, and whether it is a path of its own or only the start of others.
        let (mut heaviest, mut most, mut ends_here) = (0_usize, 0_usize, false);
        let mut parents: Vec<usize> = self.nodes.iter().map(|_| 0).collect();
        let mut pending = alloc::vec![(0_usize, false)];
        while let Some((index, is_done)) = pending.pop() {
            let Some(node) = self.nodes.get(index) else { continue };
            if is_done {
                walk.leave(&node.below);
                continue;
            }
            walk.enter(&node.below);
            if walk.total > most {
                (heaviest, most, ends_here) = (index, walk.total, false);
            }
            if !node.exact.is_empty() {
                walk.enter(&node.exact);
                if walk.total > most {
                    (heaviest, most, ends_here) = (index, walk.total, true);
                }
                walk.leave(&node.exact);
            }
            pending.push((index, true));
            for (_, child) in &node.children {
                if let Some(parent) = parents.get_mut(*child) {
                    *parent = index;
                }
                pending.push((*child, false));
            }
        }
        self.path_weight(most, heaviest, ends_here, &parents)
    }

    fn path_weight(
        &self,
        total: usize,
        node: usize,
        ends_here: bool,
        parents: &[usize],
    ) -> PathWeight {
        let mut numbers: Vec<u32> = Vec::new();
        if let Some(exact) = self.nodes.get(node).filter(|_| ends_here).map(|node| &node.exact) {
            numbers.extend(exact);
        }
        let (mut segments, mut at) = (Vec::new(), node);
        numbers.extend(self.nodes.get(at).map(|node| &*node.below).unwrap_or_default());
        while let Some(parent) = parents.get(at).copied().filter(|_| at != 0) {
            let Some(above) = self.nodes.get(parent) else { break };
            segments.extend(above.children.iter().find(|(_, child)| *child == at).map(|(s, _)| s));
            numbers.extend(&above.below);
            at = parent;
        }
        let mut path = String::new();
        for segment in segments.iter().rev() {
            path.push('/');
            path.push_str(segment);
        }
        if path.is_empty() {
            path.push('/');
        }
        numbers.sort_unstable();
        numbers.dedup();
        PathWeight { total, path, numbers }
    }
}

/// The weight of the numbers on the way from the root to a node.
struct Walk<'w> {
    weights: &'w [usize],
    /// For each number: how many lists on the way have it.
    times_seen: Vec<u32>,
    total: usize,
}

impl Walk<'_> {
    fn enter(&mut self, numbers: &[u32]) {
        for number in numbers {
            let Some((seen, weight)) = self.seen_and_weight(*number) else { continue };
            let is_new = *seen == 0;
            *seen = seen.saturating_add(1);
            if is_new {
                self.total = self.total.saturating_add(weight);
            }
        }
    }

    fn leave(&mut self, numbers: &[u32]) {
        for number in numbers {
            let Some((seen, weight)) = self.seen_and_weight(*number) else { continue };
            *seen = seen.saturating_sub(1);
            if *seen == 0 {
                self.total = self.total.saturating_sub(weight);
            }
        }
    }

    fn seen_and_weight(&mut self, number: u32) -> Option<(&mut u32, usize)> {
        let index = usize::try_from(number).ok()?;
        let weight = self.weights.get(index).copied()?;
        Some((self.times_seen.get_mut(index)?, weight))
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

    /// The weights of every path of the index, the slow way.
    fn heaviest_by_walking(index: &PathIndex, paths: &[&str], weights: &[usize]) -> usize {
        let total = |path: &&str| {
            let mut found = matches(index, path);
            found.sort_unstable();
            found.dedup();
            found.iter().map(|number| weights[*number as usize]).sum()
        };
        paths.iter().map(total).max().unwrap_or(0)
    }

    #[test]
    fn heaviest_path_counts_each_number_once_and_disjoint_paths_apart() {
        let mut builder = PathIndexBuilder::default();
        let prefix = |text: &str| PathMatch::Prefix(text.into());
        let exact = |text: &str| PathMatch::Exact(text.into());
        // In the order of numbers: the builder expects the patterns of one number in a row.
        for (path, number) in [
            (prefix("/"), 0),
            (prefix("/a"), 0),
            (exact("/a/b"), 0),
            (prefix("/a/b"), 1),
            (exact("/a/b"), 2),
            (prefix("/c"), 3),
            (exact("/c/d/"), 4),
        ] {
            builder.add(&path, number);
        }
        let index = builder.finish();
        let paths = ["/", "/a", "/a/b", "/a/b/c", "/c", "/c/d/", "/c/d"];
        for (weights, path, numbers) in [
            ([10, 5, 1, 7, 1], "/c/d/", &[0, 3, 4][..]),
            ([10, 5, 4, 7, 1], "/a/b", &[0, 1, 2]),
            ([10, 5, 0, 4, 0], "/a/b", &[0, 1]),
            ([10, 0, 0, 0, 0], "/", &[0]),
            ([0, 0, 0, 0, 0], "/", &[0]),
        ] {
            let found = index.heaviest(&weights);
            assert_eq!((found.path.as_str(), &*found.numbers), (path, numbers), "{weights:?}");
            assert_eq!(found.total, heaviest_by_walking(&index, &paths, &weights));
        }
        assert_eq!(PathIndexBuilder::default().finish().heaviest(&[]).total, 0);
    }
}
