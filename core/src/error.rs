//! Errors in a spec: a list of every mistake, each with a path and a sentence.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// The number of errors stored; further ones are only counted. A spec is untrusted input, so the
/// list must not grow with it.
const MAX_ERRORS: usize = 1000;

/// The kind of a mistake, for tools that group or filter errors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The document is not JSON, or an object has a key twice.
    Syntax,
    /// A field or operator that the format does not have.
    UnknownField,
    /// A required field is absent.
    Missing,
    /// The value has the wrong JSON type.
    Type,
    /// The type is right, but the value is not allowed.
    Value,
    /// A name that nothing in the spec defines.
    Reference,
    /// Two parts of the spec contradict each other.
    Conflict,
    /// A limit of the format is exceeded.
    Limit,
}

/// One mistake in a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    path: String,
    flag: Option<FlagError>,
    kind: ErrorKind,
    message: String,
    name: Option<String>,
    suggestion: Option<String>,
    is_certain: bool,
    example: Option<String>,
}

/// The flag that a mistake is in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FlagError {
    flag: String,
    /// Whether the flag can still serve its default: the mistake is not in its name or variants.
    default_usable: bool,
}

impl Error {
    /// The flag that the mistake is in; `None` outside of flags.
    pub fn flag(&self) -> Option<&str> {
        self.flag.as_ref().map(|error| error.flag.as_str())
    }

    /// The path of the mistake, such as `flags.new-checkout.rules[1].split.on`; empty for the
    /// document itself.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The kind of the mistake.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// One sentence: what was given and what is allowed. It contains neither the
    /// [suggestion](Error::suggestion) nor the [example](Error::example).
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The name that the mistake is about, as written: an unknown field, a name that nothing
    /// defines, or a malformed name.
    pub fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The known name that was probably meant, if one is at most two edits away or has the same
    /// meaning elsewhere.
    pub fn suggestion(&self) -> Option<&str> {
        self.suggestion.as_deref()
    }

    /// The shortest right value in place of one of the wrong type, in YAML.
    pub fn example(&self) -> Option<&str> {
        self.example.as_deref()
    }

    /// The [suggestion](Error::suggestion) if it is a word of the format, such as a field, and no other
    /// one is as near.
    pub fn correction(&self) -> Option<&str> {
        self.suggestion().filter(|_| self.is_certain)
    }
}

/// A known name that was probably meant.
#[derive(Clone, Copy)]
pub(crate) struct Suggestion<'n> {
    pub(crate) name: &'n str,
    /// Whether no other known name is as near.
    pub(crate) is_only: bool,
}

impl fmt::Display for Error {
    /// `PATH: MESSAGE`, and `, did you mean SUGGESTION?` or `, write EXAMPLE` if there is one.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "{}: ", self.path)?;
        }
        f.write_str(&self.message)?;
        match (&self.suggestion, &self.example) {
            (Some(suggestion), _) => write!(f, ", did you mean {suggestion}?"),
            (None, Some(example)) => write!(f, ", write {example}"),
            (None, None) => Ok(()),
        }
    }
}

impl core::error::Error for Error {}

/// What is known of a mistake's cure.
#[derive(Default)]
struct Cure {
    name: Option<String>,
    suggestion: Option<String>,
    is_certain: bool,
    example: Option<String>,
}

/// Every mistake in a spec, in the order in which they are found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    list: Vec<Error>,
    dropped: usize,
}

impl Errors {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    /// Adds a mistake.
    pub(crate) fn add(&mut self, path: &Path<'_>, kind: ErrorKind, message: &dyn fmt::Display) {
        self.push(path, kind, message, Cure::default());
    }

    /// Adds a mistake about the type of a value, with the shortest right value.
    pub(crate) fn add_type(
        &mut self,
        path: &Path<'_>,
        message: &dyn fmt::Display,
        example: Option<String>,
    ) {
        self.push(path, ErrorKind::Type, message, Cure { example, ..Cure::default() });
    }

    /// Adds a mistake about a name: the name as written, and the known name that was probably
    /// meant.
    pub(crate) fn add_name(
        &mut self,
        path: &Path<'_>,
        kind: ErrorKind,
        message: &dyn fmt::Display,
        name: &str,
        suggestion: Option<Suggestion<'_>>,
    ) {
        // Which names a spec defines, its editor knows best.
        let is_certain = kind != ErrorKind::Reference && suggestion.is_some_and(|s| s.is_only);
        let suggestion = suggestion.map(|suggestion| suggestion.name.to_owned());
        let name = Some(name.to_owned());
        self.push(path, kind, message, Cure { name, suggestion, is_certain, example: None });
    }

