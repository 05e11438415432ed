//! The operators of conditions, which test the value of an attribute.

use alloc::boxed::Box;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;

use crate::value::cidr::{Cidr, parse_address};
use crate::value::glob::{Glob, GlobStep};
use crate::value::number::{Number, is_number};
use crate::value::semver::{VersionRange, is_version};
use crate::value::timestamp::Timestamp;

/// An operator with its operand. An operand that is a list passes if one of its items does.
#[derive(Clone, Debug, PartialEq)]
pub struct Operator(pub(crate) Check);

/// The kind and the operand of an operator.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Check {
    Equals(Scalar),
    In(Box<[Scalar]>),
    Prefix(Strings),
    Suffix(Strings),
    Contains(Strings),
    Glob(Box<[Glob]>),
    Exists(bool),
    Cidr(Box<[Cidr]>),
    Semver(Box<[VersionRange]>),
    Less(Number),
    LessOrEqual(Number),
    Greater(Number),
    GreaterOrEqual(Number),
    /// Earlier than the timestamp.
    Before(Timestamp),
    /// At the timestamp or later, so that exactly one of `before` and `after` holds.
    After(Timestamp),
}

pub(crate) type Strings = Box<[Box<str>]>;

/// A value for `equals` and `in`. A number is compared as a number, so `1.0` equals `1`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Scalar {
    String(Box<str>),
    Number(Number),
    Bool(bool),
}

impl Scalar {
    fn is_number(&self) -> bool {
        matches!(self, Scalar::Number(_))
    }

    fn equals(&self, value: &str) -> bool {
        match self {
            Scalar::String(text) => **text == *value,
            Scalar::Number(number) => number.compared_with(value) == Some(Ordering::Equal),
            Scalar::Bool(true) => value == "true",
            Scalar::Bool(false) => value == "false",
        }
    }
}

