//! The documents of a manifest file, YAML or JSON, as nodes with their lines.

use super::node::{Kind, Node};
use super::notes::{ImportError, ImportErrorKind};
use crate::lines::Lines;
use granit_parser::{Event, Marker, Parser, ScalarStyle};
use std::collections::BTreeMap;

/// The maximum number of nodes in a file, aliases expanded.
const MAX_NODES: usize = 200_000;

/// The merge key of YAML 1.1.
const MERGE_KEY: &str = "<<";

/// Reads the documents of a file, in order, without empty ones.
pub(super) fn read(text: &str) -> Result<Vec<Node>, ImportError> {
    read_yaml(text).map_err(|error| template(text).unwrap_or(error))
}

/// The error of a template that is not rendered yet: its braces are not what they are in YAML.
fn template(text: &str) -> Option<ImportError> {
    // In a string, as in the arguments of an AnalysisTemplate, they are YAML.
    let lines = Lines::of(text);
    let is_action = |line: &usize| {
        let line = lines.range(*line).and_then(|range| text.get(range)).unwrap_or_default();
        line.trim_start().starts_with("{{") || line.contains(": {{") || line.contains("- {{")
    };
    let line = (0..lines.count()).find(is_action)?.saturating_add(1);
    Some(unreadable(
        line,
        "is a template, not YAML yet: render it first, as in helm template CHART | serin import argo -",
    ))
}

fn read_yaml(text: &str) -> Result<Vec<Node>, ImportError> {
    let lines = Lines::of(text);
    let line = |marker: &Marker| {
        // The end of a text that ends in a line break is the end of its last line that is not empty.
        let last = text.trim_end().len().saturating_sub(1);
        lines.line_of(marker.byte_offset().unwrap_or(0).min(last)).saturating_add(1)
    };
    let mut builder = Builder::default();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| {
            unreadable(line(error.marker()), format!("can't be read: {}", error.info()))
        })?;
        builder.event(event, line(&span.start))?;
    }
    let root = |raw: Raw| raw.into_node(String::new());
    Ok(builder.roots.into_iter().filter(|raw| !raw.is_empty()).map(root).collect())
}

/// A node whose path is not known yet: the content of an anchor may be used at several paths.
#[derive(Clone)]
struct Raw {
    line: usize,
    kind: RawKind,
}

#[derive(Clone)]
enum RawKind {
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Raw>),
    /// With the line of each key.
    Map(Vec<(String, usize, Raw)>),
}

/// A list or a map that is not complete yet.
struct Open {
    anchor: usize,
    raw: Raw,
    /// The key of the next value, with its line.
    key: Option<(String, usize)>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Raw>,
    roots: Vec<Raw>,
    nodes: usize,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, line: usize) -> Result<(), ImportError> {
        self.count(1, line)?;
        match event {
            Event::DocumentStart(..) => self.anchors.clear(),
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let kind = RawKind::Scalar { text: text.into_owned(), plain };
                self.value(Raw { line, kind }, anchor)?;
            }
            Event::SequenceStart(_, anchor, _) => self.begin(anchor, line, RawKind::List(vec![])),
            Event::MappingStart(_, anchor, _) => self.begin(anchor, line, RawKind::Map(vec![])),
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { anchor, raw, .. }) = self.open.pop() {
                    self.value(raw.merged(), anchor)?;
                }
            }
            Event::Alias(anchor) => {
                let inside = || unreadable(line, "an alias inside of its own anchor");
                let nodes = self.anchors.get(&anchor).ok_or_else(inside)?.count();
                self.count(nodes, line)?;
                let value = self.anchors.get(&anchor).cloned().ok_or_else(inside)?;
                self.value(value, 0)?;
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, anchor: usize, line: usize, kind: RawKind) {
        self.open.push(Open { anchor, raw: Raw { line, kind }, key: None });
    }

    /// Counts nodes. An alias counts as many as its anchor has.
    fn count(&mut self, nodes: usize, line: usize) -> Result<(), ImportError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            let kind = ImportErrorKind::TooLarge { limit: MAX_NODES };
            return Err(ImportError::at(line, kind, format!("more than {MAX_NODES} nodes")));
        }
        Ok(())
    }

    fn value(&mut self, raw: Raw, anchor: usize) -> Result<(), ImportError> {
        let line = raw.line;
        if anchor > 0 {
            self.anchors.insert(anchor, raw.clone());
        }
        let Some(open) = self.open.last_mut() else {
            self.roots.push(raw);
            return Ok(());
        };
        match (&mut open.raw.kind, open.key.take()) {
            (RawKind::List(items), _) => items.push(raw),
            (RawKind::Map(entries), Some((key, at))) => {
                if entries.iter().any(|(known, ..)| *known == key) {
                    return Err(unreadable(at, format!("{key} is given twice")));
                }
                entries.push((key, at, raw));
            }
            (RawKind::Map(_), None) => {
                let RawKind::Scalar { text, .. } = raw.kind else {
                    return Err(unreadable(line, "a key that is not a string"));
                };
                open.key = Some((text, line));
            }
            (RawKind::Scalar { .. }, _) => {}
        }
        Ok(())
    }
}

