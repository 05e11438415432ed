//! Attribute profiles: sets of attributes that satisfy the conditions of the specs, so that generated units
//! reach the rules behind them.

use super::spec_pair::Pair;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The maximum number of profiles, which bounds the time of a comparison.
const MAX_PROFILES: usize = 32;
/// The maximum number of profiles of one condition, because the alternatives of its parts multiply.
const MAX_PER_CONDITION: usize = 8;
/// The maximum nesting of conditions. Specs that compile nest no deeper.
const MAX_DEPTH: usize = 64;

/// The attributes that the units of a group have in addition to their ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct AttributeProfile {
    pub(super) attributes: Vec<(String, String)>,
}

type Attributes = BTreeMap<String, String>;

impl AttributeProfile {
    /// The id of the unit, if an attribute of the profile is the unit itself or one of its sources.
    pub(super) fn id(&self, sources: &[String]) -> Option<&str> {
        let is_id = |name: &String| name.starts_with("unit.") || sources.contains(name);
        let found = self.attributes.iter().find(|(name, _)| is_id(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// The profiles for every cohort of either spec, and for every other condition of flags and rollouts that
/// have changed or that an abort switches, without duplicates; and the number of profiles beyond the maximum.
pub(super) fn profiles(
    pair: &Pair<'_>,
    switched: &BTreeSet<String>,
) -> (Vec<AttributeProfile>, usize) {
    let mut found = Vec::new();
    for (own, other) in [(&pair.new, &pair.old), (&pair.old, &pair.new)] {
        let document = own.document;
        let cohorts = document.get("cohorts").and_then(Value::as_object);
        for condition in cohorts.into_iter().flat_map(|cohorts| cohorts.values()) {
            found.extend(alternatives(document, condition, MAX_DEPTH));
        }
        for section in ["flags", "rollouts"] {
            let parts = document.get(section).and_then(Value::as_object);
            for (name, part) in parts.into_iter().flatten() {
                let is_switched = section == "flags" && switched.contains(name);
                let counterpart = other.document.get(section).and_then(|parts| parts.get(name));
                if is_switched || counterpart != Some(part) {
                    let mut outermost = Vec::new();
                    conditions(part, &mut outermost);
                    let sets = outermost.iter().map(|it| alternatives(document, it, MAX_DEPTH));
                    found.extend(sets.flatten());
                }
            }
        }
    }
    let mut known = BTreeSet::new();
    found.retain(|it: &Attributes| !it.is_empty() && known.insert(it.clone()));
    let left_out = found.len().saturating_sub(MAX_PROFILES);
    found.truncate(MAX_PROFILES);
    let profiles =
        found.into_iter().map(|it| AttributeProfile { attributes: it.into_iter().collect() });
    (profiles.collect(), left_out)
}

/// The outermost conditions of a flag or a rollout: `when`, and the items of `rings`.
fn conditions<'v>(part: &'v Value, found: &mut Vec<&'v Value>) {
    match part {
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "when" => found.push(value),
                    "rings" => found.extend(value.as_array().into_iter().flatten()),
                    // Values of variants are no conditions, whatever they look like.
                    "variants" => {}
                    _ => conditions(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| conditions(item, found)),
        _ => {}
    }
}

/// Sets of attributes that probably satisfy the condition. The core decides whether they do.
fn alternatives(document: &Value, condition: &Value, depth: usize) -> Vec<Attributes> {
    let Some(depth) = depth.checked_sub(1) else { return Vec::new() };
    let parts = |name: &str| condition.get(name).and_then(Value::as_array);
    let mut found = if let Some(parts) = parts("any") {
        parts.iter().flat_map(|part| alternatives(document, part, depth)).collect()
    } else if let Some(parts) = parts("all") {
        let mut sets = vec![Attributes::new()];
        for part in parts {
            let of_part = alternatives(document, part, depth);
            sets =
                sets.iter().flat_map(|set| of_part.iter().map(|more| merged(set, more))).collect();
            sets.truncate(MAX_PER_CONDITION);
        }
        sets
    } else if let Some(name) = condition.get("cohort").and_then(Value::as_str) {
        let cohort = document.get("cohorts").and_then(|cohorts| cohorts.get(name));
        cohort.map(|cohort| alternatives(document, cohort, depth)).unwrap_or_default()
    } else if condition.get("not").is_some() {
        // A unit without attributes.
        vec![Attributes::new()]
    } else {
        satisfying_value(condition)
    };
    found.truncate(MAX_PER_CONDITION);
    found
}

fn merged(one: &Attributes, more: &Attributes) -> Attributes {
    one.iter().chain(more).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// A value that satisfies all operators of a test.
fn satisfying_value(test: &Value) -> Vec<Attributes> {
    let Some(name) = test.get("attribute").and_then(Value::as_str) else { return Vec::new() };
    let first = |operator: &str| first(test.get(operator)?);
    let one = |value: String| vec![Attributes::from([(name.to_owned(), value)])];
    if name == "time" || test.get("exists") == Some(&Value::Bool(false)) {
        return vec![Attributes::new()];
    }
    if let Some(value) = first("equals").or_else(|| first("in")) {
        return one(value);
    }
    if let Some(network) = first("cidr") {
        return one(network.split('/').next().unwrap_or_default().to_owned());
    }
    if let Some(range) = first("semver") {
        return one(lowest_version(&range));
    }
    if let Some(value) = number_between(test) {
        return one(value);
    }
    if let Some(glob) = first("glob") {
        return one(glob.replace('\\', "").replace(['*', '?'], "x"));
    }
    let part = |operator: &str| first(operator).unwrap_or_default();
    let value = [part("prefix"), part("contains"), part("suffix")].concat();
    one(if value.is_empty() { "any".into() } else { value })
}

/// The first item of a list, or the operand itself.
fn first(operand: &Value) -> Option<String> {
    match operand {
        Value::Array(items) => first(items.first()?),
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The lowest version that the first comparator of a range accepts: `>=1.2 <2` gives `1.2.0`, `<2.0.0`
/// gives `0.0.0`.
fn lowest_version(range: &str) -> String {
    let first = range.split([' ', ',']).find(|part| !part.is_empty()).unwrap_or_default();
    if let Some(below) = first.strip_prefix('<') {
        return below.strip_prefix('=').map_or_else(|| "0.0.0".into(), padded);
    }
    let bare = padded(first.trim_start_matches(['>', '=', '^', '~', 'v']));
    match bare.rsplit_once('.') {
        Some((head, patch)) if first.starts_with('>') && !first.starts_with(">=") => {
            let next = patch.parse::<u64>().unwrap_or_default().saturating_add(1);
            format!("{head}.{next}")
        }
        _ => bare,
    }
}

/// `1.2` → `1.2.0`.
fn padded(version: &str) -> String {
    let missing = 2_usize.saturating_sub(version.matches('.').count());
    version.replace(['x', '*'], "0") + &".0".repeat(missing)
}

/// A whole number between the bounds; `None` if the test has no bounds.
fn number_between(test: &Value) -> Option<String> {
    let bound = |name: &str| test.get(name).and_then(Value::as_f64);
    let above = bound("gte").map(f64::ceil).or(bound("gt").map(|bound| bound.floor() + 1.0));
    let below = bound("lte").map(f64::floor).or(bound("lt").map(|bound| bound.ceil() - 1.0));
    above.or(below).map(|number| format!("{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[track_caller]
    fn assert_profile(condition: Value, wanted: &[(&str, &str)]) {
        let document = json!({
            "formatVersion": 1,
            "units": {"user": [{"header": "x-user-id"}]},
            "cohorts": {"it": condition, "eu": {"attribute": "country", "in": ["DE", "FR"]}},
        });
        let plan = serin_core::Plan::from_json(document.to_string().as_bytes()).unwrap();
        let sets = alternatives(&document, &document["cohorts"]["it"], MAX_DEPTH);
        let first = &sets[0];
        let found: Vec<_> =
            first.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, wanted);
        let context = found.iter().map(|(name, value)| (*name, std::borrow::Cow::Borrowed(*value)));
        let facts = serin_core::Facts::from_context(&plan, context, None, None);
        assert_eq!(serin_core::evaluate_cohort(&plan, &facts, "it"), Some(true), "{found:?}");
    }

    #[test]
    fn attributes_satisfy_the_operator_in_the_core() {
        let x = "header.x";
        for (operator, operand, value) in [
            ("equals", json!("a b"), "a b"),
            ("equals", json!(true), "true"),
            ("in", json!([1.5, 2]), "1.5"),
            ("prefix", json!(["in-", "out-"]), "in-"),
            ("suffix", json!("@corp.example"), "@corp.example"),
            ("contains", json!("beta"), "beta"),
            ("glob", json!("a*b?c"), "axbxc"),
            ("exists", json!(true), "any"),
            ("semver", json!(">=1.2 <2"), "1.2.0"),
            ("semver", json!("^1.2.3"), "1.2.3"),
            ("semver", json!(">1.2.3"), "1.2.4"),
            ("semver", json!("<2.0.0"), "0.0.0"),
            ("gt", json!(41), "42"),
            ("lt", json!(0), "-1"),
            ("gte", json!(18.5), "19"),
        ] {
            assert_profile(json!({"attribute": x, operator: operand}), &[(x, value)]);
        }
        assert_profile(json!({"attribute": "ip", "cidr": ["10.0.0.0/8"]}), &[("ip", "10.0.0.0")]);
        assert_profile(json!({"attribute": x, "gte": 3, "lt": 5}), &[(x, "3")]);
        assert_profile(json!({"attribute": x, "prefix": "a", "suffix": "b"}), &[(x, "ab")]);
    }

    #[test]
    fn combined_conditions_merge_their_attributes() {
        let eu = json!({"cohort": "eu"});
        let pro = json!({"attribute": "header.x-plan", "equals": "pro"});
        let both = [("country", "DE"), ("header.x-plan", "pro")];
        assert_profile(json!({"all": [eu, pro]}), &both);
        assert_profile(json!({"any": [eu, pro]}), &both[..1]);
        assert_profile(json!({"not": eu}), &[]);
    }
}