    fn push(&mut self, path: &Path<'_>, kind: ErrorKind, message: &dyn fmt::Display, cure: Cure) {
        if self.list.len() >= MAX_ERRORS {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let flag = path.flag().map(|(flag, field)| {
            let default_usable = match field {
                None => kind == ErrorKind::Missing,
                Some(field) => !matches!(field, "variants" | "defaultVariant"),
            };
            FlagError { flag: flag.to_owned(), default_usable }
        });
        let (path, message) = (path.to_string(), message.to_string());
        let Cure { name, suggestion, is_certain, example } = cure;
        let error = Error { path, flag, kind, message, name, suggestion, is_certain, example };
        self.list.push(error);
    }

    /// Whether a mistake of a section is reported: its name is misspelt, or it cannot be read. A
    /// name that is not found in it is no mistake of its own then.
    pub(crate) fn has_section(&self, section: &str) -> bool {
        let of_section = |error: &Error| {
            let misspelt = error.kind == ErrorKind::UnknownField
                && error.suggestion.as_deref() == Some(section)
                && error.name.as_ref().is_some_and(|name| path_step(name) == error.path);
            misspelt || (error.kind == ErrorKind::Type && error.path == section)
        };
        self.list.iter().any(of_section)
    }

    /// Whether a mistake of the value at a path is reported: at it, below it, or at a value around
    /// it that has the wrong type. What follows from it is no mistake of its own then.
    pub(crate) fn covers(&self, path: &Path<'_>) -> bool {
        if self.list.is_empty() {
            return false;
        }
        let path = path.to_string();
        let is_below = |lower: &str, upper: &str| match lower.strip_prefix(upper) {
            Some(rest) => rest.is_empty() || rest.starts_with(['.', '[']),
            None => false,
        };
        self.list.iter().any(|error| {
            is_below(&error.path, &path)
                || (error.kind == ErrorKind::Type && is_below(&path, &error.path))
        })
    }

    /// The flags that the mistakes are in, each with whether it can still serve its default; `None`
    /// if a mistake is outside of flags, or if some mistakes are not stored.
    pub(crate) fn flags(&self) -> Option<BTreeMap<String, bool>> {
        let mut flags = BTreeMap::new();
        for error in &self.list {
            let error = error.flag.clone()?;
            let default_usable = flags.entry(error.flag).or_insert(true);
            *default_usable = *default_usable && error.default_usable;
        }
        (self.dropped == 0).then_some(flags)
    }

    /// Moves the mistakes of another list to the end of this one.
    pub(crate) fn append(&mut self, mut others: Errors) {
        self.list.append(&mut others.list);
        self.dropped = self.dropped.saturating_add(others.dropped);
    }

    /// The stored mistakes. An `Errors` that a caller receives has at least one.
    pub fn iter(&self) -> impl Iterator<Item = &Error> {
        self.list.iter()
    }

    /// The number of mistakes, counting those beyond the stored thousand.
    pub fn len(&self) -> usize {
        self.list.len().saturating_add(self.dropped)
    }

    /// Whether there is no mistake.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, error) in self.list.iter().enumerate() {
            if index > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{error}")?;
        }
        if self.dropped > 0 {
            write!(f, "\nand {} more", self.dropped)?;
        }
        Ok(())
    }
}

impl core::error::Error for Errors {}

/// A path in a document, such as `flags.new-checkout.rules[1]`. It is a chain of borrowed steps on
/// the stack, so that it costs nothing until it is printed.
#[derive(Clone, Copy, Debug)]
pub enum Path<'p> {
    /// The document itself; printed as the empty string.
    Root,
    /// A field of an object.
    Key(&'p Path<'p>, &'p str),
    /// An item of a list, by its index from 0.
    Index(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    /// The path of the field `key` of this object.
    pub fn key(&'p self, key: &'p str) -> Path<'p> {
        Path::Key(self, key)
    }

    /// The path of the item `index`, from 0, of this list.
    pub fn index(&'p self, index: usize) -> Path<'p> {
        Path::Index(self, index)
    }

    /// The flag that this path is in, and the field of the flag.
    fn flag(&self) -> Option<(&'p str, Option<&'p str>)> {
        match *self {
            Path::Root => None,
            Path::Index(parent, _) => parent.flag(),
            Path::Key(Path::Key(Path::Root, "flags"), name) => Some((name, None)),
            Path::Key(parent, key) => {
                parent.flag().map(|(flag, field)| (flag, field.or(Some(key))))
            }
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Path::Root => Ok(()),
            Path::Index(parent, index) => write!(f, "{parent}[{index}]"),
            Path::Key(parent, key) => {
                if !is_plain(key) {
                    return write!(f, "{parent}[{}]", quoted(key));
                }
                if !matches!(parent, Path::Root) {
                    write!(f, "{parent}.")?;
                }
                f.write_str(key)
            }
        }
    }
}

fn is_plain(key: &str) -> bool {
    !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

/// A key as a [`Path`] prints it: `key`, or `["a key"]` if it has other characters than ASCII
/// letters, digits, `-` and `_`.
pub fn path_step(key: &str) -> String {
    Path::Root.key(key).to_string()
}

/// A string for a message: in quotes, escaped, and cut after 60 characters.
pub fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown = String::new();
    for c in text.chars().take(SHOWN) {
        match c {
            '"' | '\\' => shown.extend(['\\', c]),
            c if c.is_control() || is_unseen(c) => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    alloc::format!("\"{shown}\"")
}

/// Whether a character is invisible, or a space other than the plain one.
fn is_unseen(c: char) -> bool {
    (c.is_whitespace() && c != ' ')
        || matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}')
}

/// A list in a sentence: `a, b or c`.
pub(crate) fn one_of<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    match names.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => (*last).to_owned(),
        Some((last, rest)) => alloc::format!("{} or {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn path_is_printed_as_in_the_document() {
        let root = Path::Root;
        let flags = root.key("flags");
        let flag = flags.key("new-checkout");
        let rules = flag.key("rules");
        let rule = rules.index(1);
        assert_eq!(rule.key("split").to_string(), "flags.new-checkout.rules[1].split");
        assert_eq!(flags.key("a.b").to_string(), "flags[\"a.b\"]");
        assert_eq!(root.to_string(), "");
    }

    #[test]
    fn errors_beyond_the_limit_are_counted() {
        let mut errors = Errors::new();
        for _ in 0..MAX_ERRORS + 5 {
            errors.add(&Path::Root, ErrorKind::Value, &"no");
        }
        assert_eq!(errors.len(), MAX_ERRORS + 5);
        assert!(errors.to_string().ends_with("and 5 more"));
    }

    #[test]
    fn quoted_string_is_cut_and_escaped() {
        assert_eq!(quoted("a\n"), "\"a\\n\"");
        assert_eq!(quoted("a\u{a0} b"), "\"a\\u{a0} b\"");
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), 63);
    }
}
