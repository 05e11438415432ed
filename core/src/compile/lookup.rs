//! Lookup of names in a spec; reports names that nothing defines.

use alloc::format;
use alloc::vec::Vec;

use super::names::Names;
use crate::error::{ErrorKind, Errors, Path, one_of, quoted};
use crate::name_map::NameMap;
use crate::parse::reader::nearest;
use crate::plan::UnitId;

/// The index of a name in a map; reports an unknown name. `kind` is the noun in the message, such
/// as `arm`.
pub(crate) fn position<T>(
    map: &NameMap<T>,
    kind: &str,
    name: &str,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Option<usize> {
    let found = map.position(name);
    // A flag without variants and a rollout without arms are reported.
    let follows = map.is_empty() && matches!(kind, "arm" | "variant") && !errors.is_empty();
    // An empty name could not be read, and is reported.
    let is_reported = follows || (name.is_empty() && !errors.is_empty());
    if found.is_none() && !is_reported {
        let known: Vec<&str> = map.names().collect();
        unknown(kind, name, &known, path, errors);
    }
    found
}

/// The unit of a name; reports an unknown name.
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
    kind: &str,
    name: &str,
    known: &[&str],
    path: &Path<'_>,
    errors: &mut Errors,
) {
    const SHOWN: usize = 12;
    if known.is_empty() && errors.has_section(&format!("{kind}s")) {
        return;
    }
    let name_shown = quoted(name);
    let suggestion = nearest(name, known);
    let message = match (suggestion, known.len()) {
        (_, 0) => format!("there is no {kind} {name_shown}, and none is defined"),
        (Some(_), _) => format!("there is no {kind} {name_shown}"),
        (None, count) if count <= SHOWN => {
            format!("there is no {kind} {name_shown}, use {}", one_of(known.iter().copied()))
        }
        (None, count) => format!("there is no {kind} {name_shown} among the {count} defined"),
    };
    errors.add_name(path, ErrorKind::Reference, &message, name, suggestion);
}
