//! Facts → answers, in the words of the protocol's OpenAPI document.

use serin_core::plan::{Flag, FlagId};
use serin_core::{ErrorCode, Facts, Plan, evaluate_flag};
use xxhash_rust::xxh3::xxh3_64;

use crate::context::Context;
use crate::{Request, Response};

/// Why there is no value.
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

    /// The failure as an answer, of one flag if there is a key.
    pub(crate) fn response(&self, status: u16, key: Option<&str>) -> Response {
        json(status, self.to_json(key))
    }

    fn to_json(&self, key: Option<&str>) -> String {
        let key = key.map(|key| format!("\"key\":{},", quoted(key))).unwrap_or_default();
        let (code, details) = (self.code, quoted(&self.details));
        format!("{{{key}\"errorCode\":\"{code}\",\"errorDetails\":{details}}}")
    }
}

/// One flag.
pub(crate) fn one(
    plan: Option<&Plan>,
    context: &Context,
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
    match evaluated(plan, &context.facts(plan, request), id, flag) {
        Ok(text) => json(200, text),
        Err(failure) => failure.response(400, Some(key)),
    }
}

/// All flags. The entity tag is of the answer itself: it changes when a value does, and with nothing
/// else.
pub(crate) fn all(plan: Option<&Plan>, context: &Context, request: &Request<'_>) -> Response {
    let mut body = String::from("{\"flags\":[");
    if let Some(plan) = plan {
        let facts = context.facts(plan, request);
        for flag in plan.flags() {
            let Some(id) = plan.flag_named(flag.name()) else { continue };
            if !body.ends_with('[') {
                body.push(',');
            }
            body.push_str(&match evaluated(plan, &facts, id, flag) {
                Ok(text) => text,
                Err(failure) => failure.to_json(Some(flag.name())),
            });
        }
    }
    body.push_str("]}");
    let tag = format!("\"{:016x}\"", xxh3_64(body.as_bytes()));
    let is_known = |known: &str| known.trim().trim_start_matches("W/") == tag;
    let mut response = if request.if_none_match.is_some_and(|tags| tags.split(',').any(is_known)) {
        Response { status: 304, fields: Vec::new(), body: String::new() }
    } else {
        json(200, body)
    };
    response.field("etag", &tag);
    response
}

fn evaluated(plan: &Plan, facts: &Facts<'_>, id: FlagId, flag: &Flag) -> Result<String, Failure> {
    let decided = evaluate_flag(plan, facts, id);
    if let Some(code) = decided.error {
        let details = match code {
            ErrorCode::TargetingKeyMissing => {
                "the context names nobody to choose a variant for: set targetingKey"
            }
            ErrorCode::ParseError => "the flag has a mistake in the spec and is isolated",
        };
        return Err(Failure::new(code.as_str(), details.to_owned()));
    }
    let Some(variant) = flag.variant(decided.variant) else {
        return Err(Failure::general("the flag has no such variant"));
    };
    let (key, name) = (quoted(flag.name()), quoted(variant.name()));
    let (reason, value, revision) = (decided.reason.as_str(), variant.json(), plan.revision());
    Ok(format!(
        "{{\"key\":{key},\"reason\":\"{reason}\",\"variant\":{name},\"value\":{value},\
         \"metadata\":{{\"revision\":{revision}}}}}"
    ))
}

fn json(status: u16, body: String) -> Response {
    let mut response = Response { status, fields: Vec::new(), body };
    response.field("content-type", "application/json; charset=utf-8");
    response.field("cache-control", "no-store");
    response
}

fn quoted(text: &str) -> String {
    let mut json = String::new();
    serin_core::json::write_json_string(text, &mut json);
    json
}
