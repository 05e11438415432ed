//! The host's keys, and what each of them may force.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::base64url;
use super::mac::Secret;
use crate::error::{ErrorKind, Errors, Path};
use crate::parse::node::Node;
use crate::parse::reader::{boolean, entries, list, text};

/// The shortest secret, in bytes: as long as the code it makes (RFC 7518, section 3.2).
const MIN_SECRET: usize = 32;
/// The longest id. Shorter than a secret, so that one in the place of the other is never printed.
const MAX_ID: usize = 32;

/// What an object that describes a key may hold.
const FIELDS: [&str; 4] = ["secret", "rollouts", "flags", "decision"];

/// The keys that tokens may be signed with, parsed once. By default there is none, and every token is
/// refused.
#[derive(Default)]
pub struct OverrideKeys(Vec<Key>);

pub(super) struct Key {
    pub(super) id: Arc<str>,
    pub(super) secret: Secret,
    pub(super) rollouts: Scope,
    pub(super) flags: Scope,
    pub(super) decision: bool,
}

/// What names a key may force.
pub(super) enum Scope {
    All,
    Only(Vec<String>),
}

impl Scope {
    pub(super) fn covers(&self, name: &str) -> bool {
        match self {
            Scope::All => true,
            Scope::Only(names) => names.iter().any(|known| known == name),
        }
    }
}

impl OverrideKeys {
    /// Reads keys as hosts are given them, one JSON object: ids and secrets in base64url, or
    /// objects that grant what they name and nothing else.
    ///
    /// ```json
    /// {"qa": "BASE64URL",
    ///  "shop": {"secret": "BASE64URL", "rollouts": ["web"], "flags": ["*"], "decision": true}}
    /// ```
    ///
    /// # Errors
    /// Every mistake; none of them holds a secret.
    pub fn from_json(json: &[u8]) -> Result<OverrideKeys, Errors> {
        let mut errors = Errors::new();
        let keys = match serde_json::from_slice::<Node>(json) {
            Ok(node) => keys(&node, &mut errors),
            Err(error) => {
                // What serde_json says may quote the text, secrets with it.
                let (line, column) = (error.line(), error.column());
                let message = format_args!(
                    "is not JSON, or names a key twice, at line {line} column {column}"
                );
                errors.add(&Path::Root, ErrorKind::Syntax, &message);
                Vec::new()
            }
        };
        if errors.is_empty() { Ok(OverrideKeys(keys)) } else { Err(errors) }
    }

    /// The ids, in order.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| &*key.id)
    }

    pub(super) fn find(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| *key.id == *id)
    }
}

/// Ids only.
impl fmt::Debug for OverrideKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

fn keys(node: &Node, errors: &mut Errors) -> Vec<Key> {
    let root = Path::Root;
    let Some(named) = entries(node, &root, errors) else { return Vec::new() };
    if named.is_empty() {
        errors.add(&root, ErrorKind::Missing, &"names no key, at least one is needed");
    }
    let mut keys = Vec::new();
    for (index, (id, node)) in named.iter().enumerate() {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if id.is_empty() || id.len() > MAX_ID || !id.bytes().all(plain) {
            let message = format_args!(
                "has an id that is not allowed, use 1 to {MAX_ID} letters, digits, - and _"
            );
            errors.add(&root.index(index), ErrorKind::Value, &message);
            continue;
        }
        keys.extend(key(id, node, &root.key(id), errors));
    }
    keys
}

fn key(id: &str, node: &Node, path: &Path<'_>, errors: &mut Errors) -> Option<Key> {
    let id = Arc::from(id);
    if matches!(node, Node::Text(_)) {
        let secret = secret(node, path, errors)?;
        return Some(Key { id, secret, rollouts: Scope::All, flags: Scope::All, decision: true });
    }
    let fields = entries(node, path, errors)?;
    // Which one it is is not said: it may be a secret in the wrong place.
    if fields.names().any(|name| !FIELDS.contains(&name)) {
        let message = "has an unknown field, allowed are secret, rollouts, flags and decision";
        errors.add(path, ErrorKind::UnknownField, &message);
    }
    let given = fields.get("secret");
    if given.is_none() {
        errors.add(path, ErrorKind::Missing, &"the field secret is missing");
    }
    let secret = given.and_then(|node| secret(node, &path.key("secret"), errors));
    let mut scope = |field| {
        let node = fields.get(field)?;
        Some(scope(node, &path.key(field), errors))
    };
    let nothing = || Scope::Only(Vec::new());
    let rollouts = scope("rollouts").unwrap_or_else(nothing);
    let flags = scope("flags").unwrap_or_else(nothing);
    let decision =
        fields.get("decision").and_then(|node| boolean(node, &path.key("decision"), errors));
    let decision = decision.unwrap_or(false);
    let none = |scope: &Scope| matches!(scope, Scope::Only(names) if names.is_empty());
    if none(&rollouts) && none(&flags) && !decision {
        let message = "grants nothing, name rollouts or flags (\"*\" is all), or set decision";
        errors.add(path, ErrorKind::Missing, &message);
    }
    Some(Key { id, secret: secret?, rollouts, flags, decision })
}

fn secret(node: &Node, path: &Path<'_>, errors: &mut Errors) -> Option<Secret> {
    let secret = base64url::decode(text(node, path, errors)?.as_bytes());
    let length = secret.as_ref().map_or(0, Vec::len);
    if secret.is_none() {
        let message = "is not base64url (A-Z, a-z, 0-9, - and _, without =)";
        errors.add(path, ErrorKind::Value, &message);
    } else if length < MIN_SECRET {
        let message =
            format_args!("is a secret of {length} bytes, at least {MIN_SECRET} are needed");
        errors.add(path, ErrorKind::Limit, &message);
    }
    secret.filter(|secret| secret.len() >= MIN_SECRET).map(|secret| Secret::new(&secret))
}

fn scope(node: &Node, path: &Path<'_>, errors: &mut Errors) -> Scope {
    let items = list(node, path, errors).unwrap_or(&[]);
    let mut all = false;
    let mut names = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let Some(name) = text(item, &path.index(index), errors) else { continue };
        all |= name == "*";
        names.push(name.into());
    }
    if all { Scope::All } else { Scope::Only(names) }
}
