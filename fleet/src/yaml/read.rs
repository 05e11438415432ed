//! The reader of YAML documents: YAML 1.2 with the core schema, as values of JSON.

use super::error::Error;
use super::scalar::{Scalar, resolve};
use granit_parser::{Event, Parser, ScalarStyle, Span, Tag};
use serde_json::Value;
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;
use std::rc::Rc;

/// What the reader does with duplicate keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DuplicateKeys {
    /// Refuse the document.
    Refuse,
    /// Use the last value, for callers that report duplicate keys themselves.
    LastWins,
}

/// The maximum number of values that aliases stand for.
const MAX_ALIASED: usize = 100_000;
/// The maximum size of the values that aliases stand for, in bytes.
const MAX_ALIASED_BYTES: usize = 16 << 20;
/// The maximum nesting of lists and objects, which is that of the hosts' JSON reader.
const MAX_DEPTH: usize = 127;

/// Reads a document of YAML 1.2: `on`, `off`, `yes` and `no` are strings. Values without a JSON counterpart
/// are refused, and the expansion of aliases is bounded.
///
/// # Errors
/// The string is not such a document, or it has several.
pub fn read(text: &str, duplicate_keys: DuplicateKeys) -> Result<Value, Error> {
    let mut builder = Builder { duplicate_keys, ..Builder::new(text) };
    for next in Parser::new_from_str(text) {
        let (event, span) = next.map_err(|error| Error::of_parser(text, &error))?;
        builder.event(event, bytes(&span))?;
    }
    builder.root.map(Node::into_value).ok_or_else(|| Error::empty(text))
}

/// The parser's span in bytes, which it knows for every text in memory.
pub(crate) fn bytes(span: &Span) -> Range<usize> {
    let start = span.start.byte_offset().unwrap_or(0);
    start..span.end.byte_offset().unwrap_or(start).max(start)
}

/// The builder of the value, from the parser's events.
struct Builder<'t> {
    text: &'t str,
    duplicate_keys: DuplicateKeys,
    open: Vec<Open>,
    anchors: BTreeMap<usize, Complete>,
    /// The size of the values that aliases have stood for.
    aliased: Size,
    /// Where the current document begins, if another one is before it.
    document: Option<Range<usize>>,
    root: Option<Rc<Node>>,
}

/// A list or an object that has not ended yet.
struct Open {
    anchor: usize,
    value: Collection,
    size: Size,
    depth: usize,
}

enum Collection {
    List(Vec<Rc<Node>>),
    /// With the key of the next value.
    Object(BTreeMap<String, Rc<Node>>, Option<Rc<str>>),
}

/// A value that several aliases may share.
enum Node {
    Scalar(Value),
    List(Vec<Rc<Node>>),
    Object(BTreeMap<String, Rc<Node>>),
}

/// A complete value.
#[derive(Clone)]
struct Complete {
    node: Rc<Node>,
    /// The string that it is as a key; `None` for a list or an object.
    key: Option<Rc<str>>,
    size: Size,
    depth: usize,
}

/// The size of a value with everything in it.
#[derive(Clone, Copy, Default)]
struct Size {
    values: usize,
    bytes: usize,
}

impl Size {
    fn of(text: &str) -> Size {
        Size { values: 1, bytes: text.len() }
    }

    fn add(&mut self, other: Size) {
        self.values = self.values.saturating_add(other.values);
        self.bytes = self.bytes.saturating_add(other.bytes);
    }
}

impl Node {
    fn into_value(node: Rc<Node>) -> Value {
        // A value that an alias shares is copied, which the bounds on aliases allow.
        match Rc::try_unwrap(node) {
            Ok(Node::Scalar(value)) => value,
            Ok(Node::List(items)) => items.into_iter().map(Node::into_value).collect(),
            Ok(Node::Object(entries)) => {
                let entry = |(key, node)| (key, Node::into_value(node));
                Value::Object(entries.into_iter().map(entry).collect())
            }
            Err(shared) => shared.to_value(),
        }
    }

    fn to_value(&self) -> Value {
        match self {
            Node::Scalar(value) => value.clone(),
            Node::List(items) => items.iter().map(|node| node.to_value()).collect(),
            Node::Object(entries) => {
                let entry = |(key, node): (&String, &Rc<Node>)| (key.clone(), node.to_value());
                Value::Object(entries.iter().map(entry).collect())
            }
        }
    }
}

