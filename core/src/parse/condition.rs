//! The reader of conditions.

use alloc::boxed::Box;
use alloc::format;
use alloc::vec::Vec;

use super::name;
use super::node::Node;
use super::reader::{
    Object, boolean, list, nearest, number, string, strings, timestamp, wrong_type,
};
use crate::attribute::{Attribute, FAMILIES, PLAIN};
use crate::condition::{Check, Operator, Scalar, Strings};
use crate::error::{ErrorKind, Errors, Path, one_of, quoted};
use crate::facts::spelling::{Part, respell};
use crate::spec::Condition;
use crate::value::cidr::Cidr;
use crate::value::glob::{Glob, MAX_PATTERN};
use crate::value::semver::VersionRange;

/// The maximum number of items in an operator's list.
const MAX_ITEMS: usize = 10_000;

/// The fields of which a condition has exactly one.
const COMBINATORS: [&str; 5] = ["attribute", "all", "any", "not", "cohort"];
const OPERATORS: [&str; 15] = [
    "equals", "in", "prefix", "suffix", "contains", "glob", "exists", "cidr", "semver", "lt",
    "lte", "gt", "gte", "before", "after",
];
const FIELDS: [&str; 20] = [
    "attribute",
    "all",
    "any",
    "not",
    "cohort",
    "equals",
    "in",
    "prefix",
    "suffix",
    "contains",
    "glob",
    "exists",
    "cidr",
    "semver",
    "lt",
    "lte",
    "gt",
    "gte",
    "before",
    "after",
];

/// The condition in place of one that cannot be read. The spec, or the flag, is refused anyway.
fn placeholder() -> Condition {
    Condition::All(Vec::new())
}

