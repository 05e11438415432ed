//! The documents of a manifest file, YAML or JSON, as nodes with their lines.

use super::Tool;
use super::node::{Kind, Node};
use super::notes::{ImportError, ImportErrorKind};
use crate::lines::Lines;
use crate::yaml;
use granit_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::BTreeMap;

/// The maximum number of nodes in a file, aliases expanded.
const MAX_NODES: usize = 200_000;

/// The merge key of YAML 1.1.
const MERGE_KEY: &str = "<<";

/// The reason that a file has no documents to import.
#[derive(Debug)]
pub(super) enum ReadError {
    Unreadable(yaml::Error),
    /// More nodes than [`MAX_NODES`], at a line.
    TooLarge(usize),
}

impl ReadError {
    /// The error of an import from a tool.
    pub(super) fn of_import(self, tool: Tool) -> ImportError {
        match self {
            ReadError::Unreadable(error) => {
                let pipe = match error.is_template() {
                    true => format!(" | serin import {} -", tool.name()),
                    false => String::new(),
                };
                let text = format!("{}: {}{pipe}", error.message(), error.help());
                ImportError::at(error.line(), ImportErrorKind::Unreadable, text)
            }
            ReadError::TooLarge(line) => {
                let kind = ImportErrorKind::TooLarge { limit: MAX_NODES };
                let text = format!(
                    "the file up to here has more than {MAX_NODES} values, with what its aliases stand for: \
                     write the values out, or split the file"
                );
                ImportError::at(line, kind, text)
            }
        }
    }
}

/// Reads the documents of a file, in order, without empty ones.
pub(super) fn read(text: &str) -> Result<Vec<Node>, ReadError> {
    let mut builder = Builder::new(text);
    for next in Parser::new_from_str(text) {
        let (event, span) =
            next.map_err(|error| ReadError::Unreadable(yaml::Error::of_parser(text, &error)))?;
        builder.event(event, &span)?;
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

struct Builder<'t> {
    text: &'t str,
    lines: Lines,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Raw>,
    roots: Vec<Raw>,
    nodes: usize,
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Builder<'t> {
        Builder {
            text,
            lines: Lines::of(text),
            open: Vec::new(),
            anchors: BTreeMap::new(),
            roots: Vec::new(),
            nodes: 0,
        }
    }

    /// The line at which a span begins, counted from 1. The end of a text that ends in a line break is the end of its
    /// last line that is not empty.
    fn line(&self, span: &Span) -> usize {
        let last = self.text.trim_end().len().saturating_sub(1);
        let at = span.start.byte_offset().unwrap_or(0).min(last);
        self.lines.line_of(at).saturating_add(1)
    }

    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), ReadError> {
        let line = self.line(span);
        self.count(1, line)?;
        match event {
            Event::DocumentStart(..) => self.anchors.clear(),
            Event::Scalar(text, style, anchor, _) => {
                let plain = style == ScalarStyle::Plain;
                let unseen = plain.then(|| yaml::Error::unseen(self.text, yaml::bytes(span)));
                // Within a value such a space may be meant, but not in a key or after its colon.
                let is_mistake = |error: &yaml::Error| {
                    let before = self.text.get(..error.range().start);
                    self.open.last().is_some_and(Open::awaits_key)
                        || before.is_some_and(|before| before.ends_with(':'))
                };
                if let Some(error) = unseen.flatten().filter(is_mistake) {
                    return Err(ReadError::Unreadable(error));
                }
                let kind = RawKind::Scalar { text: text.into_owned(), plain };
                self.value(Raw { line, kind }, anchor, span)?;
            }
            Event::SequenceStart(_, anchor, _) => {
                self.begin(anchor, span, RawKind::List(vec![]))?;
            }
            Event::MappingStart(_, anchor, _) => {
                self.begin(anchor, span, RawKind::Map(vec![]))?;
            }
            Event::SequenceEnd | Event::MappingEnd => {
                if let Some(Open { anchor, raw, .. }) = self.open.pop() {
                    self.value(raw.merged(), anchor, span)?;
                }
            }
            Event::Alias(anchor) => {
                let Some(nodes) = self.anchors.get(&anchor).map(Raw::count) else {
                    let error = yaml::Error::alias_in_itself(self.text, yaml::bytes(span));
                    return Err(ReadError::Unreadable(error));
                };
                self.count(nodes, line)?;
                if let Some(value) = self.anchors.get(&anchor).cloned() {
                    self.value(value, 0, span)?;
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, anchor: usize, span: &Span, kind: RawKind) -> Result<(), ReadError> {
        if self.open.last().is_some_and(Open::awaits_key) {
            return Err(self.key_is_not_text(span));
        }
        let line = self.line(span);
        self.open.push(Open { anchor, raw: Raw { line, kind }, key: None });
        Ok(())
    }

    fn key_is_not_text(&self, span: &Span) -> ReadError {
        ReadError::Unreadable(yaml::Error::key_is_not_text(self.text, yaml::bytes(span)))
    }

    /// Counts nodes. An alias counts as many as its anchor has.
    fn count(&mut self, nodes: usize, line: usize) -> Result<(), ReadError> {
        self.nodes = self.nodes.saturating_add(nodes);
        if self.nodes > MAX_NODES {
            return Err(ReadError::TooLarge(line));
        }
        Ok(())
    }

    fn value(&mut self, raw: Raw, anchor: usize, span: &Span) -> Result<(), ReadError> {
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
                entries.push((key, at, raw));
            }
            (RawKind::Map(entries), None) => {
                let RawKind::Scalar { text, .. } = raw.kind else {
                    return Err(self.key_is_not_text(span));
                };
                if entries.iter().any(|(known, ..)| *known == text) {
                    let error = yaml::Error::duplicate_key(self.text, yaml::bytes(span), &text);
                    return Err(ReadError::Unreadable(error));
                }
                open.key = Some((text, line));
            }
            (RawKind::Scalar { .. }, _) => {}
        }
        Ok(())
    }
}

impl Open {
    /// Whether the next node is a key.
    fn awaits_key(&self) -> bool {
        self.key.is_none() && matches!(self.raw.kind, RawKind::Map(_))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        read(text).expect_err("refused").of_import(Tool::Argo).notes[0].to_string()
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
        assert_eq!(
            refused("a: 1\nb: 2\na: 3\n"),
            "3: the key \"a\" is given twice: remove one of the two"
        );
        assert!(refused("a: [\n").contains("the bracket [ is never closed"));
        assert_eq!(
            refused("kind: Rollout\nmetadata:\n  name: {{ .Values.name }}\n"),
            "3: the file is a template ({{ … }}), not yet YAML: render it first and read the output, \
             with Helm: helm template CHART | serin import argo -"
        );
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let below = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(refused(&bomb).contains("more than 200000 values"));
    }
}
