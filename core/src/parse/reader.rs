//! Readers of the values in a [`Node`]. Each reports a mistake and returns, so that reading goes
//! on.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::example;
use super::field_name::meant;
use super::node::{Members, Node, canonical_number};
use crate::error::{ErrorKind, Errors, Path, Suggestion, one_of, quoted};
use crate::value::decimal::Decimal;
use crate::value::number::Number;
use crate::value::share::Share;
use crate::value::timestamp::Timestamp;

/// An object with a fixed set of fields.
pub(crate) struct Object<'n> {
    entries: &'n Members<'n>,
    path: &'n Path<'n>,
    /// Whether the object has unknown fields.
    has_unknown: bool,
    /// The fields that the unknown ones most likely mean.
    meant: Vec<String>,
}

impl<'n> Object<'n> {
    /// Opens an object and reports every field that is not in `known`.
    pub(crate) fn open(
        node: &'n Node<'n>,
        path: &'n Path<'n>,
        known: &[&str],
        errors: &mut Errors,
    ) -> Option<Self> {
        let entries = entries(node, path, errors)?;
        let (mut has_unknown, mut suggested) = (false, Vec::new());
        for key in entries.names().filter(|key| !known.contains(key)) {
            let suggestion = meant(key, known);
            has_unknown = true;
            suggested.extend(suggestion.map(|found| String::from(found.name)));
            let message = match suggestion {
                Some(_) => "unknown field".into(),
                None => format!("unknown field, allowed here: {}", one_of(known.iter().copied())),
            };
            errors.add_name(&path.key(key), ErrorKind::UnknownField, &message, key, suggestion);
        }
        Some(Self { entries, path, has_unknown, meant: suggested })
    }

    /// Whether an unknown field most likely means this one. It is reported, so the absence of this one
    /// is no mistake of its own.
    pub(crate) fn is_misspelt(&self, field: &str) -> bool {
        self.meant.iter().any(|meant| meant == field)
    }

    /// Whether the object has unknown fields, one of which may mean what is missing.
    pub(crate) fn has_unknown(&self) -> bool {
        self.has_unknown
    }

    /// The value of an optional field.
    pub(crate) fn get(&self, field: &str) -> Option<&'n Node<'n>> {
        self.entries.get(field)
    }

    /// The value of a required field; reports a missing one.
    pub(crate) fn required(&self, field: &str, errors: &mut Errors) -> Option<&'n Node<'n>> {
        let node = self.entries.get(field);
        if node.is_none() && !self.is_misspelt(field) {
            errors.add(
                self.path,
                ErrorKind::Missing,
                &format_args!("the field {field} is missing"),
            );
        }
        node
    }

    /// The one field of `choices` that the object has; reports none and several.
    pub(crate) fn only(
        &self,
        choices: &[&'static str],
        errors: &mut Errors,
    ) -> Option<(&'static str, &'n Node<'n>)> {
        let mut found = choices.iter().filter_map(|name| Some((*name, self.entries.get(name)?)));
        let first = found.next();
        let second = found.next();
        if let (Some((a, _)), Some((b, _))) = (first, second) {
            errors.add(
                self.path,
                ErrorKind::Conflict,
                &format_args!("has both {a} and {b}, exactly one is allowed"),
            );
            return None;
        }
        if first.is_none() && !self.has_unknown {
            errors.add(
                self.path,
                ErrorKind::Missing,
                &format_args!("needs exactly one of {}", one_of(choices.iter().copied())),
            );
        }
        first
    }

    /// The name in an optional field.
    pub(crate) fn name(&self, field: &str, errors: &mut Errors) -> Option<String> {
        name(self.get(field)?, &self.path.key(field), errors).map(String::from)
    }

    /// The name in a required field.
    pub(crate) fn required_name(&self, field: &str, errors: &mut Errors) -> Option<String> {
        name(self.required(field, errors)?, &self.path.key(field), errors).map(String::from)
    }

    /// The string of an optional field.
    pub(crate) fn string(&self, field: &str, errors: &mut Errors) -> Option<String> {
        string(self.get(field)?, &self.path.key(field), errors).map(String::from)
    }

    /// The string of a required field.
    pub(crate) fn required_string(&self, field: &str, errors: &mut Errors) -> Option<String> {
        string(self.required(field, errors)?, &self.path.key(field), errors).map(String::from)
    }
}

/// Reads an object whose keys are names.
pub(crate) fn entries<'n>(
    node: &'n Node<'n>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<&'n Members<'n>> {
    match node {
        Node::Object(entries) => Some(entries),
        other => wrong_form(other, "an object", example::object(other, path), path, errors),
    }
}

/// Reads a list.
pub(crate) fn list<'n>(
    node: &'n Node<'n>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<&'n [Node<'n>]> {
    match node {
        Node::List(items) => Some(items),
        other => wrong_form(other, "a list", example::list(other, path), path, errors),
    }
}

