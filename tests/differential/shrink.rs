//! The shrinker: reduces the spec and the request of a difference, and prints them as a vector.

use crate::pair::{Coverage, Difference, first_difference};
use serde_json::{Value, json};
use serin_conformance::native;
use serin_conformance::vector::Case;
use serin_core::Plan;
use serin_host_sim::Module;

/// The maximum number of smaller pairs to try.
const MAX_TRIES: usize = 3000;

/// A report of a difference with the smallest spec and request that show it, in the form of
/// `tests/vectors`.
pub(crate) fn report(module: &Module, spec: Value, cases: Vec<Case>, found: Difference) -> String {
    let mut shrinker = Shrinker { module, tries_left: MAX_TRIES };
    // The request alone, or with all previous requests if the order matters.
    let mut cases = cases;
    cases.truncate(found.index + 1);
    let alone = cases.split_off(found.index);
    if shrinker.try_compare(&spec, &alone).is_some() {
        cases = alone;
    } else {
        cases.extend(alone);
    }
    let mut spec = spec;
    while shrinker.remove_one_part(&mut spec, &mut cases) {}
    let what = shrinker.compare(&spec, &cases).map_or(found.what, |difference| difference.what);
    format!("{what}\n{}", vector(spec, cases))
}

struct Shrinker<'m> {
    module: &'m Module,
    tries_left: usize,
}

impl Shrinker<'_> {
    /// [`Shrinker::compare`] while there are tries left.
    fn try_compare(&mut self, spec: &Value, cases: &[Case]) -> Option<Difference> {
        self.tries_left = self.tries_left.checked_sub(1)?;
        self.compare(spec, cases)
    }

    fn compare(&self, spec: &Value, cases: &[Case]) -> Option<Difference> {
        let plan = Plan::from_json(spec.to_string().as_bytes()).ok()?;
        first_difference(self.module, &plan, spec, cases, &mut Coverage::default())
    }

    /// Removes the first part of the spec or of the last request without which the outcomes still
    /// differ. Returns whether there was one.
    fn remove_one_part(&mut self, spec: &mut Value, cases: &mut [Case]) -> bool {
        for path in paths(spec) {
            let mut smaller = spec.clone();
            remove(&mut smaller, &path);
            if self.try_compare(&smaller, cases).is_some() {
                *spec = smaller;
                return true;
            }
        }
        let Some(last) = cases.last() else { return false };
        for index in 0..last.request.headers.len() {
            let removed = cases.last_mut().map(|case| case.request.headers.remove(index));
            if self.try_compare(spec, cases).is_some() {
                return true;
            }
            if let (Some(header), Some(case)) = (removed, cases.last_mut()) {
                case.request.headers.insert(index, header);
            }
        }
        false
    }
}

/// The paths of all entries of objects and lists, shortest first.
fn paths(value: &Value) -> Vec<Vec<String>> {
    fn walk(value: &Value, at: &mut Vec<String>, all: &mut Vec<Vec<String>>) {
        let entries: Vec<(String, &Value)> = match value {
            Value::Object(entries) => {
                entries.iter().map(|(key, value)| (key.clone(), value)).collect()
            }
            Value::Array(items) => {
                items.iter().enumerate().map(|(at, item)| (at.to_string(), item)).collect()
            }
            _ => return,
        };
        for (key, inner) in entries {
            at.push(key);
            all.push(at.clone());
            walk(inner, at, all);
            at.pop();
        }
    }
    let mut all = Vec::new();
    walk(value, &mut Vec::new(), &mut all);
    all.sort_by_key(Vec::len);
    all
}

/// Removes the entry at a path.
fn remove(value: &mut Value, path: &[String]) {
    let Some((key, rest)) = path.split_first() else { return };
    match value {
        Value::Object(entries) if rest.is_empty() => drop(entries.remove(key)),
        Value::Object(entries) => {
            entries.get_mut(key).into_iter().for_each(|inner| remove(inner, rest))
        }
        Value::Array(items) => {
            let at = key.parse().unwrap_or(usize::MAX);
            if rest.is_empty() && at < items.len() {
                items.remove(at);
            } else if let Some(inner) = items.get_mut(at) {
                remove(inner, rest);
            }
        }
        _ => {}
    }
}

/// A suite in the form of the vectors. It expects native Rust's outcomes, which a person must review.
fn vector(spec: Value, mut cases: Vec<Case>) -> String {
    if let Ok(plan) = Plan::from_json(spec.to_string().as_bytes()) {
        for case in &mut cases {
            native::expect(&plan, case);
        }
    }
    let suite = json!({
        "name": "found by chance", "about": "native Rust and the filter differ here",
        "spec": spec, "cases": cases,
    });
    serde_json::to_string_pretty(&suite).unwrap_or_default()
}
