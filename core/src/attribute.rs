//! The attributes that a condition can test.

use alloc::string::{String, ToString};
use core::fmt;

/// An attribute of a request, as a spec names it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Attribute {
    /// `header.NAME`: a header field; its name in lower case.
    Header(String),
    /// `cookie.NAME`: a cookie.
    Cookie(String),
    /// `query.NAME`: a query parameter.
    Query(String),
    /// `jwt.CLAIM`: a claim of a token that the host has verified.
    Jwt(String),
    /// `unit.NAME`: the value of a unit.
    Unit(String),
    /// `path`: the path without the query, normalised.
    Path,
    /// `host`: the host in lower case, without a port.
    Host,
    /// `method`: the method.
    Method,
    /// `ip`: the client's address.
    Ip,
    /// `country`: the client's country, ISO 3166-1 alpha-2.
    Country,
    /// `region`: the client's region.
    Region,
    /// `city`: the client's city.
    City,
    /// `asn`: the number of the client's autonomous system.
    Asn,
    /// `colo`: the code of the data centre that received the request.
    Colo,
    /// `time`: the time of the decision.
    Time,
}

/// The attributes that are one word.
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

/// The prefixes of the attributes with a name, such as `header.NAME`.
pub(crate) const FAMILIES: &[&str] = &["header", "cookie", "query", "jwt", "unit"];

impl Attribute {
    /// Reads an attribute such as `header.x-plan` or `country`; `None` if there is no such
    /// attribute.
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
