//! Flag evaluation for apps by OFREP. These requests do not go through the filter.

use super::body::{Body, BoxError};
use super::replies;
use super::runtime::known_latches;
use super::state::Proxy;
use http::header::{AUTHORIZATION, IF_NONE_MATCH, ORIGIN};
use http::{HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use serin_core::Plan;
use serin_ofrep::MAX_BODY;

/// Responds to a request of the protocol.
pub(super) async fn answer(proxy: &Proxy, request: Request<Incoming>) -> Response<Body> {
    let (head, body) = request.into_parts();
    let body = read(body).await;
    let table = proxy.table();
    let known = known_latches(&proxy.plugin);
    let latches = known.and_then(|known| known.for_plan(table.plan()));
    let field = |name: &http::HeaderName| head.headers.get(name).and_then(|v| v.to_str().ok());
    let evaluation = serin_ofrep::Request {
        method: head.method.as_str(),
        path: head.uri.path(),
        body: body.as_deref(),
        authorization: field(&AUTHORIZATION),
        api_key: field(&http::HeaderName::from_static("x-api-key")),
        if_none_match: field(&IF_NONE_MATCH),
        origin: field(&ORIGIN),
        now: proxy.now(),
        latches: latches.as_ref(),
    };
    respond(proxy, table.plan(), evaluation)
}

/// The whole body; `None` if it is too long or ends early.
async fn read(mut body: Incoming) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        if let Ok(data) = frame.ok()?.into_data() {
            bytes.extend_from_slice(&data);
        }
        if bytes.len() > MAX_BODY {
            return None;
        }
    }
    Some(bytes)
}

fn respond(proxy: &Proxy, plan: &Plan, request: serin_ofrep::Request<'_>) -> Response<Body> {
    let settings = proxy.ofrep.as_ref();
    let answer = settings.and_then(|of| serin_ofrep::respond(of, Some(plan), request));
    let Some(answer) = answer else {
        return replies::text(StatusCode::NOT_FOUND, "not found");
    };
    let mut response = Response::new(Full::from(answer.body).map_err(BoxError::from).boxed());
    *response.status_mut() = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::OK);
    for (name, value) in answer.fields {
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().append(name, value);
        }
    }
    response
}