/// Reads a string.
pub(crate) fn string<'n>(
    node: &'n Node<'n>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<&'n str> {
    match node {
        Node::String(text) => Some(text),
        other => wrong_type(other, "a string", path, errors),
    }
}

/// Reads a name of something that the spec defines. An empty one is reported and returned.
pub(crate) fn name<'n>(
    node: &'n Node<'n>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<&'n str> {
    let given = string(node, path, errors)?;
    if given.is_empty() {
        errors.add(path, ErrorKind::Value, &"is empty, write a name");
    }
    Some(given)
}

/// Reads a boolean.
pub(crate) fn boolean(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<bool> {
    match node {
        Node::Bool(value) => Some(*value),
        other => wrong_type(other, "true or false", path, errors),
    }
}

/// Reads one string or a list of at least one, which is the form of most operands.
pub(crate) fn strings<'n>(
    node: &'n Node<'n>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Vec<&'n str> {
    let Node::List(items) = node else {
        return match node {
            Node::String(text) => alloc::vec![&**text],
            other => {
                wrong_type::<()>(other, "a string or a list of strings", path, errors);
                Vec::new()
            }
        };
    };
    if items.is_empty() {
        errors.add(path, ErrorKind::Value, &"is an empty list, at least one string is needed");
    }
    let read = |(index, item)| string(item, &path.index(index), errors);
    items.iter().enumerate().filter_map(read).collect()
}

