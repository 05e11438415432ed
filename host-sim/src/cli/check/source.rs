//! A document's text with the place of everything in it. YAML and JSON are read alike here: this
//! only finds places, what the document says is read by `spec_file`.

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span};
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::ops::Range;
use std::rc::Rc;

/// A text and where in it everything is.
pub(crate) struct Source {
    /// The file's name, for people.
    pub(crate) name: String,
    pub(crate) text: String,
    /// Where each line begins, in bytes.
    lines: Vec<usize>,
    root: Option<Rc<Spot>>,
    /// Keys that an object has already.
    pub(crate) doubled: Vec<Doubled>,
    /// Bare words that YAML 1.1 takes for booleans.
    pub(crate) words: Vec<Range<usize>>,
    /// Why the text could not be read to its end.
    pub(crate) broken: Option<Broken>,
}

/// A key that is given once more.
pub(crate) struct Doubled {
    pub(crate) key: String,
    pub(crate) first: Range<usize>,
    pub(crate) again: Range<usize>,
}

/// A mistake of syntax.
pub(crate) struct Broken {
    pub(crate) at: usize,
    pub(crate) message: String,
    pub(crate) help: Option<&'static str>,
}

/// A value and its place.
struct Spot {
    span: Range<usize>,
    kind: Kind,
}

enum Kind {
    Scalar(String),
    List(Vec<Rc<Spot>>),
    Object(Vec<Entry>),
}

struct Entry {
    key: String,
    at: Range<usize>,
    value: Rc<Spot>,
}

/// What a path leads to.
pub(crate) struct Found<'s> {
    /// Whether the path could be followed to its end.
    pub(crate) whole: bool,
    /// The last key of the path that is there.
    pub(crate) key: Option<(&'s str, Range<usize>)>,
    /// The value's own place.
    pub(crate) value: Range<usize>,
    /// The value, if it is a single one.
    pub(crate) scalar: Option<&'s str>,
}

/// A place as people count: from 1, in characters.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Position {
    pub(crate) line: usize,
    pub(crate) column: usize,
}

impl Source {
    pub(crate) fn new(name: String, text: String) -> Source {
        let lines = std::iter::once(0)
            .chain(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(at, _)| at + 1))
            .collect();
        let mut builder = Builder::default();
        let mut broken = None;
        for next in Parser::new_from_str(&text) {
            match next {
                Ok((event, span)) => builder.event(event, &span),
                Err(error) => {
                    broken = Some(Broken::new(&error));
                    break;
                }
            }
        }
        let Builder { root, doubled, words, .. } = builder;
        Source { name, lines, root, doubled, words, broken, text }
    }

    /// The nearest thing to what an error's path names.
    pub(crate) fn find(&self, path: &str) -> Option<Found<'_>> {
        let mut spot = self.root.as_deref()?;
        let mut key = None;
        let mut rest = path;
        while !rest.is_empty() {
            let Some((next, entry, after)) = spot.step(rest) else { break };
            key = entry.map(|entry| (entry.key.as_str(), entry.at.clone()));
            (spot, rest) = (next, after);
        }
        let scalar = match &spot.kind {
            Kind::Scalar(text) => Some(text.as_str()),
            _ => None,
        };
        Some(Found { whole: rest.is_empty(), key, value: spot.span.clone(), scalar })
    }

    /// Where the last key of a path is, if all of the path is there.
    pub(crate) fn key_place(&self, path: &str) -> Option<Range<usize>> {
        let found = self.find(path).filter(|found| found.whole)?;
        found.key.map(|(_, at)| self.first_line(&at))
    }

    /// Whether a range is on one line.
    pub(crate) fn is_on_one_line(&self, range: &Range<usize>) -> bool {
        self.line_of(range.start) == self.line_of(range.end)
    }

    /// What of a range is on its first line.
    pub(crate) fn first_line(&self, range: &Range<usize>) -> Range<usize> {
        let line = self.line(self.line_of(range.start));
        let text = self.text.get(range.start..range.end.min(line.end)).unwrap_or("");
        range.start..range.start + text.trim_end().len()
    }

    /// The byte range of a line, counted from 0, without its end.
    pub(crate) fn line(&self, line: usize) -> Range<usize> {
        let start = self.lines.get(line).copied().unwrap_or(self.text.len());
        let end = self.lines.get(line + 1).map_or(self.text.len(), |next| next - 1);
        let end = if self.text[..end].ends_with('\r') { end - 1 } else { end };
        start..end.max(start)
    }

    /// The line that a byte is on, counted from 0.
    pub(crate) fn line_of(&self, at: usize) -> usize {
        self.lines.partition_point(|start| *start <= at).saturating_sub(1)
    }

    pub(crate) fn position(&self, at: usize) -> Position {
        let line = self.line_of(at);
        let start = self.lines.get(line).copied().unwrap_or(0);
        let column = self.text.get(start..at).map_or(0, |text| text.chars().count());
        Position { line: line + 1, column: column + 1 }
    }

    /// The byte at a line and column that are counted from 1; the column in characters.
    pub(crate) fn offset(&self, line: usize, column: usize) -> usize {
        let range = self.line(line.saturating_sub(1));
        let text = self.text.get(range.clone()).unwrap_or("");
        let within = text.char_indices().nth(column.saturating_sub(1)).map(|(at, _)| at);
        range.start + within.unwrap_or(text.len())
    }
}

