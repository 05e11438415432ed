//! A document's parts with their places, and whether anybody has looked at them.
//!
//! Reading a value marks it. What is not marked in the end was not understood, and [`unread`] finds it:
//! nothing of a manifest can be dropped in silence.

use std::cell::Cell;

/// A value, where it is, and whether it has been accounted for.
#[derive(Debug)]
pub(super) struct Node {
    /// Counted from 1: the line of its key, or of itself in a list.
    pub(super) line: usize,
    /// From the document's root: `spec.steps[2].pause`.
    pub(super) path: String,
    pub(super) kind: Kind,
    accounted: Cell<bool>,
}

#[derive(Debug)]
pub(super) enum Kind {
    /// Any single value, with what it says.
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(super) fn new(line: usize, path: String, kind: Kind) -> Node {
        Node { line, path, kind, accounted: Cell::new(false) }
    }

    /// A part, unread. `a.b` is the part `b` of the part `a`.
    pub(super) fn get(&self, path: &str) -> Option<&Node> {
        path.split('.').try_fold(self, |node, key| match &node.kind {
            Kind::Map(entries) => {
                entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
            }
            _ => None,
        })
    }

    /// A list's items, unread; none for whatever is no list.
    pub(super) fn items(&self) -> &[Node] {
        match &self.kind {
            Kind::List(items) => items,
            _ => &[],
        }
    }

    /// A map's entries, unread; none for whatever is no map.
    pub(super) fn entries(&self) -> &[(String, Node)] {
        match &self.kind {
            Kind::Map(entries) => entries,
            _ => &[],
        }
    }

    /// Reads a single value, whatever it is.
    pub(super) fn text(&self) -> Option<&str> {
        let Kind::Scalar(text) = &self.kind else { return None };
        self.accounted.set(true);
        Some(text)
    }

    /// Reads a part's single value.
    pub(super) fn text_at(&self, path: &str) -> Option<&str> {
        self.get(path)?.text()
    }

    /// Reads what `parse` takes; anything else stays unread.
    pub(super) fn parsed<T>(&self, parse: impl FnOnce(&str) -> Option<T>) -> Option<T> {
        let Kind::Scalar(text) = &self.kind else { return None };
        let value = parse(text)?;
        self.accounted.set(true);
        Some(value)
    }

    /// Whether it says `true` by YAML 1.1, as kubectl reads it; `false` is read too, anything else stays unread.
    pub(super) fn is_true(&self) -> bool {
        let boolean = |text: &str| match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "y" => Some(true),
            "false" | "no" | "off" | "n" => Some(false),
            _ => None,
        };
        self.parsed(boolean).unwrap_or(false)
    }

    /// Accounts for it with all its parts: it is mapped as a whole, or has been spoken of.
    pub(super) fn done(&self) {
        self.accounted.set(true);
        self.parts().for_each(Node::done);
    }

    /// Its path from a document's root, for documents that stand in a list.
    pub(super) fn path_below(&self, document: &Node) -> &str {
        let rest = self.path.strip_prefix(document.path.as_str()).unwrap_or(&self.path);
        rest.strip_prefix('.').unwrap_or(rest)
    }

    fn parts(&self) -> Box<dyn Iterator<Item = &Node> + '_> {
        match &self.kind {
            Kind::Scalar(_) => Box::new(std::iter::empty()),
            Kind::List(items) => Box::new(items.iter()),
            Kind::Map(entries) => Box::new(entries.iter().map(|(_, node)| node)),
        }
    }

    /// Whether it or any of its parts has been accounted for.
    fn is_touched(&self) -> bool {
        self.accounted.get() || self.parts().any(Node::is_touched)
    }

    fn is_leaf(&self) -> bool {
        self.parts().next().is_none()
    }
}

/// Everything below a node that nobody has accounted for: the highest nodes of which that is true.
pub(super) fn unread(node: &Node) -> Vec<&Node> {
    if !node.is_touched() {
        // An item that is one key with something below is known by that key.
        return match node.entries() {
            [(_, only)] if node.path.ends_with(']') => vec![only],
            _ => vec![node],
        };
    }
    if node.is_leaf() {
        return Vec::new();
    }
    node.parts().flat_map(unread).collect()
}

#[cfg(test)]
mod tests {
    use super::super::document;
    use super::*;

    fn left(text: &str, read: impl FnOnce(&Node)) -> Vec<String> {
        let documents = document::read(text).expect("a document");
        read(&documents[0]);
        unread(&documents[0]).iter().map(|node| format!("{}:{}", node.line, node.path)).collect()
    }

    const TEXT: &str = "a:\n  b: 1\n  c: [x, {d: y}]\n  e: {}\nf:\n  g: { h: 1 }\n";

    #[test]
    fn what_is_not_read_is_left() {
        assert_eq!(left(TEXT, |_| ()), ["1:"]);
        let read = |node: &Node| {
            assert_eq!(node.text_at("a.b"), Some("1"));
        };
        assert_eq!(left(TEXT, read), ["3:a.c", "4:a.e", "5:f"]);
        let read = |node: &Node| {
            assert_eq!(node.get("a.c").map(|list| list.items()[0].text()), Some(Some("x")));
            node.get("a.e").into_iter().chain(node.get("f")).for_each(Node::done);
        };
        assert_eq!(left(TEXT, read), ["2:a.b", "3:a.c[1].d"]);
        assert!(left(TEXT, Node::done).is_empty());
    }

    #[test]
    fn what_cannot_be_read_is_left() {
        let read = |node: &Node| {
            assert_eq!(node.text_at("a.c"), None);
            assert_eq!(node.get("a.b").and_then(|node| node.parsed(|_| None::<u8>)), None);
            assert!(!node.get("a.b").is_some_and(Node::is_true));
        };
        assert_eq!(left(TEXT, read), ["1:"]);
    }
}
