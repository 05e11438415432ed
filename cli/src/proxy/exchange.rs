//! The exchange of one request and response: through the filter to the chosen upstream and back.

use super::bodies::{self, Guarded, Stopped};
use super::body::{Body, BoxError};
use super::connection::Connection;
use super::fields::{self, Pairs};
use super::shared_stream::{SharedStream, TIMED_OUT, UNREACHABLE, Way};
use super::state::Proxy;
use super::table::{Missing, NO_ROLLOUT, Table, Upstream};
use super::{replies, upgrade};
use http::header::{CONNECTION, CONTENT_LENGTH, HOST, UPGRADE};
use http::{HeaderValue, Method, Request, Response, StatusCode, Version};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};
use hyper::upgrade::OnUpgrade;
use serin_host_sim::{Action, HeaderMap, LocalReply, StreamInfo};
use std::sync::Arc;
use tokio::sync::oneshot;

/// Serves one request. An error closes the connection, which is how HTTP/1 resets a stream.
pub(crate) async fn run(
    proxy: Arc<Proxy>,
    connection: Connection,
    request: Request<Incoming>,
) -> Result<Response<Body>, BoxError> {
    let (mut parts, body) = request.into_parts();
    let table = proxy.table();
    let info = StreamInfo::new()
        .source(&connection.peer.to_string())
        .destination(&connection.local.to_string());
    let stream = proxy.plugin.stream_on(connection.worker, info);
    let stream = SharedStream::new(stream, proxy.calls.clone());
    let pairs = fields::request(&parts, connection);
    let protocol = fields::upgrade(parts.version, &parts.headers);
    let upgrading = protocol.clone().zip(parts.extensions.remove::<OnUpgrade>());
    let action = stream.headers(Way::Up, pairs.clone(), body.is_end_stream());
    let action = stream.settled(Way::Up, action).await;
    let mut headers = stream.with(|stream| stream.request_headers());
    let upstream = if stream.with(|stream| stream.failed()) {
        headers = without_reserved(pairs);
        table.baseline(&headers)
    } else {
        match action {
            Action::LocalReply(reply) => return Ok(local(reply, stream)),
            Action::Continue | Action::Pause => table.chosen(&headers),
            _ => return Err("reset by the filter".into()),
        }
    };
    let upstream = match upstream {
        Ok(upstream) => upstream,
        Err(missing) => return Ok(no_upstream(&missing, &table)),
    };
    stream.with(|stream| {
        stream.set_property(&["xds", "cluster_name"], upstream.to_string().as_str());
    });
    let (upgrade, client) = upgrading.unzip();
    let exchange = Exchange { proxy, stream, upstream };
    // A body of a known length has no trailers in HTTP/1.
    let may_have_trailers =
        parts.version >= Version::HTTP_2 || !parts.headers.contains_key(CONTENT_LENGTH);
    let (body, reply) = exchange.request_body(body, may_have_trailers);
    let outgoing = match exchange.outgoing(&headers, upgrade, body) {
        Ok(outgoing) => outgoing,
        Err(why) => return Ok(replies::text(StatusCode::BAD_REQUEST, format!("serin: {why}"))),
    };
    exchange.answer(outgoing, reply, client).await
}

/// The client's headers without Serin's own, for when the filter has failed and could not strip them.
fn without_reserved(pairs: Pairs) -> HeaderMap {
    let others = pairs.into_iter().filter(|(name, _)| !serin_core::is_reserved_header(name));
    HeaderMap::for_request(others)
}

fn no_upstream(missing: &Missing, table: &Table) -> Response<Body> {
    match missing {
        Missing::Rollout => replies::text(StatusCode::NOT_FOUND, NO_ROLLOUT),
        Missing::Arm(arm) => {
            let revision = table.plan().revision();
            let text = format!("serin: revision {revision} has no upstream for {arm}");
            replies::text(StatusCode::BAD_GATEWAY, text)
        }
    }
}

fn local(reply: LocalReply, stream: SharedStream) -> Response<Body> {
    replies::local(reply).map(|body| Guarded::new(body, stream).boxed())
}

/// A request whose upstream is known.
struct Exchange {
    proxy: Arc<Proxy>,
    stream: SharedStream,
    upstream: Arc<Upstream>,
}

/// The reason why the request's body ended within the filter.
type Reply = oneshot::Receiver<Stopped>;

impl Exchange {
    /// The body for the upstream, through the filter if the filter reads bodies, or trailers that this one
    /// may have.
    fn request_body(&self, body: Incoming, may_have_trailers: bool) -> (Body, Option<Reply>) {
        let plugin = &self.proxy.plugin;
        let is_seen =
            plugin.sees_request_body() || (may_have_trailers && plugin.sees_request_trailers());
        if body.is_end_stream() || !is_seen {
            return (body.map_err(BoxError::from).boxed(), None);
        }
        let (reason, reply) = oneshot::channel();
        let body = bodies::through(body, self.stream.clone(), Way::Up, Some(reason));
        (body, Some(reply))
    }