/// An operand, as tools that judge a spec read it: spelt as the values of its attribute are.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Operand<'o> {
    /// A string, for `equals`, `in`, `prefix`, `suffix` and `contains`.
    String(&'o str),
    /// A number, as the spec has it.
    Number(&'o str),
    /// A boolean, for `equals`, `in` and `exists`.
    Bool(bool),
    /// A pattern, for `glob`.
    Glob(&'o [GlobStep]),
    /// A time, for `before` and `after`.
    Time(Timestamp),
    /// A range of versions, for `semver`.
    Versions(&'o VersionRange),
    /// A network, for `cidr`.
    Network,
}

/// The value of an attribute, which operators test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Value<'v> {
    /// The request does not have the attribute.
    Missing,
    /// A string.
    String(&'v str),
    /// The time of the decision.
    Time(Timestamp),
}

impl Operator {
    /// The operator's name in a spec.
    pub fn name(&self) -> &'static str {
        match self.0 {
            Check::Equals(_) => "equals",
            Check::In(_) => "in",
            Check::Prefix(_) => "prefix",
            Check::Suffix(_) => "suffix",
            Check::Contains(_) => "contains",
            Check::Glob(_) => "glob",
            Check::Exists(_) => "exists",
            Check::Cidr(_) => "cidr",
            Check::Semver(_) => "semver",
            Check::Less(_) => "lt",
            Check::LessOrEqual(_) => "lte",
            Check::Greater(_) => "gt",
            Check::GreaterOrEqual(_) => "gte",
            Check::Before(_) => "before",
            Check::After(_) => "after",
        }
    }

    /// The operand, or the items of an operand that is a list.
    pub fn operands(&self) -> Vec<Operand<'_>> {
        let scalar = |scalar| match scalar {
            &Scalar::Bool(value) => Operand::Bool(value),
            Scalar::String(text) => Operand::String(text),
            Scalar::Number(number) => Operand::Number(number.as_str()),
        };
        match &self.0 {
            Check::Equals(operand) => Vec::from([scalar(operand)]),
            Check::In(operands) => operands.iter().map(scalar).collect(),
            Check::Prefix(parts) | Check::Suffix(parts) | Check::Contains(parts) => {
                parts.iter().map(|part| Operand::String(part)).collect()
            }
            Check::Glob(globs) => globs.iter().map(|glob| Operand::Glob(glob.steps())).collect(),
            Check::Exists(wanted) => Vec::from([Operand::Bool(*wanted)]),
            Check::Cidr(networks) => networks.iter().map(|_| Operand::Network).collect(),
            Check::Semver(ranges) => ranges.iter().map(Operand::Versions).collect(),
            Check::Less(bound)
            | Check::LessOrEqual(bound)
            | Check::Greater(bound)
            | Check::GreaterOrEqual(bound) => Vec::from([Operand::Number(bound.as_str())]),
            Check::Before(bound) | Check::After(bound) => Vec::from([Operand::Time(*bound)]),
        }
    }

    /// Whether a string passes, as the value of an attribute.
    pub fn accepts(&self, value: &str) -> bool {
        self.holds_string(value)
    }

    /// Whether the value passes. A missing value passes `exists: false` only. A value that is not
    /// of the operator's type, such as `abc` for `lt`, passes `exists: true` only.
    pub(crate) fn holds(&self, value: Value<'_>) -> bool {
        match value {
            Value::Missing => self.0 == Check::Exists(false),
            Value::String(text) => self.holds_string(text),
            Value::Time(time) => self.holds_time(time),
        }
    }

    /// The type that the operator needs and the value does not have: `a number` for `lt` and `abc`.
    pub(crate) fn unmet_type(&self, value: Value<'_>) -> Option<&'static str> {
        let Value::String(text) = value else { return None };
        let (wanted, valid) = match &self.0 {
            Check::Equals(Scalar::Number(_))
            | Check::Less(_)
            | Check::LessOrEqual(_)
            | Check::Greater(_)
            | Check::GreaterOrEqual(_) => ("a number", is_number(text)),
            Check::Semver(_) => ("a version", is_version(text)),
            Check::Cidr(_) => ("an address", parse_address(text).is_some()),
            Check::Before(_) | Check::After(_) => ("a timestamp", Timestamp::parse(text).is_some()),
            Check::In(scalars) if scalars.iter().all(Scalar::is_number) => {
                ("a number", is_number(text))
            }
            _ => return None,
        };
        (!valid).then_some(wanted)
    }

    fn holds_string(&self, text: &str) -> bool {
        match &self.0 {
            Check::Equals(scalar) => scalar.equals(text),
            Check::In(scalars) => scalars.iter().any(|scalar| scalar.equals(text)),
            Check::Prefix(parts) => parts.iter().any(|part| text.starts_with(&**part)),
            Check::Suffix(parts) => parts.iter().any(|part| text.ends_with(&**part)),
            Check::Contains(parts) => parts.iter().any(|part| text.contains(&**part)),
            Check::Glob(globs) => globs.iter().any(|glob| glob.matches(text)),
            Check::Exists(wanted) => *wanted,
            Check::Cidr(networks) => parse_address(text)
                .is_some_and(|address| networks.iter().any(|network| network.contains(address))),
            Check::Semver(ranges) => ranges.iter().any(|range| range.contains(text)),
            Check::Less(bound) => compares(text, bound, Ordering::is_lt),
            Check::LessOrEqual(bound) => compares(text, bound, Ordering::is_le),
            Check::Greater(bound) => compares(text, bound, Ordering::is_gt),
            Check::GreaterOrEqual(bound) => compares(text, bound, Ordering::is_ge),
            Check::Before(_) | Check::After(_) => {
                Timestamp::parse(text).is_some_and(|time| self.holds_time(time))
            }
        }
    }

    fn holds_time(&self, time: Timestamp) -> bool {
        match &self.0 {
            Check::Before(bound) => time < *bound,
            Check::After(bound) => time >= *bound,
            Check::Exists(wanted) => *wanted,
            _ => false,
        }
    }
}

/// Whether the value is a number that compares with the bound as wanted.
fn compares(text: &str, bound: &Number, wanted: impl Fn(Ordering) -> bool) -> bool {
    bound.compared_with(text).is_some_and(wanted)
}

impl fmt::Display for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Scalar::String(text) => f.write_str(&crate::error::quoted(text)),
            Scalar::Number(number) => write!(f, "{number}"),
            Scalar::Bool(value) => write!(f, "{value}"),
        }
    }
}

impl fmt::Display for Operator {
    /// Writes the operator as in a spec: `in ["CH", "LI"]`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        f.write_str(" ")?;
        match &self.0 {
            Check::Equals(scalar) => write!(f, "{scalar}"),
            Check::In(scalars) => write_items(f, scalars),
            Check::Prefix(parts) | Check::Suffix(parts) | Check::Contains(parts) => {
                let quoted: Vec<_> = parts.iter().map(|part| crate::error::quoted(part)).collect();
                write_items(f, &quoted)
            }
            Check::Glob(globs) => write_items(f, globs),
            Check::Exists(wanted) => write!(f, "{wanted}"),
            Check::Cidr(networks) => write_items(f, networks),
            Check::Semver(ranges) => write_items(f, ranges),
            Check::Less(bound)
            | Check::LessOrEqual(bound)
            | Check::Greater(bound)
            | Check::GreaterOrEqual(bound) => write!(f, "{bound}"),
            Check::Before(bound) | Check::After(bound) => write!(f, "{bound}"),
        }
    }
}

/// Writes one item as it is and several in brackets; cuts a list after eight items.
fn write_items<T: fmt::Display>(f: &mut fmt::Formatter<'_>, items: &[T]) -> fmt::Result {
    const SHOWN: usize = 8;
    if let [item] = items {
        return write!(f, "{item}");
    }
    f.write_str("[")?;
    for (index, item) in items.iter().take(SHOWN).enumerate() {
        let comma = if index > 0 { ", " } else { "" };
        write!(f, "{comma}{item}")?;
    }
    match items.len().saturating_sub(SHOWN) {
        0 => f.write_str("]"),
        more => write!(f, ", and {more} more]"),
    }
}