impl Spot {
    /// Follows the first step of a path: the value there, its entry, the rest of the path.
    fn step<'s, 'p>(&'s self, path: &'p str) -> Option<(&'s Spot, Option<&'s Entry>, &'p str)> {
        match &self.kind {
            Kind::Scalar(_) => None,
            Kind::List(items) => {
                let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
                Some((items.get(index.parse::<usize>().ok()?)?, None, rest))
            }
            Kind::Object(entries) => {
                let path = path.strip_prefix('.').unwrap_or(path);
                // The last of equal keys is the one that is read.
                entries.iter().rev().find_map(|entry| {
                    let rest = path.strip_prefix(&*serin_core::lint::path_step(&entry.key))?;
                    let ends = rest.is_empty() || rest.starts_with(['.', '[']);
                    ends.then_some((&*entry.value, Some(entry), rest))
                })
            }
        }
    }
}

/// Puts the parser's events together.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Spot>>,
    root: Option<Rc<Spot>>,
    doubled: Vec<Doubled>,
    words: Vec<Range<usize>>,
}

/// A list or an object whose end is still to come.
struct Open {
    anchor: usize,
    start: usize,
    kind: Kind,
    /// The key whose value comes next.
    key: Option<(String, Range<usize>)>,
    /// The keys so far.
    seen: HashMap<String, Range<usize>>,
}

impl Builder {
    fn event(&mut self, event: Event<'_>, span: &Span) {
        let span = bytes(span);
        match event {
            Event::Scalar(text, style, anchor, _) => {
                if style == ScalarStyle::Plain && is_old_boolean(&text) {
                    self.words.push(span.clone());
                }
                let kind = Kind::Scalar(text.into_owned());
                self.value(Rc::new(Spot { span, kind }), anchor);
            }
            Event::SequenceStart(_, anchor, _) => {
                self.open(anchor, span.start, Kind::List(Vec::new()));
            }
            Event::MappingStart(_, anchor, _) => {
                self.open(anchor, span.start, Kind::Object(Vec::new()));
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { anchor, start, kind, .. }) = self.open.pop() else { return };
                let end = span.end.max(start);
                self.value(Rc::new(Spot { span: start..end, kind }), anchor);
            }
            Event::Alias(anchor) => {
                // An alias inside of what it names has no value yet.
                let empty = || Rc::new(Spot { span, kind: Kind::Scalar(String::new()) });
                let value = self.anchors.get(&anchor).cloned().unwrap_or_else(empty);
                self.value(value, 0);
            }
            _ => {}
        }
    }

    fn open(&mut self, anchor: usize, start: usize, kind: Kind) {
        self.open.push(Open { anchor, start, kind, key: None, seen: HashMap::new() });
    }

    fn value(&mut self, spot: Rc<Spot>, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&spot));
        }
        let Some(open) = self.open.last_mut() else {
            // Of several documents the first counts; more are refused by whoever reads them.
            self.root.get_or_insert(spot);
            return;
        };
        match (&mut open.kind, open.key.take()) {
            (Kind::List(items), _) => items.push(spot),
            (Kind::Object(entries), Some((key, at))) => {
                match open.seen.entry(key.clone()) {
                    Slot::Vacant(slot) => {
                        slot.insert(at.clone());
                    }
                    Slot::Occupied(first) => self.doubled.push(Doubled {
                        key: key.clone(),
                        first: first.get().clone(),
                        again: at.clone(),
                    }),
                }
                entries.push(Entry { key, at, value: spot });
            }
            (Kind::Object(_), None) => {
                let text = match &spot.kind {
                    Kind::Scalar(text) => text.clone(),
                    _ => String::new(),
                };
                open.key = Some((text, spot.span.clone()));
            }
            (Kind::Scalar(_), _) => {}
        }
    }
}

