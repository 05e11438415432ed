//! Attributes that fit the conditions of specs, so that made-up units get past them.

use super::outcome::Pair;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// More would make a comparison long; what is left out is not among the groups.
const MOST: usize = 32;
/// Of one condition; alternatives multiply.
const MOST_OF_ONE: usize = 8;
/// Cohorts name cohorts; specs that compile go no deeper than this.
const DEEPEST: usize = 64;

/// What a group of units has beside its ids.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Profile {
    pub(super) attributes: Vec<(String, String)>,
}

type Attributes = BTreeMap<String, String>;

impl Profile {
    /// Who the unit is, if the attributes themselves say it.
    pub(super) fn id(&self, sources: &[String]) -> Option<&str> {
        let named = |name: &String| name.starts_with("unit.") || sources.contains(name);
        let found = self.attributes.iter().find(|(name, _)| named(name));
        found.map(|(_, value)| value.as_str())
    }
}

/// One for each way into each cohort of either spec, and into each other condition of the flags and
/// rollouts that have changed or that an abort turns, each once; and how many there are beyond the bound.
pub(super) fn profiles(pair: &Pair<'_>, turned: &BTreeSet<String>) -> (Vec<Profile>, usize) {
    let mut found = Vec::new();
    for (own, other) in [(&pair.new, &pair.old), (&pair.old, &pair.new)] {
        let document = own.document;
        let cohorts = document.get("cohorts").and_then(Value::as_object);
        for condition in cohorts.into_iter().flat_map(|cohorts| cohorts.values()) {
            found.extend(alternatives(document, condition, DEEPEST));
        }
        for section in ["flags", "rollouts"] {
            let parts = document.get(section).and_then(Value::as_object);
            for (name, part) in parts.into_iter().flatten() {
                let turned = section == "flags" && turned.contains(name);
                let there = other.document.get(section).and_then(|parts| parts.get(name));
                if turned || there != Some(part) {
                    let mut within = Vec::new();
                    conditions(part, &mut within);
                    let ways = within.iter().map(|it| alternatives(document, it, DEEPEST));
                    found.extend(ways.flatten());
                }
            }
        }
    }
    let mut known = BTreeSet::new();
    found.retain(|it: &Attributes| !it.is_empty() && known.insert(it.clone()));
    let left_out = found.len().saturating_sub(MOST);
    found.truncate(MOST);
    let profiles = found.into_iter().map(|it| Profile { attributes: it.into_iter().collect() });
    (profiles.collect(), left_out)
}

/// The outermost conditions in a flag or a rollout: `when`, and the items of `rings`.
fn conditions<'v>(part: &'v Value, found: &mut Vec<&'v Value>) {
    match part {
        Value::Object(fields) => {
            for (name, value) in fields {
                match name.as_str() {
                    "when" => found.push(value),
                    "rings" => found.extend(value.as_array().into_iter().flatten()),
                    // A value of the flag's own, whatever it looks like.
                    "variants" => {}
                    _ => conditions(value, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| conditions(item, found)),
        _ => {}
    }
}

/// Sets of attributes that most likely fit; whether they do, is for the core to say.
fn alternatives(document: &Value, condition: &Value, depth: usize) -> Vec<Attributes> {
    let Some(depth) = depth.checked_sub(1) else { return Vec::new() };
    let parts = |name: &str| condition.get(name).and_then(Value::as_array);
    let mut found = if let Some(parts) = parts("any") {
        parts.iter().flat_map(|part| alternatives(document, part, depth)).collect()
    } else if let Some(parts) = parts("all") {
        let mut ways = vec![Attributes::new()];
        for part in parts {
            let of_part = alternatives(document, part, depth);
            ways =
                ways.iter().flat_map(|way| of_part.iter().map(|more| merged(way, more))).collect();
            ways.truncate(MOST_OF_ONE);
        }
        ways
    } else if let Some(name) = condition.get("cohort").and_then(Value::as_str) {
        let cohort = document.get("cohorts").and_then(|cohorts| cohorts.get(name));
        cohort.map(|cohort| alternatives(document, cohort, depth)).unwrap_or_default()
    } else if condition.get("not").is_some() {
        // Whoever has nothing.
        vec![Attributes::new()]
    } else {
        test(condition)
    };
    found.truncate(MOST_OF_ONE);
    found
}

fn merged(one: &Attributes, more: &Attributes) -> Attributes {
    one.iter().chain(more).map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// Values for one attribute with its operators.
fn test(test: &Value) -> Vec<Attributes> {
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
        return one(version(&range));
    }
    if let Some(value) = number(test) {
        return one(value);
    }
    if let Some(glob) = first("glob") {
        return one(glob.replace('\\', "").replace(['*', '?'], "x"));
    }
    let part = |operator: &str| first(operator).unwrap_or_default();
    let text = [part("prefix"), part("contains"), part("suffix")].concat();
    one(if text.is_empty() { "any".into() } else { text })
}

/// The first item of a list, or the operand itself.
fn first(operand: &Value) -> Option<String> {
    match operand {
        Value::Array(items) => first(items.first()?),
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// The least version that a comparator takes in: `>=1.2 <2` is `1.2.0`, `<2.0.0` is `0.0.0`.
fn version(range: &str) -> String {
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

/// A whole number between the bounds, if there are bounds.
fn number(test: &Value) -> Option<String> {
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
    fn fits(condition: Value, wanted: &[(&str, &str)]) {
        let document = json!({
            "formatVersion": 1,
            "units": {"user": [{"header": "x-user-id"}]},
            "cohorts": {"it": condition, "eu": {"attribute": "country", "in": ["DE", "FR"]}},
        });
        let plan = serin_core::Plan::from_json(document.to_string().as_bytes()).unwrap();
        let ways = alternatives(&document, &document["cohorts"]["it"], DEEPEST);
        let way = &ways[0];
        let found: Vec<_> =
            way.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(found, wanted);
        let context = found.iter().map(|(name, value)| (*name, std::borrow::Cow::Borrowed(*value)));
        let facts = serin_core::Facts::from_context(&plan, context, None, None);
        assert_eq!(serin_core::evaluate_cohort(&plan, &facts, "it"), Some(true), "{found:?}");
    }

    #[test]
    fn attributes_fit_as_the_core_sees_it() {
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
            fits(json!({"attribute": x, operator: operand}), &[(x, value)]);
        }
        fits(json!({"attribute": "ip", "cidr": ["10.0.0.0/8"]}), &[("ip", "10.0.0.0")]);
        fits(json!({"attribute": x, "gte": 3, "lt": 5}), &[(x, "3")]);
        fits(json!({"attribute": x, "prefix": "a", "suffix": "b"}), &[(x, "ab")]);
    }

    #[test]
    fn groups_of_conditions() {
        let eu = json!({"cohort": "eu"});
        let pro = json!({"attribute": "header.x-plan", "equals": "pro"});
        let both = [("country", "DE"), ("header.x-plan", "pro")];
        fits(json!({"all": [eu, pro]}), &both);
        fits(json!({"any": [eu, pro]}), &both[..1]);
        fits(json!({"not": eu}), &[]);
    }
}
