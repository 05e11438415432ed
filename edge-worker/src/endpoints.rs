//! The paths that the Worker answers by itself: status and flag evaluation.

use serin_ofrep::MAX_BODY;
use worker::Env;

use crate::active::Active;
use crate::head::Head;
use crate::host::{self, Request, Response};
use crate::isolate::Isolate;
use crate::status::{self, JudgeState};

/// The status page and the flag evaluation; `None` for every other path.
pub(crate) async fn answer(
    (isolate, env): (&Isolate, &Env),
    active: Option<&Active>,
    request: &Request,
    head: &Head,
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
    let active_latches = active.and_then(Active::active_latches);
    let asked = serin_ofrep::Request {
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
    let response = serin_ofrep::respond(ofrep, active.map(|active| &active.plan), asked)?;
    let mut fields = String::new();
    for (name, value) in &response.fields {
        line(&mut fields, name, value);
    }
    Some(host::respond(response.status, &fields, &response.body))
}

async fn status_page(isolate: &Isolate, env: &Env, head: &Head, now: u64) -> Response {
    let token = isolate.settings.status.as_ref().map_or("", |status| status.token.as_str());
    let mut fields = String::new();
    line(&mut fields, "cache-control", "no-store");
    if !status::is_authorised(head, token) {
        line(&mut fields, "www-authenticate", "Bearer");
        return host::respond(401, &fields, "401: a valid token is needed\n");
    }
    line(&mut fields, "content-type", "application/json; charset=utf-8");
    let has_gates = isolate.config.active().is_some_and(|active| active.has_trials);
    let judge = match (has_gates, isolate.has_judge) {
        (false, _) => JudgeState::Needless,
        (true, false) => JudgeState::Missing,
        (true, true) => JudgeState::of(isolate.judge_state(env).await),
    };
    let latches = isolate.latches.latches();
    let view = status::View {
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

/// Adds a header field to a text for `host.js`: name and value, a line each.
pub(crate) fn line(fields: &mut String, name: &str, value: &str) {
    if !fields.is_empty() {
        fields.push('\n');
    }
    fields.push_str(name);
    fields.push('\n');
    fields.push_str(value);
}
