//! The nodes of a document, each with its line, its path and a mark.
//!
//! Reading a value marks its node. Nodes that are unmarked at the end have no counterpart in the spec;
//! [`unmarked`] finds them, so that no part of a manifest is dropped silently.

use std::cell::Cell;

/// A value of a document with its position.
#[derive(Debug)]
pub(super) struct Node {
    /// The line, counted from 1, of the key, or of the value in a list.
    pub(super) line: usize,
    /// The path from the root of the document: `spec.steps[2].pause`.
    pub(super) path: String,
    pub(super) kind: Kind,
    marked: Cell<bool>,
}

/// The content of a node.
#[derive(Debug)]
pub(super) enum Kind {
    /// A scalar of any type, as written.
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(super) fn new(line: usize, path: String, kind: Kind) -> Node {
        Node { line, path, kind, marked: Cell::new(false) }
    }

    /// The node at a path below this one: `a.b`. Marks nothing.
    pub(super) fn get(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, key| match &node.kind {
            Kind::Map(entries) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
            }
            _ => None,
        })
    }

    /// The items of a list; empty for other nodes. Marks nothing.
    pub(super) fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// The items of the list at a path; empty for other nodes. Marks nothing.
    pub(super) fn list(&self, path: &str) -> &[Node] {
        self.get(path).map(Node::items).unwrap_or_default()
    }

    /// The entries of a map; empty for other nodes. Marks nothing.
    pub(super) fn entries(&self) -> &[(String, Node)] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// The scalar at a path. Marks nothing.
    pub(super) fn peek(&self, path: &str) -> Option<&str> {
        self.get(path)?.peek_text()
    }

    /// The scalar. Marks nothing.
    pub(super) fn peek_text(&self) -> Option<&str> {
        match &self.kind {
            Kind::Scalar(text) => Some(text),
            _ => None,
        }
    }

    /// Reads and marks a scalar.
    pub(super) fn text(&self) -> Option<&str> {
        let Kind::Scalar(text) = &self.kind else { return None };
        self.marked.set(true);
        Some(text)
    }

    /// Reads and marks the scalar at a path.
    pub(super) fn text_at(&self, path: &str) -> Option<&str> {
        self.get(path)?.text()
    }

    /// Reads and marks a scalar that `parse` accepts. Leaves other nodes unmarked.
    pub(super) fn parsed<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let Kind::Scalar(text) = &self.kind else { return None };
        let value = parse(text)?;
        self.marked.set(true);
        Some(value)
    }

    /// Whether the scalar is `true` in YAML 1.1, which kubectl reads. Marks booleans and leaves other nodes
    /// unmarked.
    pub(super) fn is_true(&self) -> bool {
        let boolean = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Some(true),
            "false" | "no" | "off" | "n" => Some(false),
            _ => None,
        };
        self.parsed(boolean).unwrap_or(false)
    }

    /// Marks the node and everything in it.
    pub(super) fn mark_all(&self) {
        self.marked.set(true);
        self.children().for_each(Node::mark_all);
    }

    /// The path from a document that is an item of a list.
    pub(super) fn path_below(&self, document: &Node) -> &str {
        let rest = self.path.strip_prefix(document.path.as_str()).unwrap_or(&self.path);
        rest.strip_prefix('.').unwrap_or(rest)
    }

    fn children(&self) -> Box<dyn Iterator<Item = &Node> + '_> {
        match &self.kind {
            Kind::Scalar(_) => Box::new(std::iter::empty()),
            Kind::List(items) => Box::new(items.iter()),
            Kind::Map(entries) => Box::new(entries.iter().map(|(_, node)| node)),
        }
    }

    /// Whether the node, or any node in it, is marked.
    pub(super) fn has_marks(&self) -> bool {
        self.marked.get() || self.children().any(Node::has_marks)
    }

    fn is_leaf(&self) -> bool {
        self.children().next().is_none()
    }
}

/// The highest nodes, from this one down, that have no marks.
pub(super) fn unmarked(node: &Node) -> Vec<&Node> {
    if !node.has_marks() {
        // An item of a list that is a map of one key is listed by that key.
        return match node.entries() {
            [(_, only)] if node.path.ends_with(']') => vec![only],
            _ => vec![node],
        };
    }
    if node.is_leaf() {
        return Vec::new();
    }
    node.children().flat_map(unmarked).collect()
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::*;

    fn unmarked_after(text: &str, read: impl FnOnce(&Node)) -> Vec<String> {
        let documents = document::read(text).expect("a document");
        read(&documents[0]);
        unmarked(&documents[0]).iter().map(|node| format!("{}:{}", node.line, node.path)).collect()
    }

    const TEXT: &str = "a:\n  b: 1\n  c: [x, {d: y}]\n  e: {}\nf:\n  g: { h: 1 }\n";

    #[test]
    fn nodes_that_are_not_read_stay_unmarked() {
        assert_eq!(unmarked_after(TEXT, |_| ()), ["1:"]);
        let read = |node: &Node| {
            assert_eq!(node.text_at("a.b"), Some("1"));
        };
        assert_eq!(unmarked_after(TEXT, read), ["3:a.c", "4:a.e", "5:f"]);
        let read = |node: &Node| {
            assert_eq!(node.get("a.c").map(|list| list.items()[0].text()), Some(Some("x")));
            node.get("a.e").into_iter().chain(node.get("f")).for_each(Node::mark_all);
        };
        assert_eq!(unmarked_after(TEXT, read), ["2:a.b", "3:a.c[1].d"]);
        assert!(unmarked_after(TEXT, Node::mark_all).is_empty());
    }

    #[test]
    fn nodes_that_do_not_parse_stay_unmarked() {
        let read = |node: &Node| {
            assert_eq!(node.text_at("a.c"), None);
            assert_eq!(node.get("a.b").and_then(|node| node.parsed(|_| None::<u8>)), None);
            assert!(!node.get("a.b").is_some_and(Node::is_true));
        };
        assert_eq!(unmarked_after(TEXT, read), ["1:"]);
    }
}
