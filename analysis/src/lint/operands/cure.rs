//! Why an operand cannot hold, and what to write in its place.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use serin_core::inspect::{GlobStep, Operand, quoted};
use serin_core::{Attribute, Operator};

use super::values::{Kind, Type};
use crate::punycode::to_ascii;

/// A sentence on what is wrong, and the remedy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cure {
    pub(super) message: String,
    pub(super) help: Help,
}

/// A sentence on the remedy; empty if there is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Help {
    pub(super) text: String,
    /// The operand to write, if it is the only one that can be meant.
    pub(super) replacement: Option<String>,
}

impl From<&str> for Help {
    fn from(text: &str) -> Help {
        Help { text: text.into(), replacement: None }
    }
}

impl From<String> for Help {
    fn from(text: String) -> Help {
        Help { text, replacement: None }
    }
}

/// The methods of RFC 9110 and RFC 5789.
const METHODS: [&str; 9] =
    ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE"];

/// The part of a value that an operand is compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part {
    Whole,
    Start,
    Middle,
    End,
    /// The whole value by a pattern.
    Pattern,
}

impl Part {
    pub(super) fn of(operator: &Operator) -> Part {
        match operator.name() {
            "prefix" => Part::Start,
            "contains" => Part::Middle,
            "suffix" => Part::End,
            "glob" => Part::Pattern,
            _ => Part::Whole,
        }
    }

    fn begins(self) -> bool {
        matches!(self, Part::Whole | Part::Start | Part::Pattern)
    }
}

fn cure(message: &str, help: impl Into<Help>) -> Cure {
    Cure { message: message.into(), help: help.into() }
}

/// Help that shows what to write; none for what would be everything.
fn write(text: &str) -> Help {
    if matches!(text, "" | "*") {
        return Help::default();
    }
    Help { text: format!("write {}", quoted(text)), replacement: Some(text.into()) }
}

/// The cure of an operand that no value of this kind passes.
pub(super) fn never(kind: Kind, operator: &Operator, operand: &Operand<'_>) -> Cure {
    let part = Part::of(operator);
    match operand {
        Operand::String(text) => string(kind, part, text),
        Operand::Glob(steps) => string(kind, part, &pattern(steps)),
        Operand::Bool(value) => {
            let help = match (kind, value) {
                (Kind::Country, false) => "for Norway write \"NO\", in quotes",
                _ => "",
            };
            cure(&format!("{} is neither true nor false", noun(kind)), help)
        }
        Operand::Number(_) if kind.can_be(Type::Number) => {
            cure("the numbers of autonomous systems are whole, from 0 to 4294967295", "")
        }
        Operand::Versions(range) if kind.can_be(Type::Version) => {
            let help = "write a list for alternatives: [ \"<1.0.0\", \">=2.0.0\" ]";
            cure(&format!("no version is in {range}"), help)
        }
        _ => {
            let wanted = match operator.name() {
                "cidr" => "an address",
                "semver" => "a version",
                "before" | "after" => "a timestamp",
                _ => "a number",
            };
            let help = match kind {
                Kind::Ip if operator.name() == "semver" => "compare it with cidr",
                _ => "compare it as a string, with equals, in, prefix, suffix, contains or glob",
            };
            cure(&format!("{} is not {wanted}", noun(kind)), help)
        }
    }
}

fn noun(kind: Kind) -> &'static str {
    match kind {
        Kind::Path => "a path",
        Kind::Host => "a host",
        Kind::Method => "a method",
        Kind::Ip => "an address",
        Kind::Country => "a country",
        Kind::Asn => "the number of an autonomous system",
        Kind::Colo => "the code of a data centre",
        Kind::Header => "the value of a header field",
        Kind::Cookie => "the value of a cookie",
        Kind::Free => "a value",
    }
}

/// The pattern as a spec writes it, but without `\`.
fn pattern(steps: &[GlobStep]) -> String {
    let char = |step: &GlobStep| match step {
        GlobStep::Run => '*',
        GlobStep::One => '?',
        GlobStep::Char(c) => *c,
    };
    steps.iter().map(char).collect()
}