impl<'t> Builder<'t> {
    fn new(text: &'t str) -> Builder<'t> {
        Builder {
            text,
            duplicate_keys: DuplicateKeys::Refuse,
            open: Vec::new(),
            anchors: BTreeMap::new(),
            aliased: Size::default(),
            document: None,
            root: None,
        }
    }

    fn event(&mut self, event: Event<'_>, span: Range<usize>) -> Result<(), Error> {
        match event {
            Event::DocumentStart(..) => {
                self.anchors.clear();
                self.document = self.root.is_some().then_some(span);
                Ok(())
            }
            Event::Scalar(text, style, anchor, tag) => {
                let bare = style == ScalarStyle::Plain;
                // The parser gives `~` for a value that is left out.
                let text = if bare && span.is_empty() { Cow::Borrowed("") } else { text };
                let nothing = bare && text.is_empty() && anchor == 0 && tag.is_none();
                if nothing && self.open.is_empty() {
                    // An empty document, as at the end of a file that ends in `---`.
                    return Ok(());
                }
                let is_key = self.awaits_key();
                if is_key && bare && text == "<<" {
                    return Err(Error::merge_key(self.text, span));
                }
                let value = match (is_key, tag.as_deref()) {
                    (true, _) => Value::String(text.clone().into_owned()),
                    (false, tag) => self.scalar(&text, bare, tag, &span)?,
                };
                let (size, node) = (Size::of(&text), Rc::new(Node::Scalar(value)));
                self.value(Complete { node, key: Some(text.into()), size, depth: 0 }, anchor, span)
            }
            Event::SequenceStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), "seq", &span)?;
                self.open(anchor, Collection::List(Vec::new()), span)
            }
            Event::MappingStart(_, anchor, tag) => {
                self.check_tag(tag.as_deref(), "map", &span)?;
                self.open(anchor, Collection::Object(BTreeMap::new(), None), span)
            }
            Event::SequenceEnd | Event::MappingEnd => {
                let Some(Open { anchor, value, size, depth }) = self.open.pop() else {
                    return Ok(());
                };
                let node = Rc::new(match value {
                    Collection::List(items) => Node::List(items),
                    Collection::Object(entries, _) => Node::Object(entries),
                });
                self.value(Complete { node, key: None, size, depth: depth + 1 }, anchor, span)
            }
            Event::Alias(anchor) => {
                let Some(found) = self.anchors.get(&anchor) else {
                    return Err(Error::alias_in_itself(self.text, span));
                };
                let found = found.clone();
                self.aliased.add(found.size);
                if self.aliased.values > MAX_ALIASED || self.aliased.bytes > MAX_ALIASED_BYTES {
                    return Err(Error::too_many_aliases(self.text, span, MAX_ALIASED));
                }
                self.value(found, 0, span)
            }
            _ => Ok(()),
        }
    }

    /// Whether the next node is a key of an object.
    fn awaits_key(&self) -> bool {
        let last = self.open.last();
        last.is_some_and(|open| matches!(open.value, Collection::Object(_, None)))
    }

    fn open(&mut self, anchor: usize, value: Collection, span: Range<usize>) -> Result<(), Error> {
        if self.awaits_key() {
            return Err(Error::key_is_not_text(self.text, span));
        }
        if self.open.len() >= MAX_DEPTH {
            return Err(Error::too_deep(self.text, span, MAX_DEPTH));
        }
        self.open.push(Open { anchor, value, size: Size::of(""), depth: 0 });
        Ok(())
    }

    /// Adds a complete value to the list or object around it.
    fn value(
        &mut self,
        complete: Complete,
        anchor: usize,
        span: Range<usize>,
    ) -> Result<(), Error> {
        let Complete { node, key, size, depth } = complete;
        if self.open.len() + depth > MAX_DEPTH {
            return Err(Error::too_deep(self.text, span, MAX_DEPTH));
        }
        if anchor > 0 {
            let node = Rc::clone(&node);
            self.anchors.insert(anchor, Complete { node, key: key.clone(), size, depth });
        }
        let Some(open) = self.open.last_mut() else {
            if let Some(second) = self.document.take() {
                return Err(Error::second_document(self.text, second));
            }
            self.root.get_or_insert(node);
            return Ok(());
        };
        open.size.add(size);
        open.depth = open.depth.max(depth);
        match &mut open.value {
            Collection::List(items) => items.push(node),
            Collection::Object(entries, next) => match next.take() {
                Some(key) => {
                    entries.insert(String::from(&*key), node);
                }
                None => {
                    let Some(key) = key else {
                        return Err(Error::key_is_not_text(self.text, span));
                    };
                    if self.duplicate_keys == DuplicateKeys::Refuse && entries.contains_key(&*key) {
                        return Err(Error::duplicate_key(self.text, span, &key));
                    }
                    *next = Some(key);
                }
            },
        }
        Ok(())
    }

    /// The value of a scalar that is not a key.
    fn scalar(
        &self,
        text: &str,
        bare: bool,
        tag: Option<&Tag>,
        span: &Range<usize>,
    ) -> Result<Value, Error> {
        let string = || Value::String(text.to_owned());
        let Some(tag) = tag else {
            return if bare { self.bare(text, span) } else { Ok(string()) };
        };
        if tag.is_yaml_core_schema_tag("str") || is_string_mark(tag) {
            return Ok(string());
        }
        let value = self.bare(text, span)?;
        let fits = match &value {
            Value::Null => tag.is_yaml_core_schema_tag("null"),
            Value::Bool(_) => tag.is_yaml_core_schema_tag("bool"),
            Value::Number(number) => {
                tag.is_yaml_core_schema_tag("float")
                    || (tag.is_yaml_core_schema_tag("int") && !number.is_f64())
            }
            _ => false,
        };
        if fits { Ok(value) } else { Err(Error::tag(self.text, span.clone())) }
    }

    fn bare(&self, word: &str, span: &Range<usize>) -> Result<Value, Error> {
        match resolve(word) {
            Scalar::Value(value) => Ok(value),
            Scalar::Infinity => Err(Error::not_finite(self.text, span.clone(), word, "infinity")),
            Scalar::NotANumber => {
                Err(Error::not_finite(self.text, span.clone(), word, "\"not a number\""))
            }
            Scalar::TooLarge => Err(Error::too_large(self.text, span.clone(), word)),
        }
    }

    fn check_tag(&self, tag: Option<&Tag>, kind: &str, span: &Range<usize>) -> Result<(), Error> {
        let known = |tag: &Tag| tag.is_yaml_core_schema_tag(kind) || is_string_mark(tag);
        if tag.is_none_or(known) { Ok(()) } else { Err(Error::tag(self.text, span.clone())) }
    }
}

