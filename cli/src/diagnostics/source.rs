//! The source text of a document, with the byte range of each value. YAML and JSON share one parser here,
//! which finds only ranges; `document` reads the values.

use super::reader::{self, DuplicateKey, Entry, Kind, Node, Read};
use serin_fleet::lines::Lines;
use std::ops::Range;
use std::rc::Rc;

/// A document's text, with the range of each value.
pub(crate) struct Source {
    /// The file's name, for people.
    pub(crate) name: String,
    pub(crate) text: String,
    lines: Lines,
    root: Option<Rc<Node>>,
    /// The keys that an object has twice.
    pub(crate) doubled: Vec<DuplicateKey>,
}

/// The value that a path leads to.
pub(crate) struct Found<'s> {
    /// Whether the document has the whole path.
    pub(crate) whole: bool,
    /// The last key of the path that the document has.
    pub(crate) key: Option<(&'s str, Range<usize>)>,
    /// The value's range.
    pub(crate) value: Range<usize>,
    /// The value, if it is neither a list nor an object.
    pub(crate) scalar: Option<&'s str>,
    /// Whether the value is a word without quotes.
    pub(crate) is_bare: bool,
}

/// A position in the text: line and column from 1, the column in characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Source {
    /// Parses a text.
    pub(crate) fn new(name: String, text: String) -> Source {
        let lines = Lines::of(&text);
        let Read { root, doubled } = reader::read(&text);
        Source { name, lines, root, doubled, text }
    }

    /// The value of the document.
    pub(super) fn root(&self) -> Option<&Node> {
        self.root.as_deref()
    }

    /// The value at a path, or at the longest part of it that the document has.
    pub(crate) fn find(&self, path: &str) -> Option<Found<'_>> {
        let mut node = self.root.as_deref()?;
        let mut key = None;
        let mut rest = path;
        while !rest.is_empty() {
            let Some((next, entry, after)) = node.step(rest) else { break };
            key = entry.map(|entry| (entry.key.as_str(), entry.at.clone()));
            (node, rest) = (next, after);
        }
        let scalar = match &node.kind {
            Kind::Scalar(text) => Some(text.as_str()),
            _ => None,
        };
        let is_bare = scalar.is_some_and(|text| self.text.get(node.span.clone()) == Some(text));
        Some(Found { whole: rest.is_empty(), key, value: node.span.clone(), scalar, is_bare })
    }

    /// The range of a path's last key, if the document has the whole path.
    pub(crate) fn key_range(&self, path: &str) -> Option<Range<usize>> {
        let found = self.find(path).filter(|found| found.whole)?;
        found.key.map(|(_, at)| self.first_line(&at))
    }

    /// Whether nothing but spaces is before a byte on its line.
    pub(crate) fn is_first_on_line(&self, at: usize) -> bool {
        let start = self.line(self.line_of(at)).start;
        self.text.get(start..at).is_some_and(|before| before.trim().is_empty())
    }

    /// Whether a range is on one line.
    pub(crate) fn is_on_one_line(&self, range: &Range<usize>) -> bool {
        self.line_of(range.start) == self.line_of(range.end)
    }

    /// The part of a range that is on its first line.
    pub(crate) fn first_line(&self, range: &Range<usize>) -> Range<usize> {
        let line = self.line(self.line_of(range.start));
        let text = self.text.get(range.start..range.end.min(line.end)).unwrap_or("");
        range.start..range.start + text.trim_end().len()
    }

    /// The byte range of a line, counted from 0, without its line break.
    pub(crate) fn line(&self, line: usize) -> Range<usize> {
        self.lines.range(line).unwrap_or(self.text.len()..self.text.len())
    }

    /// The line that a byte is on, counted from 0.
    pub(crate) fn line_of(&self, at: usize) -> usize {
        self.lines.line_of(at)
    }

    /// The position of a byte.
    pub(crate) fn position(&self, at: usize) -> Position {
        let line = self.line_of(at);
        let start = self.line(line).start;
        let column = self.text.get(start..at).map_or(0, |text| text.chars().count());
        Position { line: line + 1, column: column + 1 }
    }
}

