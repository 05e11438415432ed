//! Sample attributes: the values that put a request into a cohort, derived from its condition.

use serde_json::Value;

/// Names and values of attributes, such as `header.x-plan` and `enterprise`.
pub(super) type SampleAttributes = Vec<(String, String)>;

/// The deepest nesting of conditions: a cohort may name a cohort.
const MAX_DEPTH: usize = 64;

/// The attributes that a condition asks for; `None` if they cannot be derived. They are a guess: the caller
/// has to evaluate the condition with them.
pub(super) fn find(cohorts: &Value, condition: &Value) -> Option<SampleAttributes> {
    within(cohorts, condition, MAX_DEPTH)
}

fn within(cohorts: &Value, condition: &Value, depth: usize) -> Option<SampleAttributes> {
    let depth = depth.checked_sub(1)?;
    if let Some(name) = condition["cohort"].as_str() {
        return within(cohorts, cohorts.get(name)?, depth);
    }
    if let Some(all) = condition["all"].as_array() {
        let parts = all.iter().map(|part| within(cohorts, part, depth));
        return Some(parts.collect::<Option<Vec<SampleAttributes>>>()?.concat());
    }
    if let Some(any) = condition["any"].as_array() {
        return any.iter().find_map(|part| within(cohorts, part, depth));
    }
    if condition.get("not").is_some() {
        // A request without the attribute is the best guess.
        return Some(SampleAttributes::new());
    }
    let attribute = condition["attribute"].as_str()?;
    let sent = ["header.", "cookie.", "query.", "jwt."];
    let can_be_sent = attribute == "ip" || sent.iter().any(|family| attribute.starts_with(family));
    let value = value(condition.as_object()?)?;
    can_be_sent.then(|| vec![(attribute.to_owned(), value)])
}

/// A value that the condition's first operator accepts.
fn value(condition: &serde_json::Map<String, Value>) -> Option<String> {
    let (operator, operand) = condition.iter().find(|(name, _)| *name != "attribute")?;
    let first = operand.as_array().map_or(Some(operand), |list| list.first())?;
    let text = match first {
        Value::String(text) => text.clone(),
        Value::Number(_) | Value::Bool(_) => first.to_string(),
        _ => return None,
    };
    let number = || text.parse::<f64>().ok();
    Some(match operator.as_str() {
        "equals" | "in" | "prefix" | "contains" | "lte" | "gte" => text,
        "suffix" => format!("drill{text}"),
        "glob" => text.replace(['*', '?'], "x"),
        "exists" => (text == "true").then(|| "1".to_owned())?,
        "cidr" => text.split('/').next()?.to_owned(),
        "lt" => (number()? - 1.0).to_string(),
        "gt" => (number()? + 1.0).to_string(),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn attributes_that_a_request_carries_are_found() {
        let cohorts = json!({
            "pro": { "attribute": "header.x-plan", "in": [ "pro", "max" ] },
            "corp": { "any": [
                { "attribute": "country", "equals": "DE" },
                { "attribute": "header.x-email", "suffix": [ "@corp.example" ] },
            ] },
            "both": { "all": [ { "cohort": "pro" }, { "cohort": "corp" }, { "not": { "cohort": "pro" } } ] },
            "loop": { "cohort": "loop" },
        });
        let found = |name: &str| find(&cohorts, &json!({ "cohort": name }));
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        assert_eq!(found("pro"), Some(vec![pair("header.x-plan", "pro")]));
        assert_eq!(found("corp"), Some(vec![pair("header.x-email", "drill@corp.example")]));
        assert_eq!(found("both").map(|both| both.len()), Some(2));
        assert_eq!((found("loop"), found("none")), (None, None));
        let office = json!({ "attribute": "ip", "cidr": [ "10.0.0.0/8" ] });
        assert_eq!(find(&cohorts, &office), Some(vec![pair("ip", "10.0.0.0")]));
    }
}
