//! The Worker's own endpoints: the status page and flag evaluation.

use serin_ofrep::MAX_BODY;
use worker::Env;

use crate::active_plan::ActivePlan;
use crate::host::{self, Request, Response};
use crate::isolate::Isolate;
use crate::request_head::RequestHead;
use crate::status::{self, JudgeState};

/// Responds to a request for an endpoint; `None` for every other path.
pub(crate) async fn respond(
    (isolate, env): (&Isolate, &Env),
    active: Option<&ActivePlan>,
    request: &Request,
    head: &RequestHead,
    now: u64,
) -> Option<Response> {
    let settings = &isolate.settings;
    if settings.status.is_none() && settings.ofrep.is_none() {
        return None;
    }
    let path = std::str::from_utf8(head.path()).ok()?;
    if settings.status.as_ref().is_some_and(|status| status.path == path) {
        return Some(status_page(isolate, env, head, now).await);
    }
    let ofrep = settings.ofrep.as_ref().filter(|ofrep| ofrep.covers(path))?;
    let limit = u32::try_from(MAX_BODY).unwrap_or(u32::MAX);
    let body = if head.method() == b"POST" {
        host::read_text(request, limit).await.unwrap_or(None)
    } else {
        None
    };
    isolate.counters.evaluations.increment();
    let active_latches = active.and_then(ActivePlan::active_latches);
    let evaluation = serin_ofrep::Request {
        method: std::str::from_utf8(head.method()).unwrap_or_default(),
        path,
        body: body.as_deref().map(str::as_bytes),
        authorization: head.text("authorization"),
        api_key: head.text("x-api-key"),
        if_none_match: head.text("if-none-match"),
        origin: head.text("origin"),
        now: isolate.clock.advance(Some(now)).unwrap_or(now),
        latches: active_latches.as_deref(),
    };
    let response = serin_ofrep::respond(ofrep, active.map(|active| &active.plan), evaluation)?;
    let mut fields = String::new();
    for (name, value) in &response.fields {
        push_field(&mut fields, name, value);
    }
    Some(host::respond(response.status, &fields, &response.body))
}

async fn status_page(isolate: &Isolate, env: &Env, head: &RequestHead, now: u64) -> Response {
    let token = isolate.settings.status.as_ref().map_or("", |status| status.token.as_str());
    let mut fields = String::new();
    push_field(&mut fields, "cache-control", "no-store");
    if !status::is_authorised(head, token) {
        push_field(&mut fields, "www-authenticate", "Bearer");
        return host::respond(401, &fields, "401: a valid token is needed\n");
    }
    push_field(&mut fields, "content-type", "application/json; charset=utf-8");
    let has_gates = isolate.config.active().is_some_and(|active| active.has_trials);
    let judge = match (has_gates, isolate.has_judge) {
        (false, _) => JudgeState::NotNeeded,
        (true, false) => JudgeState::NotBound,
        (true, true) => JudgeState::new(isolate.fetch_judge_status(env).await),
    };
    let latches = isolate.latches.latches();
    let view = status::StatusView {
        judge: &judge,
        latches: &latches,
        settings: &isolate.settings,
        config: &isolate.config,
        counters: &isolate.counters,
        started: isolate.started,
        now,
    };
    host::respond(200, &fields, &status::page(&view))
}

/// Adds a header field to a list in the format of `host.js`: a line for each name and each value.
pub(crate) fn push_field(fields: &mut String, name: &str, value: &str) {
    if !fields.is_empty() {
        fields.push('\n');
    }
    fields.push_str(name);
    fields.push('\n');
    fields.push_str(value);
}
