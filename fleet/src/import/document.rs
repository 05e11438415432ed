//! Manifests, YAML or JSON, as nodes with their lines. A file may hold several documents.

use super::node::{Kind, Node};
use super::{Failure, Note};
use granit_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::BTreeMap;

/// The most parts that a file may have, aliases written out.
const MAX_PARTS: usize = 200_000;

/// The key of entries that come from elsewhere.
const MERGE: &str = "<<";

/// The documents of a file in order, empty ones left out.
pub(super) fn read(text: &str) -> Result<Vec<Node>, Failure> {
    let mut builder = Builder::default();
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| {
            let line = error.marker().line();
            Failure::at(line, format!("can't be read: {}", error.info()))
        })?;
        builder.event(event, &span)?;
    }
    let named = |raw: Raw| raw.into_node(String::new());
    Ok(builder.roots.into_iter().filter(|raw| !raw.is_empty()).map(named).collect())
}

/// A node before its path is known: an anchor's content may stand in several places.
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

/// A list or a map whose end is still to come.
struct Open {
    anchor: usize,
    raw: Raw,
    /// The key whose value comes next.
    key: Option<(String, usize)>,
}

#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: BTreeMap<usize, Raw>,
    roots: Vec<Raw>,
    parts: usize,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: &Span) -> Result<(), Failure> {
        let line = span.start.line();
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
                let inside = || Failure::at(line, "an alias inside of what it names".into());
                let parts = self.anchors.get(&anchor).ok_or_else(inside)?.parts();
                self.count(parts, line)?;
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

    /// An alias costs as much as what it stands for.
    fn count(&mut self, parts: usize, line: usize) -> Result<(), Failure> {
        self.parts = self.parts.saturating_add(parts);
        if self.parts > MAX_PARTS {
            return Err(Failure::at(line, format!("more than {MAX_PARTS} parts")));
        }
        Ok(())
    }

    fn value(&mut self, raw: Raw, anchor: usize) -> Result<(), Failure> {
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
                    return Err(Failure::at(at, format!("{key} is given twice")));
                }
                entries.push((key, at, raw));
            }
            (RawKind::Map(_), None) => {
                let RawKind::Scalar { text, .. } = raw.kind else {
                    return Err(Failure::at(line, "a key that is no text".into()));
                };
                open.key = Some((text, line));
            }
            (RawKind::Scalar { .. }, _) => {}
        }
        Ok(())
    }
}

impl Raw {
    /// A document of nothing: a file that ends in `---`.
    fn is_empty(&self) -> bool {
        matches!(&self.kind, RawKind::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null"))
    }

    /// A map with the entries of the maps that its merge key names, which its own come before: kubectl reads
    /// YAML 1.1. Anything else is as it was.
    fn merged(mut self) -> Raw {
        let RawKind::Map(entries) = &mut self.kind else { return self };
        let key = entries.iter().position(|(key, ..)| key == MERGE);
        let named = key.and_then(|at| Some((at, entries.get(at)?.2.maps()?)));
        if let Some((at, maps)) = named {
            entries.remove(at);
            for entry in maps.into_iter().flatten() {
                if entries.iter().all(|(known, ..)| *known != entry.0) {
                    entries.push(entry);
                }
            }
        }
        self
    }

    /// The entries of a map, or of each map in a list of nothing else.
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

    /// Itself and everything in it.
    fn parts(&self) -> usize {
        let inside: usize = match &self.kind {
            RawKind::Scalar { .. } => 0,
            RawKind::List(items) => items.iter().map(Raw::parts).sum(),
            RawKind::Map(entries) => entries.iter().map(|(.., raw)| raw.parts()).sum(),
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

impl Failure {
    fn at(line: usize, text: String) -> Failure {
        Failure { notes: vec![Note { line, text }] }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        read(text).expect_err("refused").notes[0].to_string()
    }

    #[test]
    fn documents_come_in_order_with_their_lines() {
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
    fn what_is_ambiguous_or_too_much_is_refused() {
        assert_eq!(refused("a: 1\nb: 2\na: 3\n"), "3: a is given twice");
        assert!(refused("a: [\n").contains(": can't be read: "));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..9 {
            let below = vec![format!("*a{}", level - 1); 10].join(", ");
            bomb.push_str(&format!("a{level}: &a{level} [{below}]\n"));
        }
        assert!(refused(&bomb).ends_with("more than 200000 parts"));
    }
}