/// Reads a number of any size and precision, as the double that a protobuf `Struct` has in its place
/// is written.
pub(crate) fn number(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Number> {
    match node {
        Node::Number(number) => Number::parse(&canonical_number(number)),
        other => wrong_type(other, "a number", path, errors),
    }
}

/// Reads a decimal number with at most nine fractional digits.
pub(crate) fn decimal(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Decimal> {
    let Node::Number(number) = node else {
        return wrong_type(node, "a number", path, errors);
    };
    let number = canonical_number(number);
    let value = Decimal::parse(&number).or_else(|| decimal_with_exponent(&number));
    if value.is_none() {
        errors.add(
            path,
            ErrorKind::Value,
            &format_args!(
                "{number} has too many digits, allowed are 21 before the point and nine after it"
            ),
        );
    }
    value
}

/// Reads a small decimal number with an exponent: a double prints 0.0000015 as `1.5e-6`.
fn decimal_with_exponent(number: &str) -> Option<Decimal> {
    let (mantissa, exponent) = number.split_once("e-")?;
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    // A decimal has nine fractional digits, so more zeros than that are too many.
    let zeros = usize::try_from(exponent.parse::<u64>().ok()?.checked_sub(1)?).ok()?;
    let zeros = "000000000".get(..zeros)?;
    Decimal::parse(&[sign, "0.", zeros, whole, fraction].concat())
}

/// Reads a whole number from 0 to 2⁵³−1, the largest that every JSON tool keeps exactly.
pub(crate) fn whole(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<u64> {
    const MAX: u64 = (1 << 53) - 1;
    let Node::Number(number) = node else {
        return wrong_type(node, "a whole number", path, errors);
    };
    let number = canonical_number(number);
    let value = number.parse::<u64>().ok().filter(|value| *value <= MAX);
    if value.is_none() {
        errors.add(
            path,
            ErrorKind::Value,
            &format_args!("{number} is not a whole number from 0 to {MAX}"),
        );
    }
    value
}

/// Reads a share in per cent, 0 to 100 in steps of 0.001.
pub(crate) fn share(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Share> {
    let Node::Number(number) = node else {
        return wrong_type(node, "a share in per cent", path, errors);
    };
    // Nearly all shares are whole, and need no text in between.
    let whole = number.as_u64().and_then(|percent| u32::try_from(percent.checked_mul(1000)?).ok());
    if let Some(share) = whole.and_then(Share::from_millipercent) {
        return Some(share);
    }
    let number = canonical_number(number);
    let share = Decimal::parse(&number).and_then(Share::from_percent);
    if share.is_none() {
        errors.add(
            path,
            ErrorKind::Value,
            &format_args!(
                "{number} is not a share, allowed are 0 to 100 per cent in steps of 0.001"
            ),
        );
    }
    share
}

/// Reads a timestamp in RFC 3339.
pub(crate) fn timestamp(
    node: &Node<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<Timestamp> {
    let given = string(node, path, errors)?;
    let timestamp = Timestamp::parse(given);
    if timestamp.is_none() {
        errors.add(
            path,
            ErrorKind::Value,
            &format_args!(
                "{} is not a timestamp, write 2026-11-21T09:00:00Z (RFC 3339)",
                quoted(given)
            ),
        );
    }
    timestamp
}

/// Reads one of a fixed set of strings as the value that it stands for.
pub(crate) fn keyword<T: Copy>(
    node: &Node<'_>,
    words: &[(&str, T)],
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<T> {
    let given = string(node, path, errors)?;
    let found = words.iter().find(|(name, _)| *name == given).map(|(_, value)| *value);
    if found.is_none() {
        let known: Vec<&str> = words.iter().map(|(name, _)| *name).collect();
        let suggestion = nearest(given, &known);
        let message = format!("{} is not allowed, use {}", quoted(given), one_of(known));
        errors.add_name(path, ErrorKind::Value, &message, given, suggestion);
    }
    found
}

/// Reports a value of another type than `wanted`.
pub(crate) fn wrong_type<T>(
    node: &Node<'_>,
    wanted: &str,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<T> {
    wrong_form(node, wanted, None, path, errors)
}

/// Reports a value of another type than `wanted`, with the shortest right value.
fn wrong_form<T>(
    node: &Node<'_>,
    wanted: &str,
    example: Option<String>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<T> {
    let subject = if matches!(path, Path::Root) { "the document " } else { "" };
    let message = format_args!("{subject}is {}, must be {wanted}", node.kind());
    errors.add_type(path, &message, example);
    None
}

/// The candidate that is nearest to `given`, at most two edits away; one edit for fewer than four
/// characters, and none for a single one.
pub(crate) fn nearest<'c>(given: &str, candidates: &[&'c str]) -> Option<Suggestion<'c>> {
    const MAX_BYTES: usize = 40;
    if given.len() > MAX_BYTES {
        return None;
    }
    let allowed = match given.chars().count() {
        0 | 1 => 0,
        2 | 3 => 1,
        _ => 2,
    };
    let near = candidates.iter().filter(|candidate| candidate.len() <= MAX_BYTES);
    let scored = near.map(|candidate| (edit_distance(given, candidate), *candidate));
    let scored: Vec<_> = scored.filter(|(distance, _)| *distance <= allowed).collect();
    let (least, name) = scored.iter().min().copied()?;
    let is_only = scored.iter().filter(|(distance, _)| *distance == least).count() == 1;
    Some(Suggestion { name, is_only })
}

/// The Levenshtein distance of two strings, ignoring ASCII case.
fn edit_distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, x) in a.chars().enumerate() {
        let mut diagonal = line;
        let mut left = line.saturating_add(1);
        let mut next = Vec::with_capacity(row.len());
        next.push(left);
        for (y, above) in b.iter().zip(row.iter().skip(1)) {
            let change = usize::from(!x.eq_ignore_ascii_case(y));
            let best = diagonal
                .saturating_add(change)
                .min(above.saturating_add(1))
                .min(left.saturating_add(1));
            next.push(best);
            left = best;
            diagonal = *above;
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::string::ToString;

    #[test]
    fn small_decimals_are_exact() {
        for (written, read) in [
            ("0.0000001", Some("0.0000001")),
            ("-0.0000015", Some("-0.0000015")),
            ("1e-9", Some("0.000000001")),
            ("0.00001", Some("0.00001")),
            ("1e-10", None),
            ("1.5e-9", None),
            ("1e-300", None),
            ("1e30", None),
        ] {
            let (node, mut errors) = (serde_json::from_str(written).unwrap(), Errors::default());
            let decimal = decimal(&node, &Path::Root, &mut errors).map(|value| value.to_string());
            assert_eq!(decimal.as_deref(), read, "{written}");
            assert_eq!(errors.is_empty(), read.is_some());
        }
    }

    #[test]
    fn nearest_finds_typos_only() {
        let known = ["suffix", "prefix", "equals", "lt", "lte"];
        let nearest = |given| nearest(given, &known).map(|found| (found.name, found.is_only));
        assert_eq!(nearest("sufix"), Some(("suffix", true)));
        assert_eq!(nearest("Equals"), Some(("equals", true)));
        assert_eq!(nearest("regex"), None);
        assert_eq!(nearest("le"), Some(("lt", false)));
    }
}
