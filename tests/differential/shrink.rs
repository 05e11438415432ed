//! A difference made small, and printed as a vector.

use crate::pair::{Difference, Reached, first_difference};
use serde_json::{Value, json};
use serin_conformance::native;
use serin_conformance::vector::Case;
use serin_core::Plan;
use serin_host_sim::Module;

/// Tries at most this many smaller pairs.
const TRIES: usize = 3000;

/// What differs, and the smallest spec and request found on which it does, ready for
/// `tests/vectors`.
pub(crate) fn report(module: &Module, spec: Value, cases: Vec<Case>, found: Difference) -> String {
    let mut search = Search { module, tries: TRIES };
    // The request alone, or with all that came before it where the order matters.
    let mut before = cases;
    before.truncate(found.at + 1);
    let alone = before.split_off(found.at);
    let cases = if search.differ(&spec, &alone).is_some() {
        alone
    } else {
        before.extend(alone);
        before
    };
    let (mut spec, mut cases) = (spec, cases);
    while search.step(&mut spec, &mut cases) {}
    let what = search.once(&spec, &cases).map_or(found.what, |difference| difference.what);
    format!("{what}\n{}", vector(spec, cases))
}

struct Search<'m> {
    module: &'m Module,
    tries: usize,
}

impl Search<'_> {
    fn differ(&mut self, spec: &Value, cases: &[Case]) -> Option<Difference> {
        self.tries = self.tries.checked_sub(1)?;
        self.once(spec, cases)
    }

    fn once(&self, spec: &Value, cases: &[Case]) -> Option<Difference> {
        let plan = Plan::from_json(spec.to_string().as_bytes()).ok()?;
        first_difference(self.module, &plan, spec, cases, &mut Reached::default())
    }

    /// Leaves one part out, if the rest still differs. Says whether it found one.
    fn step(&mut self, spec: &mut Value, cases: &mut [Case]) -> bool {
        for part in parts(spec) {
            let mut smaller = spec.clone();
            remove(&mut smaller, &part);
            if self.differ(&smaller, cases).is_some() {
                *spec = smaller;
                return true;
            }
        }
        let Some(last) = cases.last() else { return false };
        for at in 0..last.request.headers.len() {
            let left_out = cases.last_mut().map(|case| case.request.headers.remove(at));
            if self.differ(spec, cases).is_some() {
                return true;
            }
            if let (Some(header), Some(case)) = (left_out, cases.last_mut()) {
                case.request.headers.insert(at, header);
            }
        }
        false
    }
}

/// The way to every entry of every object and list, large ones first.
fn parts(value: &Value) -> Vec<Vec<String>> {
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

fn remove(value: &mut Value, part: &[String]) {
    let Some((key, rest)) = part.split_first() else { return };
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

/// A suite as the vectors have them. It expects what native Rust does, which is to be reviewed.
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
