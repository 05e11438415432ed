//! An HTTP and HTTPS client for the status pages of hosts.

use crate::failure::Failure;
use reqwest::redirect::Policy;
use reqwest::{Client, Url};
use serde_json::Value;
use std::sync::Once;
use std::time::Duration;

/// The largest response body: more than an Envoy with a thousand listeners sends.
const MAX_BYTES: usize = 256 << 20;

/// A client with a timeout for each request. It follows no redirects, so that a token goes only to the host
/// it is for.
pub(crate) fn client(timeout: Duration) -> Result<Client, Failure> {
    use_ring();
    let client = Client::builder().timeout(timeout).redirect(Policy::none());
    let client = client.user_agent(concat!("serin/", env!("CARGO_PKG_VERSION")));
    client.build().map_err(|error| {
        Failure::trouble(format!("the HTTP client cannot be set up: {}", with_causes(&error)))
    })
}

/// Installs ring as the process's TLS provider.
pub(crate) fn use_ring() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // An error means that a provider is installed already.
        let _ = rustls::crypto::ring::default_provider().install_default();
    });
}

/// Parses an http or https URL without user and password.
pub(crate) fn parse_url(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|error| format!("{text} is not a URL: {error}"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host().is_none() {
        return Err(format!("{text} does not start with http://HOST or https://HOST"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err("a URL on the command line must have no user and no password".to_owned());
    }
    Ok(url)
}

/// Whether a URL's host is this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    let host = url.host_str().unwrap_or_default();
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Fetches a page of JSON.
pub(crate) async fn json(client: &Client, url: Url, token: Option<&str>) -> Result<Value, String> {
    let shown = url.path().to_owned();
    let mut request = client.get(url);
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let broken = |error: reqwest::Error| {
        if error.is_timeout() {
            return format!("{shown}: no response within the timeout");
        }
        format!("{shown}: {}", with_causes(&error.without_url()))
    };
    let mut response = request.send().await.map_err(broken)?;
    let status = response.status();
    if !status.is_success() {
        return Err(format!("{shown}: the response is {status}"));
    }
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(broken)? {
        if body.len() + chunk.len() > MAX_BYTES {
            return Err(format!("{shown}: the response has more than {MAX_BYTES} bytes"));
        }
        body.extend_from_slice(&chunk);
    }
    serde_json::from_slice(&body)
        .map_err(|error| format!("{shown}: the response is not JSON: {error}"))
}

/// An error's message with those of its causes.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let next = error.to_string();
        if !text.contains(&next) {
            text = format!("{text}: {next}");
        }
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_with_secrets_are_refused() {
        assert!(parse_url("http://127.0.0.1:9901").is_ok());
        for bad in ["x", "ftp://a", "http://u:p@a", "https://u@a", "/path"] {
            assert!(parse_url(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_loopback_is_this_machine() {
        let is = |url: &str| is_loopback(&parse_url(url).expect("a URL"));
        assert!(is("http://127.0.0.1:1") && is("http://[::1]:1/a") && is("http://localhost"));
        assert!(!is("http://10.0.0.1") && !is("http://127.0.0.1.example.com"));
    }
}
