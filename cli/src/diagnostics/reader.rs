//! The parser of a source text: a tree of values with their byte ranges. JSON is parsed as YAML.

use granit_parser::{Event, Parser, ScalarStyle, Span};
use std::collections::HashMap;
use std::collections::hash_map::Entry as Slot;
use std::ops::Range;
use std::rc::Rc;

/// A parsed text, up to its first syntax error.
pub(super) struct Read {
    pub(super) root: Option<Rc<Node>>,
    pub(super) doubled: Vec<DuplicateKey>,
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

/// Parses a text to its end, or to its first syntax error.
pub(super) fn read(text: &str) -> Read {
    let mut builder = Builder::default();
    for next in Parser::new_from_str(text) {
        let Ok((event, span)) = next else { break };
        builder.event(event, &span);
    }
    let Builder { root, doubled, .. } = builder;
    Read { root, doubled }
}

/// The builder of the tree, from the parser's events.
#[derive(Default)]
struct Builder {
    open: Vec<Open>,
    anchors: HashMap<usize, Rc<Node>>,
    root: Option<Rc<Node>>,
    doubled: Vec<DuplicateKey>,
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
                // The parser gives `~` for a value that is left out.
                let is_left_out = style == ScalarStyle::Plain && span.is_empty();
                let text = if is_left_out { String::new() } else { text.into_owned() };
                let kind = Kind::Scalar(text);
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
            // The reader of values refuses several documents, and passes over empty ones.
            let is_empty = matches!(&node.kind, Kind::Scalar(text) if text.is_empty());
            if self.root.is_none() && !is_empty {
                self.root = Some(node);
            }
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