/// Reads one condition. The JSON reader bounds its depth to 128, and `compile` to less.
pub(crate) fn condition(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Condition {
    read(node, path, errors).unwrap_or_else(placeholder)
}

fn read(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Condition> {
    let object = Object::open(node, path, &FIELDS, errors)?;
    let (kind, value) = object.only(&COMBINATORS, errors)?;
    let here = path.key(kind);
    if kind != "attribute" {
        for name in OPERATORS.iter().filter(|name| object.get(name).is_some()) {
            errors.add(
                &path.key(name),
                ErrorKind::Conflict,
                &format_args!("operators test an attribute, they cannot be combined with {kind}"),
            );
        }
    }
    match kind {
        "all" => Some(Condition::All(conditions(value, &here, errors)?)),
        "any" => Some(Condition::Any(conditions(value, &here, errors)?)),
        "not" => Some(Condition::Not(Box::new(condition(value, &here, errors)))),
        "cohort" => Some(Condition::Cohort(string(value, &here, errors)?.into())),
        _ => test(&object, value, path, errors),
    }
}

fn conditions(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Vec<Condition>> {
    let items = list(node, path, errors)?;
    if items.is_empty() {
        errors.add(path, ErrorKind::Value, &"is an empty list, at least one condition is needed");
    }
    let read = |(index, item)| condition(item, &path.index(index), errors);
    Some(items.iter().enumerate().map(read).collect())
}

fn test(
    object: &Object<'_>,
    value: &Node<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<Condition> {
    let attribute = attribute(value, &path.key("attribute"), errors);
    let mut operators = Vec::new();
    let mut count = 0_usize;
    for name in OPERATORS {
        let Some(operand) = object.get(name) else {
            continue;
        };
        count = count.saturating_add(1);
        let here = path.key(name);
        if attribute == Some(Attribute::Time) && !["exists", "before", "after"].contains(&name) {
            let message = "the attribute time can only be tested with before, after and exists";
            errors.add(&here, ErrorKind::Conflict, &message);
            continue;
        }
        let check = check(name, operand, &here, errors);
        operators.extend(check.map(|check| match &attribute {
            Some(attribute) => Operator(respelt(check, attribute)),
            None => Operator(check),
        }));
    }
    if count == 0 && !object.has_unknown() {
        errors.add(
            path,
            ErrorKind::Missing,
            &format_args!("needs an operator: {}", one_of(OPERATORS)),
        );
    }
    Some(Condition::Test { attribute: attribute?, operators })
}

fn attribute(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Attribute> {
    let given = string(node, path, errors)?;
    let attribute = Attribute::parse(given);
    match &attribute {
        Some(Attribute::Header(name) | Attribute::Cookie(name)) => {
            name::check_token(name, path, errors);
        }
        Some(_) => {}
        None => {
            let plain: Vec<&str> = PLAIN.iter().map(|(name, _)| *name).collect();
            let suggestion = nearest(given, &plain);
            let message = match suggestion {
                Some(_) => format!("{} is not an attribute", quoted(given)),
                None => format!(
                    "{} is not an attribute, allowed are {}, and {} followed by . and a name",
                    quoted(given),
                    one_of(plain),
                    one_of(FAMILIES.iter().copied()),
                ),
            };
            errors.add_name(path, ErrorKind::Value, &message, given, suggestion);
        }
    }
    attribute
}

fn check(name: &str, node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Check> {
    Some(match name {
        "equals" => Check::Equals(scalar(node, path, errors)?),
        "in" => Check::In(scalars(node, path, errors)?),
        "prefix" => Check::Prefix(parts(node, path, errors)),
        "suffix" => Check::Suffix(parts(node, path, errors)),
        "contains" => Check::Contains(parts(node, path, errors)),
        "glob" => {
            let rule = format!("a pattern of at most {MAX_PATTERN} bytes with * and ?");
            Check::Glob(each(node, &rule, Glob::parse, path, errors))
        }
        "exists" => Check::Exists(boolean(node, path, errors)?),
        "cidr" => {
            let rule = "a network such as 10.0.0.0/8 or 2001:db8::/32";
            Check::Cidr(each(node, rule, Cidr::parse, path, errors))
        }
        "semver" => {
            let rule = "a range of versions such as >=1.2.0 <2.0.0, ^1.2 or ~1.2.3";
            Check::Semver(each(node, rule, VersionRange::parse, path, errors))
        }
        "lt" => Check::Less(number(node, path, errors)?),
        "lte" => Check::LessOrEqual(number(node, path, errors)?),
        "gt" => Check::Greater(number(node, path, errors)?),
        "gte" => Check::GreaterOrEqual(number(node, path, errors)?),
        "before" => Check::Before(timestamp(node, path, errors)?),
        _ => Check::After(timestamp(node, path, errors)?),
    })
}

/// Spells the operand as facts spell the values of the attribute.
fn respelt(check: Check, attribute: &Attribute) -> Check {
    let string = |part, text: Box<str>| match respell(attribute, part, &text) {
        spelt if *spelt == *text => text,
        spelt => spelt.into(),
    };
    let scalar = |scalar| match scalar {
        Scalar::String(text) => Scalar::String(string(Part::Whole, text)),
        other => other,
    };
    let parts = |part, texts: Strings| texts.into_iter().map(|text| string(part, text)).collect();
    match check {
        Check::Equals(operand) => Check::Equals(scalar(operand)),
        Check::In(operands) => Check::In(operands.into_iter().map(scalar).collect()),
        Check::Prefix(texts) => Check::Prefix(parts(Part::Start, texts)),
        Check::Suffix(texts) => Check::Suffix(parts(Part::End, texts)),
        Check::Contains(texts) => Check::Contains(parts(Part::Middle, texts)),
        Check::Glob(globs) => {
            let spell = |part, text: &str| respell(attribute, part, text).into_owned();
            Check::Glob(globs.iter().map(|glob| glob.respelt(spell)).collect())
        }
        other => other,
    }
}

fn scalar(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Scalar> {
    match node {
        Node::String(text) => Some(Scalar::String(text.as_ref().into())),
        Node::Number(_) => number(node, path, errors).map(Scalar::Number),
        Node::Bool(value) => Some(Scalar::Bool(*value)),
        other => wrong_type(other, "a string, a number or a boolean", path, errors),
    }
}

fn scalars(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Box<[Scalar]>> {
    let items = list(node, path, errors)?;
    if items.is_empty() {
        errors.add(path, ErrorKind::Value, &"is an empty list, at least one value is needed");
    }
    check_length(items.len(), path, errors);
    let read = |(index, item)| scalar(item, &path.index(index), errors);
    Some(items.iter().enumerate().filter_map(read).collect())
}

fn parts(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Box<[Box<str>]> {
    let parts = strings(node, path, errors);
    check_length(parts.len(), path, errors);
    if parts.iter().any(|part| part.is_empty()) {
        errors.add(
            path,
            ErrorKind::Value,
            &"an empty string matches every value, use exists: true",
        );
    }
    parts.into_iter().map(Box::from).collect()
}

/// Reads one string or a list of strings, each by `parse`. `rule` says in the message what is
/// allowed.
fn each<T>(
    node: &Node<'_>,
    rule: &str,
    parse: impl Fn(&str) -> Option<T>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Box<[T]> {
    let items = strings(node, path, errors);
    check_length(items.len(), path, errors);
    let mut read = Vec::with_capacity(items.len());
    for (index, item) in items.into_iter().enumerate() {
        match parse(item) {
            Some(value) => read.push(value),
            None => {
                let message = format!("{} is not {rule}", quoted(item));
                let item_path = path.index(index);
                let path = if matches!(node, Node::List(_)) { &item_path } else { path };
                errors.add(path, ErrorKind::Value, &message);
            }
        }
    }
    read.into()
}

/// Reports a list that is longer than [`MAX_ITEMS`].
fn check_length(count: usize, path: &Path<'_>, errors: &mut Errors) {
    if count > MAX_ITEMS {
        errors.add(
            path,
            ErrorKind::Limit,
            &format_args!("has {count} items, at most {MAX_ITEMS} are allowed"),
        );
    }
}
