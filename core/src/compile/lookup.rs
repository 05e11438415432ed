//! Finds what a name refers to, and reports names that nothing defines.

use alloc::format;
use alloc::vec::Vec;

use super::names::Names;
use crate::error::{ErrorKind, Errors, Path, one_of, quoted};
use crate::name_map::NameMap;
use crate::parse::reader::nearest;
use crate::plan::UnitId;

/// A name's position in a sorted map; reports an unknown one.
pub(crate) fn position<T>(
    map: &NameMap<T>,
    what: &str,
    name: &str,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<usize> {
    let found = map.position(name);
    if found.is_none() && !name.is_empty() {
        let known: Vec<&str> = map.names().collect();
        unknown(what, name, &known, path, errors);
    }
    found
}

/// Finds a unit by name; reports an unknown one.
pub(crate) fn unit(
    name: &str,
    names: &Names,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<UnitId> {
    let found = names.unit(name);
    if found.is_none() {
        unknown("unit", name, &names.unit_names(), path, errors);
    }
    found
}

/// Reports a name that nothing defines.
pub(crate) fn unknown(
    what: &str,
    name: &str,
    known: &[&str],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    const SHOWN: usize = 12;
    let name_shown = quoted(name);
    let message = match (nearest(name, known), known.len()) {
        (_, 0) => format!("there is no {what} {name_shown}, and none is defined"),
        (Some(near), _) => format!("there is no {what} {name_shown}, did you mean {near}?"),
        (None, count) if count <= SHOWN => {
            format!("there is no {what} {name_shown}, use {}", one_of(known.iter().copied()))
        }
        (None, count) => format!("there is no {what} {name_shown} among the {count} defined"),
    };
    errors.add(path, ErrorKind::Reference, &message);
}
