//! The filter's own HTTP calls, which the proxy sends to clusters.

use super::body::{Body, BoxError};
use super::fields;
use super::table::Upstream;
use crate::style;
use http::{Method, Request};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use serin_host_sim::{HttpCall, HttpResponse, Plugin};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

/// The largest response body that the filter gets, in bytes.
const MAX_BODY: usize = 4 << 20;
/// The timeout of a call without one.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);

/// The sender of calls to clusters.
#[derive(Clone)]
pub(crate) struct Calls {
    plugin: Plugin,
    client: Client<HttpConnector, Body>,
    clusters: Arc<HashMap<String, Upstream>>,
}

impl Calls {
    pub(crate) fn new(
        plugin: Plugin,
        client: Client<HttpConnector, Body>,
        clusters: HashMap<String, Upstream>,
    ) -> Self {
        Self { plugin, client, clusters: Arc::new(clusters) }
    }

    /// Sends the calls that the filter has dispatched since the last time.
    pub(crate) fn dispatch(&self) {
        if self.clusters.is_empty() {
            return;
        }
        for call in self.plugin.take_http_calls() {
            let calls = self.clone();
            tokio::spawn(async move {
                let id = call.id;
                let response = calls.answer(call).await;
                calls.plugin.respond(id, response);
                // The filter may have dispatched another call on the response.
                calls.dispatch();
            });
        }
    }

    async fn answer(&self, call: HttpCall) -> HttpResponse {
        let timeout = call.timeout.unwrap_or(DEFAULT_TIMEOUT);
        let cluster = call.cluster.clone();
        match tokio::time::timeout(timeout, self.send(call)).await {
            Err(_) => HttpResponse::timed_out(),
            Ok(Ok(response)) => response,
            Ok(Err(error)) => {
                style::note(&format!("the filter's call to {cluster} failed: {error}"));
                HttpResponse::unreachable()
            }
        }
    }

    async fn send(&self, call: HttpCall) -> Result<HttpResponse, BoxError> {
        let upstream = self.clusters.get(&call.cluster).ok_or("no --cluster has this name")?;
        let uri = upstream.uri(call.headers.get(":path").unwrap_or_default())?;
        let method = Method::from_bytes(call.headers.get(":method").unwrap_or_default())?;
        let mut request = Request::new(Full::from(call.body).map_err(BoxError::from).boxed());
        (*request.method_mut(), *request.uri_mut()) = (method, uri);
        *request.headers_mut() = fields::to_http(&call.headers);
        if let Some(host) = call.headers.get(":authority") {
            request.headers_mut().insert(http::header::HOST, host.try_into()?);
        }
        let (parts, body) = self.client.request(request).await?.into_parts();
        let body = Limited::new(body, MAX_BODY).collect().await?;
        let mut response = HttpResponse::new(parts.status.as_u16());
        for (name, value) in &parts.headers {
            response = response.header(name, value);
        }
        if let Some(trailers) = body.trailers() {
            for (name, value) in trailers {
                response = response.trailer(name, value);
            }
        }
        Ok(response.body(body.to_bytes()))
    }
}
