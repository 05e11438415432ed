//! The keys that a host accepts for overrides, and the names that each key may force.

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use super::base64url;
use super::mac::Secret;
use crate::error::{ErrorKind, Errors, Path};
use crate::parse::node::{Members, Node};
use crate::parse::reader::{boolean, list, string, wrong_type};

/// The minimum length of a secret, in bytes: the length of the MAC (RFC 7518, section 3.2).
const MIN_SECRET_BYTES: usize = 32;
/// The maximum length of an id, in bytes. It is shorter than an encoded secret, so that a secret in
/// the place of an id is never printed.
const MAX_ID_BYTES: usize = 32;

/// The fields of an object that describes a key.
const FIELDS: [&str; 4] = ["secret", "rollouts", "flags", "decision"];

/// The keys that tokens may be signed with. By default there is no key, and every token is refused.
#[derive(Default)]
pub struct OverrideKeys(Vec<Key>);

pub(super) struct Key {
    pub(super) id: Arc<str>,
    pub(super) secret: Secret,
    pub(super) rollouts: Grant,
    pub(super) flags: Grant,
    pub(super) decision: bool,
}

/// The rollouts or flags that a key may force.
pub(super) enum Grant {
    All,
    Only(Vec<String>),
}

impl Grant {
    pub(super) fn covers(&self, name: &str) -> bool {
        match self {
            Grant::All => true,
            Grant::Only(names) => names.iter().any(|known| known == name),
        }
    }
}

impl OverrideKeys {
    /// Reads keys from the JSON object that hosts are configured with. Its names are key ids. A
    /// value is a secret in base64url, which grants everything, or an object that grants only what
    /// it lists.
    ///
    /// ```json
    /// {"qa": "BASE64URL",
    ///  "shop": {"secret": "BASE64URL", "rollouts": ["web"], "flags": ["*"], "decision": true}}
    /// ```
    ///
    /// # Errors
    /// Every mistake. No message contains a secret.
    pub fn from_json(json: &[u8]) -> Result<OverrideKeys, Errors> {
        let mut errors = Errors::new();
        let keys = match serde_json::from_slice::<Node<'_>>(json) {
            Ok(node) => keys(&node, &mut errors),
            Err(error) => {
                // A message of serde_json may quote the document, including secrets.
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

    /// The ids, sorted.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|key| &*key.id)
    }

    pub(super) fn find(&self, id: &str) -> Option<&Key> {
        self.0.iter().find(|key| *key.id == *id)
    }
}

/// Writes the ids only.
impl fmt::Debug for OverrideKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.ids()).finish()
    }
}

fn keys(node: &Node<'_>, errors: &mut Errors) -> Vec<Key> {
    let root = Path::Root;
    let Some(named) = members(node, &root, errors) else { return Vec::new() };
    if named.is_empty() {
        errors.add(&root, ErrorKind::Missing, &"names no key, at least one is needed");
    }
    let mut keys = Vec::new();
    for (index, (id, node)) in named.iter().enumerate() {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if id.is_empty() || id.len() > MAX_ID_BYTES || !id.bytes().all(plain) {
            let message = format_args!(
                "has an id that is not allowed, use 1 to {MAX_ID_BYTES} letters, digits, - and _"
            );
            errors.add(&root.index(index), ErrorKind::Value, &message);
            continue;
        }
        keys.extend(key(id, node, &root.key(id), errors));
    }
    keys
}

/// Reads an object. The examples of specs are none here.
fn members<'n>(
    node: &'n Node<'n>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<&'n Members<'n>> {
    match node {
        Node::Object(members) => Some(members),
        other => wrong_type(other, "an object", path, errors),
    }
}

fn key(id: &str, node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Key> {
    let id = Arc::from(id);
    if matches!(node, Node::String(_)) {
        let secret = secret(node, path, errors)?;
        return Some(Key { id, secret, rollouts: Grant::All, flags: Grant::All, decision: true });
    }
    let fields = members(node, path, errors)?;
    // The message does not name the field: it may be a secret in the wrong place.
    if fields.names().any(|name| !FIELDS.contains(&name)) {
        let message = "has an unknown field, allowed are secret, rollouts, flags and decision";
        errors.add(path, ErrorKind::UnknownField, &message);
    }
    let given = fields.get("secret");
    if given.is_none() {
        errors.add(path, ErrorKind::Missing, &"the field secret is missing");
    }
    let secret = given.and_then(|node| secret(node, &path.key("secret"), errors));
    let mut grant = |field| {
        let node = fields.get(field)?;
        Some(grant(node, &path.key(field), errors))
    };
    let nothing = || Grant::Only(Vec::new());
    let rollouts = grant("rollouts").unwrap_or_else(nothing);
    let flags = grant("flags").unwrap_or_else(nothing);
    let decision =
        fields.get("decision").and_then(|node| boolean(node, &path.key("decision"), errors));
    let decision = decision.unwrap_or(false);
    let none = |grant: &Grant| matches!(grant, Grant::Only(names) if names.is_empty());
    if none(&rollouts) && none(&flags) && !decision {
        let message = "grants nothing, list rollouts or flags (\"*\" for all), or set decision";
        errors.add(path, ErrorKind::Missing, &message);
    }
    Some(Key { id, secret: secret?, rollouts, flags, decision })
}

fn secret(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Secret> {
    decode_secret(string(node, path, errors)?, path, errors)
}

/// A secret from its base64url form. No message contains it.
pub(crate) fn decode_secret(text: &str, path: &Path<'_>, errors: &mut Errors) -> Option<Secret> {
    let secret = base64url::decode(text.as_bytes());
    let length = secret.as_ref().map_or(0, Vec::len);
    if secret.is_none() {
        let message = "is not base64url (A-Z, a-z, 0-9, - and _, without =)";
        errors.add(path, ErrorKind::Value, &message);
    } else if length < MIN_SECRET_BYTES {
        let message =
            format_args!("is a secret of {length} bytes, at least {MIN_SECRET_BYTES} are needed");
        errors.add(path, ErrorKind::Limit, &message);
    }
    secret.filter(|secret| secret.len() >= MIN_SECRET_BYTES).map(|secret| Secret::new(&secret))
}

fn grant(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Grant {
    let items = list(node, path, errors).unwrap_or(&[]);
    let mut all = false;
    let mut names = Vec::with_capacity(items.len());
    for (index, item) in items.iter().enumerate() {
        let Some(name) = string(item, &path.index(index), errors) else { continue };
        all |= name == "*";
        names.push(name.into());
    }
    if all { Grant::All } else { Grant::Only(names) }
}
