//! The reader of methods, host patterns and path patterns.

use alloc::string::String;
use alloc::vec::Vec;

use super::node::Node;
use super::reader::{Object, list, string, strings, wrong_type};
use crate::error::{ErrorKind, Errors, Path, quoted};
use crate::facts::path::normalise;
use crate::facts::spelling::host;
use crate::spec::{HostMatch, PathMatch};

/// The maximum number of hosts, and of paths, in one list.
const MAX_MATCHES: usize = 1000;

pub(crate) fn methods(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Vec<String> {
    let given = strings(node, path, errors);
    for method in &given {
        let plain = method.bytes().all(|b| b.is_ascii_uppercase() || b == b'-');
        if method.is_empty() || !plain {
            errors.add(
                path,
                ErrorKind::Value,
                &format_args!(
                    "{} is not a method, write it in upper case such as GET",
                    quoted(method)
                ),
            );
        }
    }
    given.into_iter().map(String::from).collect()
}

pub(crate) fn host_matches(
    node: &Node<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Vec<HostMatch> {
    let Some(items) = list(node, path, errors) else {
        return Vec::new();
    };
    check_length(items.len(), path, errors);
    let mut hosts = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let here = path.index(index);
        let Some(given) = string(item, &here, errors) else {
            continue;
        };
        match host_match(given) {
            Some(host) => hosts.push(host),
            None if !given.is_ascii() => {
                errors.add(&here, ErrorKind::Value, &format_args!(
                    "{} is not a host as it is sent, which is in ASCII: letters beyond it are written in Punycode (xn--…)",
                    quoted(given)
                ));
            }
            None => {
                errors.add(&here, ErrorKind::Value, &format_args!(
                    "{} is not a host, write shop.example.com or *.example.com, without scheme, port or path",
                    quoted(given)
                ));
            }
        }
    }
    hosts
}

fn host_match(text: &str) -> Option<HostMatch> {
    let (below, name) = match text.strip_prefix("*.") {
        Some(name) => (true, name),
        None => (false, text),
    };
    let name = host(name);
    let address = name.starts_with('[') && name.ends_with(']') && !below;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if name.is_empty() || (!address && !name.bytes().all(plain)) {
        return None;
    }
    let name = name.into_owned();
    Some(if below { HostMatch::Below(name) } else { HostMatch::Exact(name) })
}

/// Reads a list of path patterns: `"/feed"` and `{ prefix: /feed }` are prefixes, `{ exact: /feed
/// }` is an exact path.
pub(crate) fn path_matches(
    node: &Node<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Vec<PathMatch> {
    let Some(items) = list(node, path, errors) else {
        return Vec::new();
    };
    check_length(items.len(), path, errors);
    let read = |(index, item)| path_match(item, &path.index(index), errors);
    items.iter().enumerate().filter_map(read).collect()
}

fn path_match(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<PathMatch> {
    match node {
        Node::String(text) => Some(PathMatch::Prefix(pattern(text, path, errors)?)),
        Node::Object(_) => {
            let object = Object::open(node, path, &["prefix", "exact"], errors)?;
            let (kind, value) = object.only(&["prefix", "exact"], errors)?;
            let here = path.key(kind);
            let pattern = pattern(string(value, &here, errors)?, &here, errors)?;
            Some(if kind == "exact" {
                PathMatch::Exact(pattern)
            } else {
                PathMatch::Prefix(pattern)
            })
        }
        other => wrong_type(other, "a path, { prefix: PATH } or { exact: PATH }", path, errors),
    }
}

fn pattern(given: &str, path: &Path<'_>, errors: &mut Errors) -> Option<String> {
    const MAX_BYTES: usize = 2048;
    if !given.starts_with('/') || given.contains(['?', '#', '*']) || given.len() > MAX_BYTES {
        errors.add(path, ErrorKind::Value, &format_args!(
            "{} is not a path, write /feed: a path starts with /, has no ?, # or * and at most {MAX_BYTES} bytes",
            quoted(given)
        ));
        return None;
    }
    Some(normalise(given.as_bytes()).into_owned())
}

/// Reports a list that is longer than [`MAX_MATCHES`].
fn check_length(count: usize, path: &Path<'_>, errors: &mut Errors) {
    if count > MAX_MATCHES {
        errors.add(
            path,
            ErrorKind::Limit,
            &format_args!("has {count} items, at most {MAX_MATCHES} are allowed"),
        );
    }
}
