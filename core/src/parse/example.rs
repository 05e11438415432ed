//! Examples: the shortest right value of each field that is an object or a list.

use alloc::format;
use alloc::string::String;

use super::node::{Node, canonical_number};
use crate::error::{Path, quoted};

/// The shortest right object in place of a value of another type. It holds the given value where that is most
/// likely meant.
pub(crate) fn object(node: &Node<'_>, path: &Path<'_>) -> Option<String> {
    let word = |field: &str, default: &str| format!("{{ {field}: {} }}", word(node, default));
    let fixed = |text: &str| Some(String::from(text));
    match *path {
        Path::Root => fixed("formatVersion: 1 and the sections below it"),
        Path::Key(Path::Root, section) => fixed(match section {
            "deploy" => "{ id: build-42 }",
            "units" => "{ user: [ { header: x-user } ] }",
            "cohorts" => "{ internal: { attribute: header.x-beta, equals: \"1\" } }",
            "holdouts" => "{ everyone: { percent: 5 } }",
            "layers" => "{ page: { unit: user } }",
            "flags" => {
                "{ new-cart: { variants: { \"on\": true, \"off\": false }, defaultVariant: \"off\" } }"
            }
            "rollouts" => "{ shop: { arms: { stable: { target: shop-v1 } }, baseline: stable } }",
            _ => return None,
        }),
        Path::Key(Path::Key(Path::Root, section), _) => match *section {
            "cohorts" => Some(condition(node)),
            "holdouts" => fixed("{ percent: 5 }"),
            "layers" => fixed("{ unit: user }"),
            "flags" => {
                fixed("{ variants: { \"on\": true, \"off\": false }, defaultVariant: \"off\" }")
            }
            "rollouts" => fixed("{ arms: { stable: { target: shop-v1 } }, baseline: stable }"),
            _ => None,
        },
        Path::Key(Path::Key(_, "arms"), _) => Some(word("target", "shop-v1")),
        Path::Key(Path::Key(Path::Key(Path::Root, "rollouts"), _), "split") => {
            fixed("{ stable: 90, canary: 10 }")
        }
        Path::Key(_, field) => Some(match field {
            "when" | "not" => condition(node),
            "arms" => "{ stable: { target: shop-v1 } }".into(),
            "match" => scope(node),
            "canary" => format!("{{ share: {} }}", number(node, "5")),
            "blueGreen" => word("active", "stable"),
            "shadow" if matches!(path, Path::Key(Path::Key(_, "gates"), _)) => {
                format!("{{ maxDivergence: {} }}", number(node, "1"))
            }
            "shadow" => match node {
                Node::String(_) => format!("{{ arm: {}, percent: 1 }}", self::word(node, "next")),
                _ => "{ arm: next, percent: 1 }".into(),
            },
            "split" => "{ \"on\": 50, \"off\": 50 }".into(),
            "variants" => "{ \"on\": true, \"off\": false }".into(),
            "ramp" => format!("{{ variant: \"on\", share: {} }}", number(node, "5")),
            "layer" => format!("{{ name: {}, range: [0, 50] }}", self::word(node, "page")),
            "deliver" => match node {
                Node::String(_) => format!("{{ paths: [{}] }}", self::word(node, "/shop")),
                _ => "{ paths: [/shop] }".into(),
            },
            "gates" => "{ errors: { tolerate: 1.5 } }".into(),
            "errors" => "{ tolerate: 1.5 }".into(),
            "latency" => format!("{{ tolerate: {} }}", number(node, "20")),
            "kpi" => "{ paths: [/order] }".into(),
            "promotion" => "{ exclude: 2 }".into(),
            "onAbort" => format!("{{ disable: [{}] }}", self::word(node, "new-cart")),
            _ => return None,
        }),
        Path::Index(list, _) => Some(match *list {
            Path::Key(Path::Key(Path::Root, "units"), _) => "{ header: x-user }".into(),
            Path::Key(_, "all" | "any" | "rings") => condition(node),
            Path::Key(_, "rules") => word("serve", "\"on\""),
            Path::Key(_, "requires") => {
                format!("{{ flag: {}, variant: \"on\" }}", self::word(node, "new-cart"))
            }
            Path::Key(_, "steps") => format!("{{ share: {}, hold: 10m }}", number(node, "5")),
            Path::Key(_, "past") => "{ \"on\": 50, \"off\": 50 }".into(),
            _ => return None,
        }),
    }
}

/// The shortest right list in place of a value of another type.
pub(crate) fn list(node: &Node<'_>, path: &Path<'_>) -> Option<String> {
    let Path::Key(parent, field) = *path else { return None };
    if let (Path::Key(Path::Root, "units"), Node::Object(_)) = (parent, node) {
        return Some("the object in brackets: [ { … } ]".into());
    }
    let text = match field {
        _ if matches!(parent, Path::Key(Path::Root, "units")) => "[ { header: x-user } ]".into(),
        "rules" => "[ { serve: \"on\" } ]".into(),
        "requires" => "[ { flag: new-cart, variant: \"on\" } ]".into(),
        "steps" => "[ { share: 5, hold: 10m }, { share: 100 } ]".into(),
        "rings" | "all" | "any" => match node {
            Node::Object(_) => "the object in brackets: [ { … } ]".into(),
            _ => format!("[ {} ]", condition(node)),
        },
        "in" => format!("[{}]", scalar(node, "de")),
        "hosts" => format!("[{}]", word(node, "shop.example.com")),
        "paths" => format!("[{}]", word(node, "/shop")),
        "status" => format!("[{}]", scalar(node, "5xx")),
        "range" => "[0, 50]".into(),
        "past" => "[ { \"on\": 50, \"off\": 50 } ]".into(),
        _ => return None,
    };
    Some(text)
}

fn condition(node: &Node<'_>) -> String {
    format!("{{ cohort: {} }}", word(node, "internal"))
}

fn scope(node: &Node<'_>) -> String {
    let first = match node {
        Node::List(items) => items.first(),
        other => Some(other),
    };
    let given =
        first.map_or_else(|| "shop.example.com".into(), |node| word(node, "shop.example.com"));
    let field = if given.trim_start_matches('"').starts_with('/') { "paths" } else { "hosts" };
    format!("{{ {field}: [{given}] }}")
}

/// A given string, or else the default.
fn word(node: &Node<'_>, default: &str) -> String {
    const WORDS: [&str; 9] = ["on", "off", "yes", "no", "true", "false", "null", "y", "n"];
    const MAX_BYTES: usize = 60;
    let Node::String(given) = node else { return default.into() };
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./".contains(&b);
    let is_word = given.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/')
        && given.bytes().all(plain)
        && !WORDS.iter().any(|word| word.eq_ignore_ascii_case(given));
    match given.len() {
        0 => default.into(),
        length if length > MAX_BYTES => default.into(),
        _ if is_word => given.as_ref().into(),
        _ => quoted(given),
    }
}

/// A given number, or else the default.
fn number(node: &Node<'_>, default: &str) -> String {
    match node {
        Node::Number(given) => canonical_number(given),
        _ => default.into(),
    }
}

/// A given string, number or boolean, or else the default.
fn scalar(node: &Node<'_>, default: &str) -> String {
    match node {
        Node::Number(_) => number(node, default),
        Node::Bool(given) => format!("{given}"),
        _ => word(node, default),
    }
}
