//! The reader of the whole document.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use super::condition::condition;
use super::flag::flag;
use super::name;
use super::node::Node;
use super::protobuf;
use super::reader::{Object, entries, keyword, list, share, string, whole};
use super::rollout::rollout;
use super::split::bucketing;
use crate::error::{ErrorKind, Errors, Path};
use crate::hash::digest;
use crate::name_map::NameMap;
use crate::spec::{Bucketing, Deploy, Holdout, Isolation, MAX_BYTES, Spec, UnitSource};

/// The format version that this reader knows.
const FORMAT_VERSION: u64 = 1;
/// The maximum number of units.
const MAX_UNITS: usize = 64;
/// The maximum number of a unit's sources.
const MAX_SOURCES: usize = 16;

const DOCUMENT: [&str; 10] = [
    "formatVersion",
    "revision",
    "deploy",
    "isolation",
    "units",
    "cohorts",
    "holdouts",
    "layers",
    "flags",
    "rollouts",
];

const ISOLATIONS: [(&str, Isolation); 2] = [("none", Isolation::None), ("flags", Isolation::Flags)];

impl Spec {
    /// Reads a JSON document without compiling it.
    ///
    /// # Errors
    /// Every mistake of form. [`crate::Plan::new`] reports mistakes of meaning, such as unknown
    /// names.
    pub fn from_json(json: &[u8]) -> Result<Spec, Errors> {
        let mut errors = Errors::new();
        let spec = document(json, &mut errors);
        if errors.is_empty() { Ok(spec) } else { Err(errors) }
    }
}

impl Spec {
    /// Checks the size of a document, in bytes, so that a host need not read one that is too long.
    ///
    /// # Errors
    /// The document is longer than [`MAX_BYTES`].
    pub fn check_size(size: usize) -> Result<(), Errors> {
        let mut errors = Errors::new();
        if size > MAX_BYTES {
            let message =
                format!("the document is {size} bytes long, at most {MAX_BYTES} are allowed");
            errors.add(&Path::Root, ErrorKind::Limit, &message);
        }
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }
}

/// Reads a document: JSON, or a protobuf `Struct`. A part that cannot be read is reported and
/// replaced by a placeholder, so that `compile` can find further mistakes.
pub(crate) fn document(json: &[u8], errors: &mut Errors) -> Spec {
    let root = Path::Root;
    if let Err(too_long) = Spec::check_size(json.len()) {
        errors.append(too_long);
        return Spec::default();
    }
    if json.trim_ascii().is_empty() {
        errors.add(&root, ErrorKind::Syntax, &"the document is empty");
        return Spec::default();
    }
    match serde_json::from_slice::<Node<'_>>(json) {
        Ok(node) => spec(&node, json.len(), errors),
        Err(error) => match protobuf::decode(json) {
            Some(node) => spec(&node, json.len(), errors),
            None => {
                let message = format_args!("not a JSON document: {error}");
                errors.add(&root, ErrorKind::Syntax, &message);
                Spec::default()
            }
        },
    }
}

/// Reads the document's value. `bytes` is the document's length.
fn spec(node: &Node<'_>, bytes: usize, errors: &mut Errors) -> Spec {
    let root = Path::Root;
    let Some(object) = Object::open(node, &root, &DOCUMENT, errors) else {
        return Spec::default();
    };
    let isolation = object
        .get("isolation")
        .and_then(|node| keyword(node, &ISOLATIONS, &root.key("isolation"), errors))
        .unwrap_or_default();
    format_version(&object, isolation, errors);
    Spec {
        isolation,
        revision: object
            .get("revision")
            .and_then(|node| whole(node, &root.key("revision"), errors))
            .unwrap_or_default(),
        deploy: object
            .get("deploy")
            .and_then(|node| deploy(node, &root.key("deploy"), errors))
            .unwrap_or_default(),
        units: object
            .get("units")
            .map(|node| units(node, &root.key("units"), errors))
            .unwrap_or_default(),
        cohorts: section(&object, "cohorts", name::check, condition, errors),
        holdouts: section(&object, "holdouts", name::check, holdout, errors),
        layers: section(&object, "layers", name::check, layer, errors),
        flags: section(&object, "flags", name::check_flag, flag, errors),
        rollouts: section(&object, "rollouts", name::check, rollout, errors),
        digest: digest(node.canonical_within(bytes).as_bytes()),
    }
}

