//! The flags that a change can affect. A spec may have thousands of flags and a change affects few; only
//! those are evaluated for every unit.

use super::spec_pair::{Pair, position};
use serde_json::Value;
use serin_core::NameMap;
use serin_core::spec::FlagKind;
use std::collections::BTreeSet;

/// Whether each flag of a sorted list has changed, or anything that it depends on has. `switched` are the
/// flags that an abort disables under one of the specs only.
pub(super) fn affected_flags(
    pair: &Pair<'_>,
    flags: &[String],
    switched: &BTreeSet<String>,
) -> Vec<bool> {
    let (a, b) = (pair.old.spec, pair.new.spec);
    let cohorts = changed_cohorts(pair);
    let layers = changed_names(&a.layers, &b.layers);
    let has_changed = |name: &String| {
        let (Some(old), Some(new)) = (a.flags.get(name), b.flags.get(name)) else { return true };
        let document = pair.new.document.get("flags").and_then(|flags| flags.get(name));
        let can_be_held_out = !matches!(new.kind, Some(FlagKind::Ops | FlagKind::Permission));
        switched.contains(name)
            || a.units != b.units
            || old != new
            || (can_be_held_out && a.holdouts != b.holdouts)
            || document.is_none_or(|document| refers_to(document, &cohorts, &layers))
    };
    let mut affected: Vec<bool> = flags.iter().map(has_changed).collect();
    loop {
        let previous = affected.clone();
        for (index, name) in flags.iter().enumerate() {
            let required = b.flags.get(name).into_iter().flat_map(|flag| &flag.requires);
            let mut required = required.filter_map(|(name, _)| position(flags, name));
            let requires_affected = required.any(|index| previous.get(index) == Some(&true));
            if let Some(it) = affected.get_mut(index) {
                *it |= requires_affected;
            }
        }
        if affected == previous {
            return affected;
        }
    }
}

/// The cohorts that have changed, and those that refer to one, directly or through others.
fn changed_cohorts(pair: &Pair<'_>) -> BTreeSet<String> {
    let mut found = changed_names(&pair.old.spec.cohorts, &pair.new.spec.cohorts);
    let sections = [pair.old, pair.new].map(|side| side.document.get("cohorts"));
    let cohorts = || sections.into_iter().flatten().filter_map(Value::as_object).flatten();
    loop {
        let previous = found.len();
        for (name, condition) in cohorts() {
            if !found.contains(name) && refers_to(condition, &found, &BTreeSet::new()) {
                found.insert(name.clone());
            }
        }
        if found.len() == previous {
            return found;
        }
    }
}

fn changed_names<T: PartialEq>(old: &NameMap<T>, new: &NameMap<T>) -> BTreeSet<String> {
    let all = old.names().chain(new.names());
    all.filter(|name| old.get(name) != new.get(name)).map(str::to_owned).collect()
}

/// Whether a part of a document refers to one of these cohorts or layers. A variant's value may look like
/// a reference; the flag is then evaluated needlessly, which does no harm.
fn refers_to(part: &Value, cohorts: &BTreeSet<String>, layers: &BTreeSet<String>) -> bool {
    if cohorts.is_empty() && layers.is_empty() {
        return false;
    }
    match part {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            let is_one_of = |value: Option<&Value>, names: &BTreeSet<String>| {
                value.and_then(Value::as_str).is_some_and(|name| names.contains(name))
            };
            (name == "cohort" && is_one_of(Some(value), cohorts))
                || (name == "layer" && is_one_of(value.get("name"), layers))
                || refers_to(value, cohorts, layers)
        }),
        Value::Array(items) => items.iter().any(|item| refers_to(item, cohorts, layers)),
        _ => false,
    }
}
