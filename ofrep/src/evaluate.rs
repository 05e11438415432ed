//! Evaluation of flags: facts → responses, in the format of the protocol's OpenAPI document.

use serin_core::json;
use serin_core::plan::{Flag, FlagId};
use serin_core::{ErrorCode, Facts, Plan, evaluate_flag};
use xxhash_rust::xxh3::xxh3_64;

use crate::context::Context;
use crate::{Request, Response};

/// The reason that a flag has no value, or that a request is refused.
pub(crate) struct Failure {
    code: &'static str,
    details: String,
}

impl Failure {
    pub(crate) fn new(code: &'static str, details: String) -> Failure {
        Failure { code, details }
    }

    pub(crate) fn general(details: &str) -> Failure {
        Failure::new("GENERAL", details.to_owned())
    }

    /// The failure as a response; with a key, as the response for that flag.
    pub(crate) fn response(&self, status: u16, key: Option<&str>) -> Response {
        json_response(status, self.to_json(key))
    }

    fn to_json(&self, key: Option<&str>) -> String {
        json::object(|object| {
            if let Some(key) = key {
                object.string("key", key);
            }
            object.string("errorCode", self.code);
            object.string("errorDetails", &self.details);
        })
    }
}

/// Evaluates one flag.
pub(crate) fn evaluate_one(
    plan: Option<&Plan>,
    context: &Context<'_>,
    request: &Request<'_>,
    key: &str,
) -> Response {
    let found = plan.and_then(|plan| {
        let id = plan.flag_named(key)?;
        Some((plan, id, plan.flag(id)?))
    });
    let Some((plan, id, flag)) = found else {
        let details = format!("there is no flag {key}");
        return Failure::new("FLAG_NOT_FOUND", details).response(404, Some(key));
    };
    match evaluate(plan, &context.facts(plan, request), id, flag) {
        Ok(text) => json_response(200, text),
        Err(failure) => failure.response(400, Some(key)),
    }
}

/// Evaluates all flags. The entity tag is a hash of the response, so it changes exactly when a value does.
pub(crate) fn evaluate_all(
    plan: Option<&Plan>,
    context: &Context<'_>,
    request: &Request<'_>,
) -> Response {
    let body = json::object(|object| {
        object.list("flags", |list| {
            let Some(plan) = plan else { return };
            let facts = context.facts(plan, request);
            for flag in plan.flags() {
                let Some(id) = plan.flag_named(flag.name()) else { continue };
                let evaluated = evaluate(plan, &facts, id, flag);
                list.raw(&evaluated.unwrap_or_else(|failure| failure.to_json(Some(flag.name()))));
            }
        });
    });
    let tag = format!("\"{:016x}\"", xxh3_64(body.as_bytes()));
    let is_known = |known: &str| known.trim().trim_start_matches("W/") == tag;
    let mut response = if request.if_none_match.is_some_and(|tags| tags.split(',').any(is_known)) {
        Response { status: 304, fields: Vec::new(), body: String::new() }
    } else {
        json_response(200, body)
    };
    response.field("etag", &tag);
    response
}

fn evaluate(plan: &Plan, facts: &Facts<'_>, id: FlagId, flag: &Flag) -> Result<String, Failure> {
    let decided = evaluate_flag(plan, facts, id);
    if let Some(code) = decided.error {
        let details = match code {
            ErrorCode::TargetingKeyMissing => {
                "the context has no unit to choose a variant for: set targetingKey"
            }
            ErrorCode::ParseError => "the flag has an error in the spec and is isolated",
        };
        return Err(Failure::new(code.as_str(), details.to_owned()));
    }
    let Some(variant) = flag.variant(decided.variant) else {
        return Err(Failure::general("the flag has no such variant"));
    };
    Ok(json::object(|object| {
        object.string("key", flag.name());
        object.string("reason", decided.reason.as_str());
        object.string("variant", variant.name());
        object.raw("value", variant.json());
        object.object("metadata", |metadata| metadata.number("revision", plan.revision()));
    }))
}

/// A response with a JSON body.
fn json_response(status: u16, body: String) -> Response {
    let mut response = Response { status, fields: Vec::new(), body };
    response.field("content-type", "application/json; charset=utf-8");
    response.field("cache-control", "no-store");
    response
}
