//! The parser of a source text: a tree of values with their byte ranges. JSON is parsed as YAML.

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span};
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::ops::Range;
use std::rc::Rc;

/// A parsed text, up to its first syntax error.
pub(super) struct Read {
    pub(super) root: Option<Rc<Node>>,
    pub(super) doubled: Vec<DuplicateKey>,
    /// The bare words that YAML 1.1 reads as booleans.
    pub(super) words: Vec<Range<usize>>,
    pub(super) broken: Option<ParseError>,
}

/// A key that an object has twice.
pub(crate) struct DuplicateKey {
    pub(crate) key: String,
    pub(crate) first: Range<usize>,
    pub(crate) again: Range<usize>,
}

/// A value and its byte range.
pub(super) struct Node {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Scalar(String),
    List(Vec<Rc<Node>>),
    Object(Vec<Entry>),
}

/// A key of an object and its value.
pub(super) struct Entry {
    pub(super) key: String,
    /// The range of the key.
    pub(super) at: Range<usize>,
    pub(super) value: Rc<Node>,
}

/// A syntax error of the parser.
pub(crate) struct ParseError {
    /// The byte at which it is.
    pub(crate) at: usize,
    pub(crate) message: String,
    pub(crate) help: Option<&'static str>,
}

/// Parses a text to its end, or to its first syntax error.
pub(super) fn read(text: &str) -> Read {
    let mut builder = Builder::default();
    let mut broken = None;
    for next in Parser::new_from_str(text) {
        match next {
            Ok((event, span)) => builder.event(event, &span),
            Err(error) => {
                broken = Some(ParseError::new(&error));
                break;
            }
        }
    }
    let Builder { root, doubled, words, .. } = builder;
    Read { root, doubled, words, broken }
}

/// The builder of the tree, from the parser's events.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    doubled: Vec<DuplicateKey>,
    words: Vec<Range<usize>>,
}

/// A list or an object that has not ended yet.
struct Open {
    anchor: usize,
    start: usize,
    kind: Kind,
    /// The key of the next value.
    key: Option<(String, Range<usize>)>,
    /// The keys so far, with their ranges.
    known: HashMap<String, Range<usize>>,
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
                self.value(Rc::new(Node { span, kind }), anchor);
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
                self.value(Rc::new(Node { span: start..end, kind }), anchor);
            }
            Event::Alias(anchor) => {
                // An alias within its own anchor has no value yet.
                let empty = || Rc::new(Node { span, kind: Kind::Scalar(String::new()) });
                let value = self.anchors.get(&anchor).cloned().unwrap_or_else(empty);
                self.value(value, 0);
            }
            _ => {}
        }
    }

    fn open(&mut self, anchor: usize, start: usize, kind: Kind) {
        self.open.push(Open { anchor, start, kind, key: None, known: HashMap::new() });
    }

    fn value(&mut self, node: Rc<Node>, anchor: usize) {
        if anchor > 0 {
            self.anchors.insert(anchor, Rc::clone(&node));
        }
        let Some(open) = self.open.last_mut() else {
            // Only the first document counts; the reader of values refuses several.
            self.root.get_or_insert(node);
            return;
        };
        match (&mut open.kind, open.key.take()) {
            (Kind::List(items), _) => items.push(node),
            (Kind::Object(entries), Some((key, at))) => {
                match open.known.entry(key.clone()) {
                    Slot::Vacant(slot) => {
                        slot.insert(at.clone());
                    }
                    Slot::Occupied(first) => self.doubled.push(DuplicateKey {
                        key: key.clone(),
                        first: first.get().clone(),
                        again: at.clone(),
                    }),
                }
                entries.push(Entry { key, at, value: node });
            }
            (Kind::Object(_), None) => {
                let text = match &node.kind {
                    Kind::Scalar(text) => text.clone(),
                    _ => String::new(),
                };
                open.key = Some((text, node.span.clone()));
            }
            (Kind::Scalar(_), _) => {}
        }
    }
}

/// The parser's span in bytes, which it knows for every text in memory.
fn bytes(span: &Span) -> Range<usize> {
    let start = span.start.byte_offset().unwrap_or(0);
    start..span.end.byte_offset().unwrap_or(start).max(start)
}

/// Whether YAML 1.1 reads a bare word as a boolean and YAML 1.2 as a string.
fn is_old_boolean(text: &str) -> bool {
    let words = ["on", "off", "yes", "no"];
    let cased = text == text.to_lowercase()
        || text == text.to_uppercase()
        || text.chars().skip(1).all(|c| c.is_lowercase());
    cased && words.contains(&text.to_lowercase().as_str())
}

impl ParseError {
    fn new(error: &ScanError) -> ParseError {
        // The parser's messages describe its state. Most of these errors come from a line with a wrong
        // indentation or without a colon.
        let (message, help) = match error.kind() {
            ErrorKind::TabNotAllowed
            | ErrorKind::TabInBlockIndentation
            | ErrorKind::TabInIndentation => {
                ("the line is indented with a tab", "indent with spaces, as YAML demands")
            }
            ErrorKind::ExpectedBlockMappingKey | ErrorKind::InvalidIndentation => (
                "the line's indentation does not match the lines above",
                "start all keys of one object in the same column",
            ),
            ErrorKind::ExpectedBlockSequenceEntry => (
                "the line is neither a list item nor part of one",
                "start an item with -, and its keys in the column of its first key",
            ),
            ErrorKind::SimpleKeyExpected | ErrorKind::InvalidSimpleKey => {
                ("the key has no colon", "write key: value, or quote a string of several lines")
            }
            ErrorKind::MappingValueNotAllowed => (
                "the colon does not end a key",
                "add the colon that the key on the previous line may lack, or quote a string with : in it",
            ),
            _ => ("", ""),
        };
        let info = error.info();
        let message = if message.is_empty() { info } else { message.to_owned() };
        let help = Some(help).filter(|help| !help.is_empty());
        let at = error.marker().byte_offset().unwrap_or(0);
        ParseError { at, message, help }
    }
}
