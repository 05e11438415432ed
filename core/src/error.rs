//! Errors of a spec: each one a path and a sentence, all of them at once.

use alloc::borrow::ToOwned;
use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::fmt;

/// More errors than this are counted, not kept: a spec comes from outside.
const MAX_ERRORS: usize = 1000;

/// What kind of mistake an [`Error`] is, for tools that group or filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The text is not JSON, or an object names a key twice.
    Syntax,
    /// A field or operator that the format does not have.
    UnknownField,
    /// A required field is absent.
    Missing,
    /// The value has the wrong JSON type.
    Type,
    /// The type is right and the value is not allowed.
    Value,
    /// A name that nothing in the spec defines.
    Reference,
    /// Two parts of the spec contradict each other.
    Conflict,
    /// A bound of the format is exceeded.
    Limit,
}

/// One mistake in a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    path: String,
    /// The flag that the mistake is in, and whether its name and variants are good all the same.
    flag: Option<(String, bool)>,
    kind: ErrorKind,
    message: String,
}

impl Error {
    /// The flag that the mistake is in, if it is in one.
    pub fn flag(&self) -> Option<&str> {
        self.flag.as_ref().map(|(name, _)| name.as_str())
    }

    /// Where it is, such as `flags.new-checkout.rules[1].split.on`; empty for the document itself.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// What kind of mistake it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// One sentence: what was given and what is allowed.
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_empty() {
            return f.write_str(&self.message);
        }
        write!(f, "{}: {}", self.path, self.message)
    }
}

impl core::error::Error for Error {}

/// Every mistake of a spec, in the document's order of reading.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Errors {
    list: Vec<Error>,
    dropped: usize,
}

impl Errors {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    pub(crate) fn add(&mut self, path: &Path<'_>, kind: ErrorKind, message: &dyn fmt::Display) {
        if self.list.len() >= MAX_ERRORS {
            self.dropped = self.dropped.saturating_add(1);
            return;
        }
        let flag = path.flag().map(|(name, field)| {
            let harmless = match field {
                None => kind == ErrorKind::Missing,
                Some(field) => !matches!(field, "variants" | "defaultVariant"),
            };
            (name.to_owned(), harmless)
        });
        let (path, message) = (path.to_string(), message.to_string());
        self.list.push(Error { path, flag, kind, message });
    }

    /// The flags that the mistakes are in, each with whether name and variants are good all the same;
    /// `None` if a mistake is elsewhere.
    pub(crate) fn flags(&self) -> Option<BTreeMap<String, bool>> {
        let mut flags = BTreeMap::new();
        for error in &self.list {
            let (name, harmless) = error.flag.clone()?;
            let all = flags.entry(name).or_insert(true);
            *all = *all && harmless;
        }
        (self.dropped == 0).then_some(flags)
    }

    pub(crate) fn append(&mut self, mut others: Errors) {
        self.list.append(&mut others.list);
        self.dropped = self.dropped.saturating_add(others.dropped);
    }

    /// The mistakes; at least one in an `Errors` that a caller receives.
    pub fn iter(&self) -> impl Iterator<Item = &Error> {
        self.list.iter()
    }

    /// How many mistakes there are, counting those beyond the kept thousand.
    pub fn len(&self) -> usize {
        self.list.len().saturating_add(self.dropped)
    }

    /// Whether there is none.
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

/// A place in a document, as a chain of borrowed steps: cheap until it is printed, such as
/// `flags.new-checkout.rules[1]`.
#[derive(Clone, Copy, Debug)]
pub enum Path<'p> {
    /// The document itself; printed as the empty string.
    Root,
    /// A field of an object.
    Key(&'p Path<'p>, &'p str),
    /// An item of a list, by its position from 0.
    Index(&'p Path<'p>, usize),
}

impl<'p> Path<'p> {
    /// The field `key` of the object here.
    pub fn key(&'p self, key: &'p str) -> Path<'p> {
        Path::Key(self, key)
    }

    /// The item at the position `index`, from 0, of the list here.
    pub fn index(&'p self, index: usize) -> Path<'p> {
        Path::Index(self, index)
    }

    /// The flag that this place is in, and in which of its fields.
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

/// One key as a [`Path`] prints it: `key`, or `["a key"]` if it has other characters than ASCII letters,
/// digits, `-` and `_`.
pub fn path_step(key: &str) -> String {
    Path::Root.key(key).to_string()
}

/// A string of the user's for a message: quoted, escaped, and cut after 60 characters.
pub fn quoted(text: &str) -> String {
    const SHOWN: usize = 60;
    let mut shown = String::new();
    for c in text.chars().take(SHOWN) {
        match c {
            '"' | '\\' => shown.extend(['\\', c]),
            c if c.is_control() => shown.extend(c.escape_default()),
            c => shown.push(c),
        }
    }
    if text.chars().nth(SHOWN).is_some() {
        shown.push('…');
    }
    alloc::format!("\"{shown}\"")
}

/// `a, b or c`.
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
    fn paths_read_like_the_document() {
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
    fn errors_beyond_the_bound_are_counted() {
        let mut errors = Errors::new();
        for _ in 0..MAX_ERRORS + 5 {
            errors.add(&Path::Root, ErrorKind::Value, &"no");
        }
        assert_eq!(errors.len(), MAX_ERRORS + 5);
        assert!(errors.to_string().ends_with("and 5 more"));
    }

    #[test]
    fn quoting_cuts_and_escapes() {
        assert_eq!(quoted("a\n"), "\"a\\n\"");
        assert_eq!(quoted(&"x".repeat(100)).chars().count(), 63);
    }
}
