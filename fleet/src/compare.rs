//! Two documents, path by path.

use serde_json::{Number, Value};
use serin_core::inspect::path_step;

/// A place where two documents differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Difference {
    /// Where, as the paths of errors: `flags.checkout.rules[0].ramp.share`.
    pub path: String,
    /// What the first document has there.
    pub old: Option<Value>,
    /// What the second one has there.
    pub new: Option<Value>,
}

/// Every place where two documents differ, as deep as both have something there, in the order of
/// names. `42` and `42.0` are the same number, as they are to the digest.
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
                compare(under(&path, name), a.get(name), b.get(name), found);
            }
        }
        (Some(Value::Array(a)), Some(Value::Array(b))) => {
            for index in 0..a.len().max(b.len()) {
                compare(format!("{path}[{index}]"), a.get(index), b.get(index), found);
            }
        }
        (Some(Value::Number(a)), Some(Value::Number(b))) if text(a) == text(b) => {}
        (old, new) if old == new => {}
        (old, new) => found.push(Difference { path, old: old.cloned(), new: new.cloned() }),
    }
}

/// A key below a path.
pub(crate) fn under(path: &str, key: &str) -> String {
    let step = path_step(key);
    let joint = if path.is_empty() || step.starts_with('[') { "" } else { "." };
    format!("{path}{joint}{step}")
}

fn text(number: &Number) -> String {
    let text = number.to_string();
    text.strip_suffix(".0").map(str::to_owned).unwrap_or(text)
}

/// A value for people: JSON, cut where it is long.
pub fn shown(value: Option<&Value>) -> String {
    const LONGEST: usize = 80;
    let Some(value) = value else { return "nothing".to_owned() };
    let text = value.to_string();
    if text.chars().count() <= LONGEST {
        return text;
    }
    text.chars().take(LONGEST).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_each_place_once() {
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
        assert_eq!(shown(None), "nothing");
        assert_eq!(shown(Some(&json!({"a": 1}))), "{\"a\":1}");
        assert_eq!(shown(Some(&json!("é".repeat(100)))).chars().count(), 81);
    }
}
