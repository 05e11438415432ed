//! Which flags may not give what they gave: of thousands, a change touches few, and only those are asked
//! about for everybody.

use super::outcome::Pair;
use super::tally::position;
use serde_json::Value;
use serin_core::NameMap;
use serin_core::spec::FlagKind;
use std::collections::BTreeSet;

/// For each flag of a sorted list, whether it has changed, or anything that it stands on. `turned` are
/// those that an abort turns off in one of the specs alone.
pub(super) fn touched(pair: &Pair<'_>, flags: &[String], turned: &BTreeSet<String>) -> Vec<bool> {
    let (a, b) = (pair.old.spec, pair.new.spec);
    let cohorts = changed_cohorts(pair);
    let layers = changed(&a.layers, &b.layers);
    let changed = |name: &String| {
        let (Some(old), Some(new)) = (a.flags.get(name), b.flags.get(name)) else { return true };
        let document = pair.new.document.get("flags").and_then(|flags| flags.get(name));
        let held_out = !matches!(new.kind, Some(FlagKind::Ops | FlagKind::Permission));
        turned.contains(name)
            || a.units != b.units
            || old != new
            || (held_out && a.holdouts != b.holdouts)
            || document.is_none_or(|document| names(document, &cohorts, &layers))
    };
    let mut touched: Vec<bool> = flags.iter().map(changed).collect();
    loop {
        let before = touched.clone();
        for (at, name) in flags.iter().enumerate() {
            let required = b.flags.get(name).into_iter().flat_map(|flag| &flag.requires);
            let mut known = required.filter_map(|(name, _)| position(flags, name));
            let stands_on_one = known.any(|at| before.get(at) == Some(&true));
            if let Some(it) = touched.get_mut(at) {
                *it |= stands_on_one;
            }
        }
        if touched == before {
            return touched;
        }
    }
}

/// Cohorts that are not as they were, and those that name one.
fn changed_cohorts(pair: &Pair<'_>) -> BTreeSet<String> {
    let mut found = changed(&pair.old.spec.cohorts, &pair.new.spec.cohorts);
    let sections = [pair.old, pair.new].map(|side| side.document.get("cohorts"));
    let known = || sections.into_iter().flatten().filter_map(Value::as_object).flatten();
    loop {
        let before = found.len();
        for (name, condition) in known() {
            if !found.contains(name) && names(condition, &found, &BTreeSet::new()) {
                found.insert(name.clone());
            }
        }
        if found.len() == before {
            return found;
        }
    }
}

fn changed<T: PartialEq>(old: &NameMap<T>, new: &NameMap<T>) -> BTreeSet<String> {
    let all = old.names().chain(new.names());
    all.filter(|name| old.get(name) != new.get(name)).map(str::to_owned).collect()
}

/// Whether one of these is named anywhere in a part of a document. A value of the flag's own may look
/// like it, then the flag is asked about for nothing.
fn names(part: &Value, cohorts: &BTreeSet<String>, layers: &BTreeSet<String>) -> bool {
    if cohorts.is_empty() && layers.is_empty() {
        return false;
    }
    match part {
        Value::Object(fields) => fields.iter().any(|(name, value)| {
            let named = |value: Option<&Value>, known: &BTreeSet<String>| {
                value.and_then(Value::as_str).is_some_and(|name| known.contains(name))
            };
            (name == "cohort" && named(Some(value), cohorts))
                || (name == "layer" && named(value.get("name"), layers))
                || names(value, cohorts, layers)
        }),
        Value::Array(items) => items.iter().any(|item| names(item, cohorts, layers)),
        _ => false,
    }
}
