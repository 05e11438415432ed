//! Evaluation contexts: the JSON body of a request.

use std::borrow::Cow;

use serin_core::json::{Members, Node};
use serin_core::{Facts, Plan};

use crate::Request;
use crate::evaluate::Failure;

/// An evaluation context.
pub(crate) struct Context<'b>(Members<'b>);

/// Reads a context from a body. An empty body, or one without a context, gives an empty context.
pub(crate) fn read(body: &[u8]) -> Result<Context<'_>, Failure> {
    if body.trim_ascii().is_empty() {
        return Ok(Context(Members::default()));
    }
    let body: Node<'_> = serde_json::from_slice(body)
        .map_err(|error| Failure::new("PARSE_ERROR", format!("the body is not JSON: {error}")))?;
    let Node::Object(body) = body else {
        return Err(Failure::new("PARSE_ERROR", "the body is not a JSON object".to_owned()));
    };
    let context = match body.get("context") {
        None | Some(Node::Null) => Members::default(),
        Some(Node::Object(context)) => context.clone(),
        Some(_) => {
            return Err(Failure::new("INVALID_CONTEXT", "the context is not an object".to_owned()));
        }
    };
    match context.get("targetingKey") {
        None | Some(Node::Null | Node::String(_)) => Ok(Context(context)),
        Some(_) => {
            Err(Failure::new("INVALID_CONTEXT", "the targetingKey is not a string".to_owned()))
        }
    }
}

impl Context<'_> {
    /// The facts of the context for a plan. A number or boolean is the string that JSON has for it. Lists, objects
    /// and null count as missing.
    pub(crate) fn facts<'a>(&'a self, plan: &Plan, request: &Request<'a>) -> Facts<'a> {
        let pairs = self.0.iter().filter_map(|(key, value)| Some((&**key, text(value)?)));
        Facts::from_context(plan, pairs, Some(request.now), request.latches)
    }
}

fn text<'n>(value: &'n Node<'_>) -> Option<Cow<'n, str>> {
    match value {
        Node::String(text) => Some(Cow::Borrowed(text)),
        Node::Number(number) => Some(Cow::Owned(number.to_string())),
        Node::Bool(value) => Some(Cow::Borrowed(if *value { "true" } else { "false" })),
        Node::Null | Node::List(_) | Node::Object(_) => None,
    }
}