fn string(kind: Kind, part: Part, text: &str) -> Cure {
    if text.is_empty() && kind != Kind::Path {
        return cure("an empty value counts as missing", "write exists: false");
    }
    match kind {
        Kind::Path => path(part, text),
        Kind::Host => host(part, text),
        Kind::Method if text.bytes().any(|byte| byte.is_ascii_lowercase()) => {
            cure("methods are in upper case, and case counts", write(&text.to_ascii_uppercase()))
        }
        Kind::Method if METHODS.contains(&text.trim()) => {
            cure("a method has no blanks", write(text.trim()))
        }
        Kind::Method => cure("a method is one word", "write GET, for example"),
        Kind::Ip => address(part, text),
        Kind::Country => country(text),
        Kind::Colo if text.bytes().any(|byte| byte.is_ascii_lowercase()) => {
            let upper = write(&text.to_ascii_uppercase());
            cure("the code of a data centre is in upper case, and case counts", upper)
        }
        Kind::Colo => cure(
            "the code of a data centre is that of an airport, three letters",
            "write FRA, for example",
        ),
        Kind::Asn => {
            let digits =
                text.trim_start_matches(|c: char| !c.is_ascii_digit()).trim_start_matches('0');
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            let help = if is_number {
                format!("write {digits}")
            } else {
                "write 13335, for example".into()
            };
            cure("the number of an autonomous system has digits only", help)
        }
        Kind::Header | Kind::Cookie | Kind::Free => field(kind, text),
    }
}

fn field(kind: Kind, text: &str) -> Cure {
    let trimmed = text.trim_matches([' ', '\t']);
    if trimmed.chars().any(char::is_control) {
        return cure(&format!("{} has no control characters", noun(kind)), "");
    }
    if kind == Kind::Cookie && text.contains(';') {
        return cure("a ; ends the value of a cookie", "");
    }
    cure(&format!("{} has no blanks at its ends", noun(kind)), write(trimmed))
}

fn path(part: Part, text: &str) -> Cure {
    if let Some((_, rest)) = text.split_once("://") {
        let path = rest.find(['/', '?', '#']).and_then(|at| rest.get(at..)).unwrap_or("/");
        let help = format!("write its path, {}, and test the attribute host", quoted(path));
        return cure("a path has neither scheme nor host", help);
    }
    if part != Part::Pattern
        && let Some((path, query)) = text.split_once('?')
    {
        let help = match query.split_once('=') {
            Some((name, value)) if is_word(name) && !value.contains('&') => format!(
                "write {}, and all: […] with {{ attribute: query.{name}, equals: {} }}",
                quoted(path),
                quoted(value)
            ),
            _ if path.is_empty() => "test the parameters with query.NAME".into(),
            _ => format!("write {}, and test the parameters with query.NAME", quoted(path)),
        };
        return cure("a path ends before the query", help);
    }
    if let Some((path, _)) = text.split_once('#') {
        return cure("no request carries the part behind #", write(path));
    }
    if part.begins() && !text.starts_with(['/', '*']) {
        let bare = text.trim_start_matches("%20");
        let help = match bare {
            _ if text.starts_with("%5E") => {
                "regular expressions are not known, write a glob".into()
            }
            bare if bare.starts_with('/') => write(bare),
            bare => write(&format!("/{bare}")),
        };
        return cure("a path begins with /", help);
    }
    if text.split('/').any(|segment| segment == "." || segment == "..") {
        return cure("a path has no segments . and .., they are resolved", "write it without them");
    }
    cure(
        "no normalised path has this",
        "write it as serin explain shows the path of such a request",
    )
}

fn is_word(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
}