    /// The request to the upstream.
    fn outgoing(
        &self,
        headers: &HeaderMap,
        protocol: Option<HeaderValue>,
        body: Body,
    ) -> Result<Request<Body>, BoxError> {
        let mut request = Request::new(body);
        *request.method_mut() = Method::from_bytes(headers.get(":method").unwrap_or(b"GET"))?;
        *request.uri_mut() = self.upstream.uri(headers.get(":path").unwrap_or(b"/"))?;
        *request.version_mut() = Version::HTTP_11;
        let mut fields = fields::to_http(headers);
        let host = headers.get(":authority").filter(|host| !host.is_empty());
        let host = host.unwrap_or(self.upstream.authority().as_str().as_bytes());
        fields.insert(HOST, HeaderValue::from_bytes(host)?);
        if self.proxy.plugin.sees_request_body() && !request.body().is_end_stream() {
            // The filter may change the body's length.
            fields.remove(CONTENT_LENGTH);
        }
        if let Some(protocol) = protocol {
            fields.insert(CONNECTION, HeaderValue::from_static("upgrade"));
            fields.insert(UPGRADE, protocol);
        }
        *request.headers_mut() = fields;
        Ok(request)
    }

    /// Sends the request, and returns the response or a reply about the failure.
    async fn answer(
        self,
        request: Request<Body>,
        reply: Option<Reply>,
        client: Option<OnUpgrade>,
    ) -> Result<Response<Body>, BoxError> {
        let sent = tokio::time::timeout(self.proxy.timeout, self.proxy.client.request(request));
        let sent = std::pin::pin!(sent);
        let response = tokio::select! {
            // A reply of the filter makes the upstream's request fail too: it has to win.
            biased;
            stopped = stopped(reply) => match stopped {
                Stopped::Reply(reply) => return Ok(local(reply, self.stream)),
                Stopped::Broken => return Err("the request's body ended early".into()),
            },
            response = sent => response,
        };
        match response {
            Err(_) => {
                self.stream.failed_by(TIMED_OUT);
                Ok(self.failed(StatusCode::GATEWAY_TIMEOUT, "did not answer in time"))
            }
            Ok(Err(error)) => {
                self.stream.failed_by(UNREACHABLE);
                let why = format!("cannot be reached: {}", root_cause(&error));
                Ok(self.failed(StatusCode::BAD_GATEWAY, &why))
            }
            Ok(Ok(response)) => self.response(response, client).await,
        }
    }

    /// The reply about an upstream's failure, which goes through the filter as Envoy's local replies do.
    fn failed(self, status: StatusCode, why: &str) -> Response<Body> {
        let text = format!("serin: the upstream {} {why}\n", self.upstream);
        let pairs = vec![
            (b":status".to_vec(), status.as_str().as_bytes().to_vec()),
            (b"content-type".to_vec(), b"text/plain; charset=utf-8".to_vec()),
        ];
        self.stream.headers(Way::Down, pairs, false);
        let mut response = replies::text(status, text);
        let headers = self.stream.with(|stream| stream.response_headers());
        response.headers_mut().extend(fields::to_http(&headers));
        response.map(|body| Guarded::new(body, self.stream).boxed())
    }

    /// Sends the upstream's response through the filter.
    async fn response(
        self,
        response: Response<Incoming>,
        client: Option<OnUpgrade>,
    ) -> Result<Response<Body>, BoxError> {
        let (mut parts, body) = response.into_parts();
        let switching = parts.status == StatusCode::SWITCHING_PROTOCOLS;
        let protocol = parts.headers.get(UPGRADE).cloned();
        let upstream = parts.extensions.remove::<OnUpgrade>();
        let ended = body.is_end_stream();
        let action = self.stream.headers(Way::Down, fields::response(&parts), ended);
        match self.stream.settled(Way::Down, action).await {
            Action::LocalReply(reply) if !self.stream.with(|stream| stream.failed()) => {
                return Ok(local(reply, self.stream));
            }
            Action::Reset => return Err("reset by the filter".into()),
            _ => {}
        }
        let failed = self.stream.with(|stream| stream.failed());
        let headers = self.stream.with(|stream| stream.response_headers());
        // A filter that fails on the response leaves it unchanged.
        let headers = if failed { fields::response(&parts).into_iter().collect() } else { headers };
        let mut outgoing = Response::new(replies::empty());
        *outgoing.status_mut() = fields::status(&headers);
        *outgoing.headers_mut() = fields::to_http(&headers);
        if let (true, Some(protocol), Some(client), Some(upstream)) =
            (switching, protocol, client, upstream)
        {
            outgoing.headers_mut().insert(CONNECTION, HeaderValue::from_static("upgrade"));
            outgoing.headers_mut().insert(UPGRADE, protocol);
            upgrade::join(client, upstream);
            return Ok(outgoing);
        }
        if ended || failed || !self.proxy.plugin.sees_response_body() {
            let body = body.map_err(BoxError::from).boxed();
            return Ok(outgoing.map(|_| Guarded::new(body, self.stream).boxed()));
        }
        outgoing.headers_mut().remove(CONTENT_LENGTH);
        let body = bodies::through(body, self.stream.clone(), Way::Down, None);
        Ok(outgoing.map(|_| Guarded::new(body, self.stream).boxed()))
    }
}

/// Completes when the request's body ends within the filter, else never.
async fn stopped(reply: Option<Reply>) -> Stopped {
    if let Some(reply) = reply
        && let Ok(stopped) = reply.await
    {
        return stopped;
    }
    std::future::pending().await
}

/// The message of an error's first cause.
fn root_cause(error: &(dyn std::error::Error + 'static)) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}