fn format_version(object: &Object<'_>, isolation: Isolation, errors: &mut Errors) {
    let Some(node) = object.required("formatVersion", errors) else {
        return;
    };
    let root = Path::Root;
    let path = root.key("formatVersion");
    let Some(version) = whole(node, &path, errors) else {
        return;
    };
    // Fields of a newer format are unknown fields: in a flag they isolate it, elsewhere they are
    // errors.
    let may_be_newer = isolation == Isolation::Flags && version > FORMAT_VERSION;
    if version != FORMAT_VERSION && !may_be_newer {
        errors.add(
            &path,
            ErrorKind::Value,
            &format_args!("is {version}, this version of Serin reads format {FORMAT_VERSION} only"),
        );
    }
}

fn deploy(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<Deploy> {
    let object = Object::open(node, path, &["id", "gitSha"], errors)?;
    Some(Deploy { id: object.string("id", errors), git_sha: object.string("gitSha", errors) })
}

fn holdout(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Holdout {
    let Some(object) = Object::open(node, path, &["unit", "salt", "percent"], errors) else {
        return Holdout::default();
    };
    let given = object.required("percent", errors);
    let share = given.and_then(|node| share(node, &path.key("percent"), errors));
    Holdout { bucketing: bucketing(&object, errors), share: share.unwrap_or_default() }
}

fn layer(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Bucketing {
    let object = Object::open(node, path, &["unit", "salt"], errors);
    object.map(|object| bucketing(&object, errors)).unwrap_or_default()
}

/// Reads a section of the document: checks each name and reads each value.
fn section<T>(
    object: &Object<'_>,
    field: &str,
    check: fn(&str, &Path<'_>, &mut Errors),
    read: fn(&Node<'_>, &Path<'_>, &mut Errors) -> T,
    errors: &mut Errors,
) -> NameMap<T> {
    let mut values = NameMap::new();
    let Some(node) = object.get(field) else {
        return values;
    };
    let root = Path::Root;
    let path = root.key(field);
    let Some(members) = entries(node, &path, errors) else {
        return values;
    };
    for (name, value) in members {
        let here = path.key(name);
        check(name, &here, errors);
        values.insert(name.as_ref().into(), read(value, &here, errors));
    }
    values
}

fn units(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> NameMap<Vec<UnitSource>> {
    let mut units = NameMap::new();
    let Some(members) = entries(node, path, errors) else {
        return units;
    };
    if members.len() > MAX_UNITS {
        errors.add(
            path,
            ErrorKind::Limit,
            &format_args!("has {} units, at most {MAX_UNITS} are allowed", members.len()),
        );
    }
    for (unit, value) in members {
        let here = path.key(unit);
        name::check(unit, &here, errors);
        units.insert(unit.as_ref().into(), sources(value, &here, errors));
    }
    units
}

fn sources(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Vec<UnitSource> {
    let Some(items) = list(node, path, errors) else {
        return Vec::new();
    };
    if items.is_empty() || items.len() > MAX_SOURCES {
        errors.add(
            path,
            ErrorKind::Limit,
            &format_args!("has {} sources, allowed are 1 to {MAX_SOURCES}", items.len()),
        );
    }
    let mut sources = Vec::with_capacity(items.len());
    let last = items.len().saturating_sub(1);
    for (index, item) in items.iter().enumerate() {
        let here = path.index(index);
        let source = source(item, &here, errors);
        if matches!(source, Some(UnitSource::Anonymous(_))) && index != last {
            let message = "anonymous always finds an id, so it must be the last source";
            errors.add(&here, ErrorKind::Conflict, &message);
        }
        sources.extend(source);
    }
    sources
}

fn source(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> Option<UnitSource> {
    const KINDS: [&str; 5] = ["jwt", "header", "cookie", "query", "anonymous"];
    let object = Object::open(node, path, &KINDS, errors)?;
    let (kind, value) = object.only(&KINDS, errors)?;
    let here = path.key(kind);
    let name = string(value, &here, errors)?;
    match kind {
        "jwt" | "query" if !name.is_empty() => {}
        _ => name::check_token(name, &here, errors),
    }
    Some(match kind {
        "jwt" => UnitSource::Jwt(name.to_string()),
        "header" => UnitSource::Header(name.to_ascii_lowercase()),
        "cookie" => UnitSource::Cookie(name.to_string()),
        "query" => UnitSource::Query(name.to_string()),
        _ => UnitSource::Anonymous(name.to_string()),
    })
}
