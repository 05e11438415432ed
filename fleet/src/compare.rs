//! The differences between two documents, path by path.
//!
//! ```
//! use serde_json::json;
//! use serin_fleet::compare::differences;
//!
//! let old = json!({"rollouts": {"shop": {"canary": {"share": 5}}}});
//! let new = json!({"rollouts": {"shop": {"canary": {"share": 25}}}});
//! let found = differences(&old, &new);
//! assert_eq!(found.len(), 1);
//! assert_eq!(found[0].path, "rollouts.shop.canary.share");
//! assert_eq!(found[0].new, Some(json!(25)));
//! ```

use serde_json::{Number, Value};
use serin_core::inspect::path_step;

/// A difference between two documents at one path.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Difference {
    /// The path, in the notation of spec errors: `flags.checkout.rules[0].ramp.share`.
    pub path: String,
    /// The value in the old document.
    pub old: Option<Value>,
    /// The value in the new document.
    pub new: Option<Value>,
}

/// Every difference between two documents, at the deepest paths that both have, sorted by name. `42` and
/// `42.0` are equal, as they are for the digest.
pub fn differences(old: &Value, new: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    compare(String::new(), Some(old), Some(new), &mut found);
    found
}

fn compare(path: String, old: Option<&Value>, new: Option<&Value>, found: &mut Vec<Difference>) {
    match (old, new) {
        (Some(Value::Object(a)), Some(Value::Object(b))) => {
            let mut names: Vec<&String> = a.keys().chain(b.keys()).collect();
            names.sort();
            names.dedup();
            for name in names {
                compare(child_path(&path, name), a.get(name), b.get(name), found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for index in 0..a.len().max(b.len()) {
                compare(format!("{path}[{index}]"), a.get(index), b.get(index), found);
            }
        }
        (Some(Value::Number(a)), Some(Value::Number(b))) if canonical(a) == canonical(b) => {}
        (old, new) if old == new => {}
        (old, new) => found.push(Difference { path, old: old.cloned(), new: new.cloned() }),
    }
}

/// The path of a key of the object at `path`.
pub(crate) fn child_path(path: &str, key: &str) -> String {
    let step = path_step(key);
    let separator = if path.is_empty() || step.starts_with('[') { "" } else { "." };
    format!("{path}{separator}{step}")
}

/// A number as the digest reads it: a whole number has no fraction.
fn canonical(number: &Number) -> String {
    let text = number.to_string();
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// The value as JSON, cut after 80 characters; `nothing` if there is none.
pub fn short_json(value: Option<&Value>) -> String {
    const MAX_CHARS: usize = 80;
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    if text.chars().count() <= MAX_CHARS {
        return text;
    }
    text.chars().take(MAX_CHARS).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn each_difference_is_listed_once() {
        let old = json!({"a": {"x y": 1, "same": 42.0}, "list": [1, 2], "gone": null});
        let new = json!({"a": {"x y": 2, "same": 42}, "list": [1, 3, 4]});
        let found = differences(&old, &new);
        let found: Vec<_> = found.iter().map(|it| (it.path.as_str(), &it.old, &it.new)).collect();
        assert_eq!(
            found,
            [
                ("a[\"x y\"]", &Some(json!(1)), &Some(json!(2))),
                ("gone", &Some(Value::Null), &None),
                ("list[1]", &Some(json!(2)), &Some(json!(3))),
                ("list[2]", &None, &Some(json!(4))),
            ]
        );
        assert_eq!(differences(&old, &old), []);
    }

    #[test]
    fn long_values_are_cut() {
        assert_eq!(short_json(None), "nothing");
        assert_eq!(short_json(Some(&json!({"a": 1}))), "{\"a\":1}");
        assert_eq!(short_json(Some(&json!("é".repeat(100)))).chars().count(), 81);
    }
}