/// The cure of a host that no request has.
pub(super) fn host(part: Part, text: &str) -> Cure {
    let bare = text.split_once("://").map_or(text, |(_, rest)| rest);
    let bare = bare.split('/').next().unwrap_or(bare);
    if bare != text {
        return cure("a host has neither scheme nor path", write(bare));
    }
    if let Ok(address) = text.parse::<Ipv6Addr>() {
        let help = write(&format!("[{address}]"));
        return cure("an IPv6 address in place of a host is in brackets", help);
    }
    if part != Part::Pattern && text.contains('*') {
        let help = match text.strip_prefix('*') {
            Some(end) if !end.contains('*') => format!("write suffix: {}", quoted(end)),
            _ => format!("write glob: {}", quoted(text)),
        };
        return cure("* stands for itself here", help);
    }
    if text.starts_with(".*") || text.contains(['\\', '^', '$', '(', '|', '+']) {
        let help = "write a glob, such as \"*.example.com\"";
        return cure("regular expressions are not known here", help);
    }
    if !text.is_ascii() {
        let help = match to_ascii(text).filter(|_| part == Part::Whole) {
            Some(name) => write(&name),
            None => "write each label in Punycode, which begins with xn--".into(),
        };
        return cure("hosts are sent in ASCII", help);
    }
    if text.contains("..") || text.starts_with('.') && part.begins() {
        let help = match text.strip_prefix('.') {
            Some(name) if part.begins() && !name.contains("..") => {
                format!("for hosts below {name}, write suffix: {}", quoted(text))
            }
            _ => String::new(),
        };
        return cure("no label of a host is empty", help);
    }
    if let Some((name, port)) = text.rsplit_once(':')
        && port.bytes().all(|byte| byte.is_ascii_digit() || byte == b'*')
    {
        return cure("a host has no port", write(name));
    }
    let bare = text.trim();
    if bare != text {
        return cure("a host has no blanks", write(bare));
    }
    cure("a host has letters, digits, -, _ and . only", "")
}

fn address(part: Part, text: &str) -> Cure {
    let is_network = text.split_once('/').is_some_and(|(address, bits)| {
        address.parse::<IpAddr>().is_ok() && bits.parse::<u8>().is_ok_and(|bits| bits <= 128)
    });
    if is_network {
        return cure("an address is not a network", format!("write cidr: {}", quoted(text)));
    }
    let literal = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let bare = match text.parse::<SocketAddr>() {
        Ok(address) => Some(address.ip()),
        Err(_) => literal.and_then(|literal| literal.parse().ok()),
    };
    if let Some(address) = bare {
        let help = write(&address.to_canonical().to_string());
        return cure("an address has neither port nor brackets", help);
    }
    let zoned = text.split_once('%').and_then(|(address, _)| address.parse::<IpAddr>().ok());
    if let Some(address) = zoned {
        return cure("an address has no zone", write(&address.to_string()));
    }
    if part == Part::Whole {
        let help = match text.contains('*') {
            true => format!("write glob: {}, or cidr", quoted(text)),
            false => "write 192.0.2.7 or 2001:db8::7, or cidr for a network".into(),
        };
        return cure("it is not an address", help);
    }
    cure("no address in its short form has this", "write cidr for a network")
}

fn country(text: &str) -> Cure {
    let upper = text.to_ascii_uppercase();
    match &*upper {
        "UK" => cure("the code of the United Kingdom is GB", write("GB")),
        "EU" => cure("the European Union is not a country", "write in: […] with its countries"),
        _ if upper != text && text.len() <= 2 => {
            cure("the code of a country is in upper case, and case counts", write(&upper))
        }
        _ => {
            let help = "write DE for Germany, for example";
            cure("a country is one of the codes of ISO 3166-1, two letters", help)
        }
    }
}

