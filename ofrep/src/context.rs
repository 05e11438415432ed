//! The body of a request: an evaluation context as JSON.

use std::borrow::Cow;

use serde_json::{Map, Value};
use serin_core::{Facts, Plan};

use crate::evaluate::Failure;

/// An evaluation context.
pub(crate) struct Context(Map<String, Value>);

/// Reads a body. An empty one and one without a context are an empty context.
pub(crate) fn read(body: &[u8]) -> Result<Context, Failure> {
    if body.trim_ascii().is_empty() {
        return Ok(Context(Map::new()));
    }
    let body: Value = serde_json::from_slice(body)
        .map_err(|error| Failure::new("PARSE_ERROR", format!("the body is not JSON: {error}")))?;
    let Value::Object(mut body) = body else {
        return Err(Failure::new("PARSE_ERROR", "the body is not a JSON object".to_owned()));
    };
    let context = match body.remove("context") {
        None | Some(Value::Null) => Map::new(),
        Some(Value::Object(context)) => context,
        Some(_) => {
            return Err(Failure::new("INVALID_CONTEXT", "the context is not an object".to_owned()));
        }
    };
    match context.get("targetingKey") {
        None | Some(Value::Null | Value::String(_)) => Ok(Context(context)),
        Some(_) => {
            Err(Failure::new("INVALID_CONTEXT", "the targetingKey is not a text".to_owned()))
        }
    }
}

impl Context {
    /// What the context says, for a plan. A number or boolean is the text that JSON writes; lists,
    /// objects and null count as missing.
    pub(crate) fn facts(&self, plan: &Plan, now: u64) -> Facts<'_> {
        let pairs = self.0.iter().filter_map(|(key, value)| Some((key.as_str(), text(value)?)));
        let mut facts = Facts::from_context(plan, pairs);
        facts.set_now(now);
        facts
    }
}

fn text(value: &Value) -> Option<Cow<'_, str>> {
    match value {
        Value::String(text) => Some(Cow::Borrowed(text)),
        Value::Number(number) => Some(Cow::Owned(number.to_string())),
        Value::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}