/// Whether a tag is a lone `!`, by which a scalar is a string.
fn is_string_mark(tag: &Tag) -> bool {
    tag.to_string() == "!"
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn value(text: &str) -> Value {
        read(text, DuplicateKeys::Refuse).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn documents_are_values_of_json() {
        assert_eq!(
            value("a: [1, '1', \"1\", on]\n1.10: &x {b: ~}\nc: *x\n"),
            json!({"a": [1, "1", "1", "on"], "1.10": {"b": null}, "c": {"b": null}})
        );
        assert_eq!(
            value("a: !!str 1\nb: ! 2\nc: !!int 3\nd: !!float 4\n"),
            json!({"a": "1", "b": "2", "c": 3, "d": 4})
        );
        assert_eq!(value("&k a: 1\nb: *k\n"), json!({"a": 1, "b": "a"}));
        assert_eq!(value("\u{feff}---\r\na: |\r\n  x\r\n  y\r\n...\r\n"), json!({"a": "x\ny\n"}));
        assert_eq!(value("a: 1\n---\n"), json!({"a": 1}));
        assert_eq!(value("---\n---\na: 1\n---\n# the end\n"), json!({"a": 1}));
        assert_eq!(value("null"), json!(null));
    }

    #[test]
    fn nesting_is_bounded_with_aliases_too() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        value(&nested(MAX_DEPTH));
        let error = read(&nested(MAX_DEPTH + 1), DuplicateKeys::Refuse).expect_err("too deep");
        assert!(error.message().contains("levels"), "{error}");
        let half = nested(MAX_DEPTH - 1);
        let text = |around: &str, end: &str| format!("{{a: &a {half}, b: {around}*a {end}}}");
        value(&text("", ""));
        let error = read(&text("[", "]"), DuplicateKeys::Refuse).expect_err("too deep");
        assert!(error.message().contains("levels"), "{error}");
    }
}
