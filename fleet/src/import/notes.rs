//! Notes of an import, by line, and the error of an import that gives no spec.

use super::node::Node;
use std::fmt;

/// A note about a line of the input.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub struct Note {
    /// The line, counted from 1; 0 for the whole file.
    pub line: usize,
    /// The text.
    pub text: String,
}

impl Note {
    pub(super) fn new(line: usize, text: impl Into<String>) -> Note {
        Note { line, text: text.into() }
    }
}

impl fmt::Display for Note {
    /// The note to be printed after the name of the file and a colon: `12: spec.paused has no counterpart`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            0 => write!(f, " {}", self.text),
            line => write!(f, "{line}: {}", self.text),
        }
    }
}

/// The reason that a file gives no spec.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ImportError {
    /// The kind of the error.
    pub kind: ImportErrorKind,
    /// The notes of the import, with every error, by line.
    pub notes: Vec<Note>,
}

/// The kind of an [`ImportError`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ImportErrorKind {
    /// The file is not YAML, or its structure is not that of a manifest.
    Unreadable,
    /// The file has more nodes than `limit`, aliases expanded.
    TooLarge {
        /// The maximum number of nodes.
        limit: usize,
    },
    /// The file has no rollout of the tool.
    NoRollout,
    /// Two rollouts have the same name.
    DuplicateRollout,
    /// The rollouts together are not a valid spec.
    InvalidSpec,
}

impl ImportError {
    pub(super) fn at(line: usize, kind: ImportErrorKind, text: impl Into<String>) -> ImportError {
        ImportError { kind, notes: vec![Note::new(line, text)] }
    }
}

impl fmt::Display for ImportError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let lines: Vec<String> = self.notes.iter().map(|note| note.to_string()).collect();
        f.write_str(lines.join("\n").trim_start())
    }
}

impl std::error::Error for ImportError {}

/// A collector of notes.
#[derive(Default)]
pub(super) struct Notes {
    list: Vec<Note>,
}

impl Notes {
    /// Adds a note about a line, or about the whole file if the line is 0.
    pub(super) fn add(&mut self, line: usize, text: impl Into<String>) {
        self.list.push(Note::new(line, text));
    }

    /// Adds a note about a node.
    pub(super) fn node(&mut self, node: &Node, text: &str) {
        self.add(node.line, format!("{} {text}", node.path));
    }

    /// Adds a note about a prefix that a router compares as a string. A rollout compares whole segments.
    pub(super) fn string_prefix(&mut self, node: &Node, prefix: &str) {
        match prefix.strip_suffix('/') {
            Some("") => {}
            Some(path) => self.node(
                node,
                &format!("also matches {path} in a rollout, whose prefixes are whole segments"),
            ),
            None => self.node(
                node,
                &format!("no longer matches {prefix}x: prefixes of a rollout are whole segments"),
            ),
        }
    }

    /// Adds a note that a node, with everything in it, has no counterpart in a spec.
    pub(super) fn dropped(&mut self, node: &Node, reason: &str) {
        let reason = if reason.is_empty() { String::new() } else { format!(": {reason}") };
        self.node(node, &format!("has no counterpart{reason}"));
        node.mark_all();
    }

    /// Adds a note about the difference between a node, with everything in it, and its counterpart.
    pub(super) fn replaced(&mut self, node: &Node, text: &str) {
        self.node(node, text);
        node.mark_all();
    }

    /// Adds a note about a document that is no rollout.
    pub(super) fn other_document(&mut self, document: &Node) {
        let kind = document.text_at("kind").unwrap_or("document without a kind");
        let name = document.text_at("metadata.name").unwrap_or_default();
        let text = format!("the {kind} {name}").trim_end().to_owned();
        self.add(document.line, format!("{text} has no counterpart: no rollout is in it"));
        document.mark_all();
    }

    /// The notes, sorted by line.
    pub(super) fn sorted(mut self) -> Vec<Note> {
        self.list.sort_by_key(|note| note.line);
        self.list
    }
}