impl Node {
    /// Follows the first step of a path: returns the value, its entry and the rest of the path.
    fn step<'s, 'p>(&'s self, path: &'p str) -> Option<(&'s Node, Option<&'s Entry>, &'p str)> {
        match &self.kind {
            Kind::Scalar(_) => None,
            Kind::List(items) => {
                let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
                Some((items.get(index.parse::<usize>().ok()?)?, None, rest))
            }
            Kind::Object(entries) => {
                let path = path.strip_prefix('.').unwrap_or(path);
                // Of equal keys the last one counts.
                entries.iter().rev().find_map(|entry| {
                    let rest = path.strip_prefix(&*serin_core::inspect::path_step(&entry.key))?;
                    let ends = rest.is_empty() || rest.starts_with(['.', '[']);
                    ends.then_some((&*entry.value, Some(entry), rest))
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(text: &str) -> Source {
        Source::new("spec.yaml".into(), text.into())
    }

    #[track_caller]
    fn found(text: &str, path: &str) -> (bool, String, String) {
        let source = source(text);
        let found = source.find(path).expect("a document");
        let at = |range: &Range<usize>| source.text[source.first_line(range)].to_owned();
        (found.whole, found.key.map(|(_, key)| at(&key)).unwrap_or_default(), at(&found.value))
    }

    const TEXT: &str = "a:\n  - b: 1\n    \"c.d\": { e: x }\nf: &x [1, zwei]\ng: *x\n";

    #[test]
    fn paths_lead_to_ranges() {
        assert_eq!(found(TEXT, "a[0].b"), (true, "b".into(), "1".into()));
        assert_eq!(found(TEXT, "a[0][\"c.d\"].e"), (true, "e".into(), "x".into()));
        assert_eq!(found(TEXT, "f[1]"), (true, String::new(), "zwei".into()));
        assert_eq!(found(TEXT, "g[1]"), (true, String::new(), "zwei".into()));
        assert_eq!(found(TEXT, "a[0].z.y"), (false, String::new(), "b: 1".into()));
        assert_eq!(found(TEXT, "f[7]"), (false, "f".into(), "[1, zwei]".into()));
    }

    #[test]
    fn json_has_the_same_ranges() {
        let text = "{\n\t\"a\": [ {\"b\": \"\\u00e4\"} ],\n\t\"long\": 1 }";
        assert_eq!(found(text, "a[0].b"), (true, "\"b\"".into(), "\"\\u00e4\"".into()));
        assert_eq!(found(text, "long").2, "1");
    }

    #[test]
    fn every_duplicate_key_is_found() {
        let source = source("a: 1\nb: { c: 1, c: 2 }\na: 3\n");
        let keys: Vec<&str> = source.doubled.iter().map(|doubled| &*doubled.key).collect();
        assert_eq!(keys, ["c", "a"]);
    }

    #[test]
    fn columns_are_counted_in_characters() {
        let source = source("ä: [ö, x]\r\nb: 1\n");
        let at = source.find("a").map(|_| source.text.find('x').expect("x")).expect("x");
        assert_eq!(source.position(at), Position { line: 1, column: 8 });
        assert_eq!(&source.text[source.line(0)], "ä: [ö, x]");
        assert_eq!(source.position(source.text.len()), Position { line: 3, column: 1 });
    }

    #[test]
    fn a_lone_carriage_return_ends_a_line() {
        let source = source("a: 1\rb: 2\r\rc: [x]\n");
        let at = source.find("c").map(|found| found.value.start).expect("c");
        assert_eq!(source.position(at), Position { line: 4, column: 4 });
        assert_eq!(&source.text[source.line(1)], "b: 2");
    }
}
