//! Replies: responses of the proxy or the filter itself.

use super::body::{Body, BoxError};
use super::fields;
use http::{Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use serin_host_sim::LocalReply;

/// A body without bytes.
pub(crate) fn empty() -> Body {
    Empty::new().map_err(BoxError::from).boxed()
}

/// A reply of the proxy in plain text.
pub(crate) fn text(status: StatusCode, text: impl Into<String>) -> Response<Body> {
    let text = text.into();
    let text = if text.ends_with('\n') { text } else { text + "\n" };
    let mut response = Response::new(Full::from(text).map_err(BoxError::from).boxed());
    *response.status_mut() = status;
    let plain = http::HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(http::header::CONTENT_TYPE, plain);
    response
}

/// A reply of the filter.
pub(crate) fn local(reply: LocalReply) -> Response<Body> {
    let mut response = Response::new(Full::from(reply.body).map_err(BoxError::from).boxed());
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::BAD_GATEWAY);
    *response.headers_mut() = fields::to_http(&reply.headers);
    // hyper sets the length of the body.
    response.headers_mut().remove(http::header::CONTENT_LENGTH);
    response
}
