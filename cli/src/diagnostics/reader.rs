//! A text's parser, YAML's for JSON too, and what it tells of places.

use granit_parser::{ErrorKind, Event, Parser, ScalarStyle, ScanError, Span};
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::ops::Range;
use std::rc::Rc;

/// What a text holds, as far as it could be read.
pub(super) struct Read {
    pub(super) root: Option<Rc<Spot>>,
    pub(super) doubled: Vec<Doubled>,
    pub(super) words: Vec<Range<usize>>,
    pub(super) broken: Option<Broken>,
}

/// A key that is given once more.
pub(crate) struct Doubled {
    pub(crate) key: String,
    pub(crate) first: Range<usize>,
    pub(crate) again: Range<usize>,
}

/// A value and its place.
pub(super) struct Spot {
    pub(super) span: Range<usize>,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Scalar(String),
    List(Vec<Rc<Spot>>),
    Object(Vec<Entry>),
}

pub(super) struct Entry {
    pub(super) key: String,
    pub(super) at: Range<usize>,
    pub(super) value: Rc<Spot>,
}

/// A mistake of syntax.
pub(crate) struct Broken {
    pub(crate) at: usize,
    pub(crate) message: String,
    pub(crate) help: Option<&'static str>,
}

/// Reads a text to its end, or to its first mistake of syntax.
pub(super) fn read(text: &str) -> Read {
    let mut builder = Builder::default();
    let mut broken = None;
    for next in Parser::new_from_str(text) {
        match next {
            Ok((event, span)) => builder.event(event, &span),
            Err(error) => {
                broken = Some(Broken::new(&error));
                break;
            }
        }
    }
    let Builder { root, doubled, words, .. } = builder;
    Read { root, doubled, words, broken }
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
