//! The demo's upstreams: each responds with its name and the headers that it got from Serin.

use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// The response header with the upstream's name.
pub(super) const UPSTREAM: &str = "x-demo-upstream";

/// Serves on a free port until the process ends.
pub(super) async fn start(name: &'static str) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
    let address = listener.local_addr()?;
    tokio::spawn(async move {
        loop {
            let Ok((socket, _)) = listener.accept().await else {
                continue;
            };
            let service = hyper::service::service_fn(move |request| answer(name, request));
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                let _ = server.serve_connection(TokioIo::new(socket), service).await;
            });
        }
    });
    Ok(address)
}

async fn answer(
    name: &'static str,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let received = |field: &str| {
        let value = request.headers().get(field);
        value.map_or("-".to_owned(), |value| String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let text = format!(
        "Hello from {name}.\n  rollout      {}\n  arm          {}\n  flags        {}\n",
        received(serin_core::headers::ROLLOUT),
        received(serin_core::headers::ARM),
        received(serin_core::headers::FLAGS),
    );
    let mut response = Response::new(Full::from(text));
    let headers = response.headers_mut();
    headers.insert(UPSTREAM, HeaderValue::from_static(name));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    for field in [serin_core::headers::ARM, serin_core::headers::FLAGS] {
        if let Some(value) = request.headers().get(field) {
            headers.insert(format!("x-demo-{field}").parse().unwrap_or(FALLBACK), value.clone());
        }
    }
    Ok(response)
}

/// The fallback for a header name that is not valid; the names above are.
const FALLBACK: http::HeaderName = http::HeaderName::from_static("x-demo");