/// A parser's span in bytes, which it knows for every text that is held in memory.
fn bytes(span: &Span) -> Range<usize> {
    let start = span.start.byte_offset().unwrap_or(0);
    start..span.end.byte_offset().unwrap_or(start).max(start)
}

/// What YAML 1.1 reads as a boolean and YAML 1.2 as a text.
fn is_old_boolean(text: &str) -> bool {
    let words = ["on", "off", "yes", "no"];
    let cased = text == text.to_lowercase()
        || text == text.to_uppercase()
        || text.chars().skip(1).all(|c| c.is_lowercase());
    cased && words.contains(&text.to_lowercase().as_str())
}

impl Broken {
    fn new(error: &ScanError) -> Broken {
        // The parser speaks of what it was doing; most of these come from a line that is indented
        // by accident or lacks its colon.
        let (message, help) = match error.kind() {
            ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation => (
                "a tab where the line is indented",
                "indent with spaces, YAML allows no tabs there",
            ),
            ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => (
                "this line does not fit the lines above it",
                "keys of one object begin in the same column",
            ),
            ErrorKind::ExpectedBlockSequenceEntry => (
                "a list goes on with -, and this line does not",
                "the keys of an item begin in the column of its first key, two behind the -",
            ),
            ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => (
                "a key without a colon",
                "write key: value, or quote a text that goes on over several lines",
            ),
            ErrorKind::MappingValueNotAllowed => (
                "a colon that does not end a key",
                "does the key on the line before lack its colon? a text with : in it needs quotes",
            ),
            _ => ("", ""),
        };
        let info = error.info();
        let message = if message.is_empty() { info } else { message.to_owned() };
        let help = Some(help).filter(|help| !help.is_empty());
        let at = error.marker().byte_offset().unwrap_or(0);
        Broken { at, message, help }
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
    fn paths_lead_to_places() {
        assert_eq!(found(TEXT, "a[0].b"), (true, "b".into(), "1".into()));
        assert_eq!(found(TEXT, "a[0][\"c.d\"].e"), (true, "e".into(), "x".into()));
        assert_eq!(found(TEXT, "f[1]"), (true, String::new(), "zwei".into()));
        assert_eq!(found(TEXT, "g[1]"), (true, String::new(), "zwei".into()));
        assert_eq!(found(TEXT, "a[0].z.y"), (false, String::new(), "b: 1".into()));
        assert_eq!(found(TEXT, "f[7]"), (false, "f".into(), "[1, zwei]".into()));
    }

    #[test]
    fn json_is_read_alike() {
        let text = "{\n\t\"a\": [ {\"b\": \"\\u00e4\"} ],\n\t\"long\": 1 }";
        assert_eq!(found(text, "a[0].b"), (true, "\"b\"".into(), "\"\\u00e4\"".into()));
        assert_eq!(found(text, "long").2, "1");
    }

    #[test]
    fn keys_given_twice_are_all_found() {
        let source = source("a: 1\nb: { c: 1, c: 2 }\na: 3\n");
        let keys: Vec<&str> = source.doubled.iter().map(|doubled| &*doubled.key).collect();
        assert_eq!(keys, ["c", "a"]);
    }

    #[test]
    fn bare_words_only() {
        let source = source("on: off\n\"no\": 'yes'\nx: Yes\ny: oN\n");
        let words: Vec<&str> = source.words.iter().map(|at| &source.text[at.clone()]).collect();
        assert_eq!(words, ["on", "off", "Yes"]);
    }

    #[test]
    fn places_are_counted_in_characters() {
        let source = source("ä: [ö, x]\r\nb: 1\n");
        let at = source.find("a").map(|_| source.text.find('x').expect("x")).expect("x");
        assert_eq!(source.position(at), Position { line: 1, column: 8 });
        assert_eq!(source.offset(1, 8), at);
        assert_eq!(&source.text[source.line(0)], "ä: [ö, x]");
        assert_eq!(source.position(source.text.len()), Position { line: 3, column: 1 });
    }
}