/// The cure of an operand that holds for some values, but most likely not for those that are meant.
pub(super) fn unlikely(
    attribute: &Attribute,
    operator: &Operator,
    operand: &Operand<'_>,
) -> Option<Cure> {
    match (attribute, operand) {
        (Attribute::Path, Operand::String(text)) => unlikely_path(Part::of(operator), text),
        (Attribute::Path, Operand::Glob(steps)) if has_query(steps) => {
            let help = "leave the query out, and test the parameters with query.NAME";
            Some(cure("a path ends before the query, and ? is one character here", help))
        }
        (Attribute::Path, Operand::Glob(steps)) => {
            let text = pattern(steps);
            if text.contains("/.*") || text.contains(")*") || text.contains("]*") {
                let help = write(&text.replace("/.*", "/*"));
                return Some(cure("a glob is not a regular expression: * alone is any run", help));
            }
            placeholder(Part::Pattern, &text)
        }
        (Attribute::Query(_), Operand::String(text)) => {
            let decoded = decoded(text)?;
            let message = "parameters are decoded before they are compared";
            Some(cure(message, write(&decoded)))
        }
        _ => None,
    }
}

fn unlikely_path(part: Part, text: &str) -> Option<Cure> {
    if text.contains('*') && text != "*" {
        let help = match part {
            Part::Whole => format!("write glob: {}", quoted(text)),
            _ => "write a glob, or leave * out".into(),
        };
        return Some(cure("* stands for itself here", help));
    }
    if matches!(part, Part::Whole | Part::End)
        && let Some(trimmed) = text.strip_suffix("%20")
    {
        return Some(cure("it ends with a blank", write(trimmed.trim_end_matches("%20"))));
    }
    placeholder(part, text)
}

/// The cure of a path with the placeholder of another router: `/users/{id}` or `/users/:id`.
pub(super) fn placeholder(part: Part, text: &str) -> Option<Cure> {
    let is_placeholder = |segment: &&str| {
        let is_named = |name: &str| name.starts_with(|c: char| c.is_ascii_alphabetic());
        let in_braces = segment.strip_prefix("%7B").and_then(|rest| rest.strip_suffix("%7D"));
        let is_list = in_braces.is_some_and(|inner| inner.contains(','));
        is_list
            || in_braces
                .or(segment.strip_prefix(':'))
                .is_some_and(|name| is_named(name) && is_word(name))
    };
    let found = text.split('/').find(is_placeholder)?;
    let shown = found.replace("%7B", "{").replace("%7D", "}");
    let message = format!("{shown} stands for itself here");
    let any = |segment| if is_placeholder(&segment) { "*" } else { segment };
    let help = match part {
        _ if found.contains(',') => "write a list with an item for each".into(),
        Part::Whole | Part::Pattern => {
            let segments: Vec<&str> = text.split('/').map(any).collect();
            format!("write glob: {}", quoted(&segments.join("/")))
        }
        _ => "write a glob, with * in its place".into(),
    };
    Some(cure(&message, help))
}

/// The cure of an attribute whose name seems to mean something else.
pub(super) fn unlikely_name(attribute: &Attribute) -> Option<Cure> {
    match attribute {
        Attribute::Header(name) if name == "host" => {
            let message = "is missing in Envoy, where the host is no header field";
            Some(cure(message, "use the attribute host"))
        }
        Attribute::Query(name) => {
            let message = "names of parameters are decoded before they are compared";
            Some(cure(message, write(&format!("query.{}", decoded(name)?))))
        }
        _ => None,
    }
}

/// Whether a pattern seems to have a query: `?` and a name with `=`.
fn has_query(steps: &[GlobStep]) -> bool {
    let mut parts = steps.split(|step| *step == GlobStep::One);
    parts.next();
    parts.any(|part| {
        let is_of_name = |step: &&GlobStep| matches!(step, GlobStep::Char(c) if c.is_ascii_alphanumeric() || "-_.".contains(*c));
        let length = part.iter().take_while(is_of_name).count();
        length > 0 && part.get(length) == Some(&GlobStep::Char('='))
    })
}

/// The string with its escapes decoded; `None` if it has none, or if the result is not UTF-8.
fn decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    let mut has_escape = false;
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|digits| *first == b'%' && digits.is_ascii());
        let digits = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        let is_hex = |digits: &&str| digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        match digits.filter(is_hex).and_then(|digits| u8::from_str_radix(digits, 16).ok()) {
            Some(byte) => {
                has_escape = true;
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    if has_escape { String::from_utf8(bytes).ok() } else { None }
}
