//! The reader of splits: the bucketing and the weights.

use super::node::Node;
use super::reader::{Object, entries, list, share};
use crate::error::{ErrorKind, Errors, Path};
use crate::name_map::NameMap;
use crate::spec::{Bucketing, Weights};
use crate::value::decimal::Decimal;
use crate::value::share::Share;

/// Reads `split` and the `past` of the same object.
pub(crate) fn weights_with_past(
    split: &Node<'_>,
    object: &Object<'_>,
    path: &Path<'_>,
    errors: &mut Errors,
) -> Weights {
    const MAX_PAST: usize = 100;
    let now = weights(split, &path.key("split"), errors);
    let here = path.key("past");
    let past = object.get("past").and_then(|node| list(node, &here, errors)).unwrap_or(&[]);
    if past.len() > MAX_PAST {
        let count = past.len();
        let message = format_args!("has {count} entries, at most {MAX_PAST} are allowed");
        errors.add(&here, ErrorKind::Limit, &message);
    }
    let read = |(index, item)| weights(item, &here.index(index), errors);
    Weights { now, past: past.iter().enumerate().map(read).collect() }
}

/// Reads `unit` and `salt`.
pub(crate) fn bucketing(object: &Object<'_>, errors: &mut Errors) -> Bucketing {
    Bucketing { unit: object.string("unit", errors), salt: object.string("salt", errors) }
}

/// Reads weights by name, in per cent; they must sum to 100.
fn weights(node: &Node<'_>, path: &Path<'_>, errors: &mut Errors) -> NameMap<Share> {
    let Some(members) = entries(node, path, errors) else {
        return NameMap::new();
    };
    let mut weights = NameMap::new();
    let mut all_read = true;
    for (name, value) in members {
        if name.is_empty() {
            errors.add(&path.key(name), ErrorKind::Value, &"the name is empty, write a name");
        }
        let weight = share(value, &path.key(name), errors);
        all_read &= weight.is_some();
        weights.insert(name.as_ref().into(), weight.unwrap_or_default());
    }
    let sum = weights
        .values()
        .fold(0_u64, |sum, weight| sum.saturating_add(weight.millipercent().into()));
    if all_read && sum != u64::from(Share::ALL.millipercent()) {
        let sum = Decimal::from_thousandths(sum.into());
        errors.add(
            path,
            ErrorKind::Value,
            &format_args!("the weights sum to {sum}, they must sum to 100"),
        );
    }
    weights
}
