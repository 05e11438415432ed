//! What a condition can look at.

use alloc::string::{String, ToString};
use core::fmt;

/// A property of the request, as a spec names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Attribute {
    /// `header.NAME`, name in lower case.
    Header(String),
    /// `cookie.NAME`.
    Cookie(String),
    /// `query.NAME`.
    Query(String),
    /// `jwt.CLAIM`: a claim of a token that the host has verified.
    Jwt(String),
    /// `unit.NAME`: the value of a unit.
    Unit(String),
    /// The path without the query, normalised.
    Path,
    /// The host in lower case, without a port.
    Host,
    /// The method.
    Method,
    /// The client's address.
    Ip,
    /// The client's country, ISO 3166-1 alpha-2.
    Country,
    /// The client's region.
    Region,
    /// The client's city.
    City,
    /// The number of the client's autonomous system.
    Asn,
    /// The data centre that took the request.
    Colo,
    /// The moment of the decision.
    Time,
}

/// Attributes without a name of their own.
pub(crate) const PLAIN: &[(&str, Attribute)] = &[
    ("path", Attribute::Path),
    ("host", Attribute::Host),
    ("method", Attribute::Method),
    ("ip", Attribute::Ip),
    ("country", Attribute::Country),
    ("region", Attribute::Region),
    ("city", Attribute::City),
    ("asn", Attribute::Asn),
    ("colo", Attribute::Colo),
    ("time", Attribute::Time),
];

/// Families: `header.NAME` and so on.
pub(crate) const FAMILIES: &[&str] = &["header", "cookie", "query", "jwt", "unit"];

impl Attribute {
    /// Reads `header.x-plan`, `country`, …; `None` if there is no such attribute.
    pub fn parse(text: &str) -> Option<Attribute> {
        if let Some((family, name)) = text.split_once('.') {
            return match family {
                _ if name.is_empty() => None,
                "header" => Some(Attribute::Header(name.to_ascii_lowercase())),
                "cookie" => Some(Attribute::Cookie(name.to_string())),
                "query" => Some(Attribute::Query(name.to_string())),
                "jwt" => Some(Attribute::Jwt(name.to_string())),
                "unit" => Some(Attribute::Unit(name.to_string())),
                _ => None,
            };
        }
        PLAIN.iter().find(|(name, _)| *name == text).map(|(_, attribute)| attribute.clone())
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Attribute::Header(name) => write!(f, "header.{name}"),
            Attribute::Cookie(name) => write!(f, "cookie.{name}"),
            Attribute::Query(name) => write!(f, "query.{name}"),
            Attribute::Jwt(name) => write!(f, "jwt.{name}"),
            Attribute::Unit(name) => write!(f, "unit.{name}"),
            plain => {
                let found = PLAIN.iter().find(|(_, attribute)| attribute == plain);
                f.write_str(found.map_or("", |(name, _)| name))
            }
        }
    }
}
