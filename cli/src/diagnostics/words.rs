//! Bare words: strings and keys without quotes, which readers of YAML take for other values.

use super::reader::{Kind, Node};
use super::source::Source;
use std::collections::HashSet;
use std::ops::Range;

/// A string or a key without quotes.
pub(crate) struct Word<'s> {
    pub(crate) text: &'s str,
    pub(crate) range: Range<usize>,
    /// The path of the word, or of the value of which it is the key.
    pub(crate) path: String,
    pub(crate) place: Place,
}

/// What a spec has in the place of a word.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Place {
    /// The key of an object, which is always a string.
    Key,
    /// The operand of `equals` or `in`, which is compared with a string of the request.
    Operand,
    /// The value of a variant, or a part of it.
    Variant,
    /// A time.
    Time,
    /// Another value.
    Value,
}

impl Source {
    /// The words without quotes that `is_wanted` selects, in the order of the document. What an alias repeats is
    /// listed once.
    pub(crate) fn words(&self, is_wanted: impl Fn(&str) -> bool) -> Vec<Word<'_>> {
        let mut walk =
            Walk { source: self, is_wanted: &is_wanted, seen: HashSet::new(), words: Vec::new() };
        if let Some(root) = self.root() {
            walk.node(root, &mut String::new(), Place::Value);
        }
        walk.words
    }
}

struct Walk<'s, 'w> {
    source: &'s Source,
    is_wanted: &'w dyn Fn(&str) -> bool,
    /// The starts of the words so far.
    seen: HashSet<usize>,
    words: Vec<Word<'s>>,
}

impl<'s> Walk<'s, '_> {
    fn node(&mut self, node: &'s Node, path: &mut String, place: Place) {
        let length = path.len();
        match &node.kind {
            Kind::Scalar(text) => self.word(text, &node.span, path, place),
            Kind::List(items) => {
                for (index, item) in items.iter().enumerate() {
                    path.push_str(&format!("[{index}]"));
                    self.node(item, path, place);
                    path.truncate(length);
                }
            }
            Kind::Object(entries) => {
                for entry in entries {
                    let step = serin_core::inspect::path_step(&entry.key);
                    if !path.is_empty() && !step.starts_with('[') {
                        path.push('.');
                    }
                    path.push_str(&step);
                    self.word(&entry.key, &entry.at, path, Place::Key);
                    self.node(&entry.value, path, place.below(&entry.key));
                    path.truncate(length);
                }
            }
        }
    }

    fn word(&mut self, text: &'s str, range: &Range<usize>, path: &str, place: Place) {
        let written = self.source.text.get(range.clone()).unwrap_or("");
        let is_bare = !written.is_empty() && !written.starts_with(['"', '\'', '|', '>']);
        let before = self.source.text.get(..range.start).unwrap_or("").trim_end();
        let is_tagged = before.ends_with("!!str") || before.ends_with(" !");
        let wanted = is_bare && !is_tagged && (self.is_wanted)(text);
        if wanted && self.seen.insert(range.start) {
            self.words.push(Word { text, range: range.clone(), path: path.to_owned(), place });
        }
    }
}

impl Place {
    /// The place of a field's value in an object at this place.
    fn below(self, field: &str) -> Place {
        match (self, field) {
            // A variant may be any value, with any fields.
            (Place::Variant, _) | (_, "variants") => Place::Variant,
            (_, "equals" | "in") => Place::Operand,
            (_, "start" | "before" | "after" | "expires") => Place::Time,
            _ => Place::Value,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_have_their_places() {
        let text = "1.0: [on, 'on', \"on\"]\nflags: { f: { variants: { a: { equals: 1 } }, \
                    rules: [ { when: { in: &x [2, 3], before: 4 } } ] } }\nz: *x\ny: !!str 5\n";
        let source = Source::new("spec.yaml".into(), text.into());
        let is_wanted = |text: &str| text == "on" || text.starts_with(|c: char| c.is_ascii_digit());
        let words = source.words(is_wanted);
        let found: Vec<(&str, &str, Place)> =
            words.iter().map(|word| (word.text, word.path.as_str(), word.place)).collect();
        assert_eq!(
            found,
            [
                ("1.0", "[\"1.0\"]", Place::Key),
                ("on", "[\"1.0\"][0]", Place::Value),
                ("1", "flags.f.variants.a.equals", Place::Variant),
                ("2", "flags.f.rules[0].when.in[0]", Place::Operand),
                ("3", "flags.f.rules[0].when.in[1]", Place::Operand),
                ("4", "flags.f.rules[0].when.before", Place::Time),
            ]
        );
    }
}