impl Raw {
    /// Whether the document is empty, as at the end of a file that ends in `---`.
    fn is_empty(&self) -> bool {
        matches!(&self.kind, RawKind::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// Resolves the merge key of a map. Entries of the map itself take precedence. kubectl reads YAML 1.1, which
    /// has merge keys. Other nodes are unchanged.
    fn merged(mut self) -> Raw {
        let RawKind::Map(entries) = &mut self.kind else { return self };
        let key = entries.iter().position(|(key, ..)| key == MERGE_KEY);
        let merge = key.and_then(|at| Some((at, entries.get(at)?.2.maps()?)));
        if let Some((at, maps)) = merge {
            entries.remove(at);
            for entry in maps.into_iter().flatten() {
                if entries.iter().all(|(known, ..)| *known != entry.0) {
                    entries.push(entry);
                }
            }
        }
        self
    }

    /// The entries of a map, or of each item of a list of maps. `None` for other nodes.
    fn maps(&self) -> Option<Vec<Vec<(String, usize, Raw)>>> {
        match &self.kind {
            RawKind::Map(entries) => Some(vec![entries.clone()]),
            RawKind::List(items) => {
                let map = |item: &Raw| match &item.kind {
                    RawKind::Map(entries) => Some(entries.clone()),
                    _ => None,
                };
                items.iter().map(map).collect()
            }
            RawKind::Scalar { .. } => None,
        }
    }

    /// The number of nodes: this one and everything in it.
    fn count(&self) -> usize {
        let inside: usize = match &self.kind {
            RawKind::Scalar { .. } => 0,
            RawKind::List(items) => items.iter().map(Raw::count).sum(),
            RawKind::Map(entries) => entries.iter().map(|(.., raw)| raw.count()).sum(),
        };
        inside + 1
    }

    fn into_node(self, path: String) -> Node {
        let line = self.line;
        let kind = match self.kind {
            RawKind::Scalar { text, .. } => Kind::Scalar(text),
            RawKind::List(items) => {
                let item = |(index, raw): (usize, Raw)| raw.into_node(format!("{path}[{index}]"));
                Kind::List(items.into_iter().enumerate().map(item).collect())
            }
            RawKind::Map(entries) => {
                let entry = |(key, at, raw): (String, usize, Raw)| {
                    let below = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                    (key, Raw { line: at, ..raw }.into_node(below))
                };
                Kind::Map(entries.into_iter().map(entry).collect())
            }
        };
        Node::new(line, path, kind)
    }
}

fn unreadable(line: usize, text: impl Into<String>) -> ImportError {
    ImportError::at(line, ImportErrorKind::Unreadable, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        read(text).expect_err("refused").notes[0].to_string()
    }

    #[test]
    fn documents_are_read_in_order_with_their_lines() {
        let documents = read("---\na: 1\n---\n---\n\nb:\n - &x { c: d }\n - *x\n...\n").unwrap();
        let lines: Vec<usize> = documents.iter().map(|node| node.line).collect();
        assert_eq!(lines, [2, 6]);
        let copies = documents[1].get("b").unwrap().items();
        assert_eq!(
            copies.iter().map(|item| item.path.as_str()).collect::<Vec<_>>(),
            ["b[0]", "b[1]"]
        );
        assert_eq!(copies[1].text_at("c"), Some("d"));
    }

    #[test]
    fn template_is_named_as_one() {
        let text = "kind: Rollout\nmetadata:\n  name: {{ include \"a\" . }}\n";
        assert!(refused(text).starts_with("3: is a template"), "{}", refused(text));
        let query = "a: \"{{ args.x }}\"\nb: [\n";
        assert!(!refused(query).contains("template"), "{}", refused(query));
        assert!(refused("a: 1\n{{- if .x }}\nb: 2\n{{- end }}\n").starts_with("2: is a template"));
    }

    #[test]
    fn lines_end_as_in_editors() {
        for line_break in ["\n", "\r\n", "\r"] {
            let text = ["# top", "", "a:", "  - b: 1", "    c: 2"].join(line_break);
            let documents = read(&text).unwrap();
            let item = &documents[0].get("a").unwrap().items()[0];
            assert_eq!((documents[0].line, item.line), (3, 4), "{line_break:?}");
            assert_eq!(item.get("c").map(|node| node.line), Some(5), "{line_break:?}");
            let text = ["a: 1", "b: [", "", ""].join(line_break);
            assert!(refused(&text).starts_with("2: "), "{}", refused(&text));
        }
    }

    #[test]
    fn duplicate_keys_and_too_many_nodes_are_refused() {
        assert_eq!(refused("a: 1\nb: 2\na: 3\n"), "3: a is given twice");
        assert!(refused("a: [\n").contains(": can't be read: "));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let below = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(refused(&bomb).ends_with("more than 200000 nodes"));
    }
}
