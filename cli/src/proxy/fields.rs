//! Header fields, converted between hyper's form and the filter's.

use super::connection::Connection;
use http::header::{HeaderMap as Fields, HeaderName, HeaderValue};
use http::{Method, StatusCode, Version, request, response};
use serin_host_sim::HeaderMap;
use std::collections::BTreeSet;

/// The hop-by-hop fields, which a proxy does not forward (RFC 9110, 7.6.1).
const HOP_BY_HOP: [&str; 8] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "transfer-encoding",
    "upgrade",
];

/// Names and values.
pub(crate) type Pairs = Vec<(Vec<u8>, Vec<u8>)>;

/// The request's header block for the filter, without hop-by-hop fields.
pub(crate) fn request(parts: &request::Parts, connection: Connection) -> Pairs {
    let host = parts.headers.get(http::header::HOST).map(HeaderValue::as_bytes);
    let authority = parts.uri.authority().map(|authority| authority.as_str().as_bytes());
    let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
    let path = if parts.method == Method::OPTIONS && parts.uri.path() == "*" { "*" } else { path };
    let mut pairs = vec![
        pair(":method", parts.method.as_str()),
        pair(":scheme", scheme(&parts.headers)),
        (b":authority".to_vec(), authority.or(host).unwrap_or_default().to_vec()),
        pair(":path", path),
    ];
    let dropped = dropped(&parts.headers);
    for (name, value) in &parts.headers {
        if name != http::header::HOST && !dropped.contains(name.as_str()) {
            pairs.push((name.as_str().as_bytes().to_vec(), value.as_bytes().to_vec()));
        }
    }
    pairs.push(pair("x-forwarded-for", &connection.peer.ip().to_string()));
    if !parts.headers.contains_key("x-forwarded-proto") {
        pairs.push(pair("x-forwarded-proto", "http"));
    }
    pairs
}

/// The scheme of the client's request, from the proxy in front of this one.
fn scheme(fields: &Fields) -> &'static str {
    match fields.get("x-forwarded-proto") {
        Some(proto) if proto.as_bytes().eq_ignore_ascii_case(b"https") => "https",
        _ => "http",
    }
}

/// The response's header block for the filter.
pub(crate) fn response(parts: &response::Parts) -> Pairs {
    let mut pairs = vec![pair(":status", parts.status.as_str())];
    let dropped = dropped(&parts.headers);
    for (name, value) in &parts.headers {
        if !dropped.contains(name.as_str()) {
            pairs.push((name.as_str().as_bytes().to_vec(), value.as_bytes().to_vec()));
        }
    }
    pairs
}

/// The trailers for the filter.
pub(crate) fn trailers(fields: &Fields) -> Pairs {
    let pair = |(name, value): (&HeaderName, &HeaderValue)| {
        (name.as_str().as_bytes().to_vec(), value.as_bytes().to_vec())
    };
    fields.iter().map(pair).collect()
}

/// Removes Serin's own fields, for when the filter has failed and could not remove them.
pub(crate) fn remove_reserved(fields: &mut Fields) {
    let names =
        fields.keys().filter(|name| serin_core::is_reserved_header(name.as_str().as_bytes()));
    for name in names.cloned().collect::<Vec<_>>() {
        fields.remove(name);
    }
}

fn pair(name: &str, value: &str) -> (Vec<u8>, Vec<u8>) {
    (name.as_bytes().to_vec(), value.as_bytes().to_vec())
}

/// The names of the hop-by-hop fields, and of those that `connection` lists.
fn dropped(fields: &Fields) -> BTreeSet<String> {
    let mut dropped: BTreeSet<String> = HOP_BY_HOP.into_iter().map(str::to_owned).collect();
    for value in fields.get_all(http::header::CONNECTION) {
        for name in String::from_utf8_lossy(value.as_bytes()).split(',') {
            dropped.insert(name.trim().to_ascii_lowercase());
        }
    }
    dropped
}

/// The filter's headers for hyper, without pseudo-headers and invalid fields.
pub(crate) fn to_http(map: &HeaderMap) -> Fields {
    let mut fields = Fields::with_capacity(map.len());
    for (name, value) in map.iter().filter(|(name, _)| !name.starts_with(b":")) {
        if let (Ok(name), Ok(value)) =
            (HeaderName::from_bytes(name), HeaderValue::from_bytes(value))
        {
            fields.append(name, value);
        }
    }
    fields
}

/// The status of a response that went through the filter.
pub(crate) fn status(map: &HeaderMap) -> StatusCode {
    map.get(":status")
        .and_then(|status| StatusCode::from_bytes(status).ok())
        .unwrap_or(StatusCode::BAD_GATEWAY)
}

/// The protocol that a request asks to upgrade to.
pub(crate) fn upgrade(version: Version, fields: &Fields) -> Option<HeaderValue> {
    let wanted = fields.get_all(http::header::CONNECTION).iter().any(|value| {
        let value = String::from_utf8_lossy(value.as_bytes()).to_ascii_lowercase();
        value.split(',').any(|name| name.trim() == "upgrade")
    });
    if version != Version::HTTP_11 || !wanted {
        return None;
    }
    let protocol = fields.get(http::header::UPGRADE)?;
    // An upgrade to HTTP/2 is hop-by-hop.
    (!protocol.as_bytes().eq_ignore_ascii_case(b"h2c")).then(|| protocol.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        let address = "192.0.2.9:5".parse().expect("an address");
        Connection { worker: 0, peer: address, local: address }
    }

    #[test]
    fn the_filter_sees_no_hop_by_hop_fields() {
        let (parts, ()) = http::Request::builder()
            .method("POST")
            .uri("/a?b")
            .header("host", "shop.example.com:80")
            .header("connection", "close, X-Private")
            .header("x-private", "1")
            .header("te", "trailers")
            .header("X-Kept", "1")
            .header("x-kept", "2")
            .header("x-forwarded-for", "10.0.0.1")
            .header("x-forwarded-proto", "HTTPS")
            .body(())
            .expect("a request")
            .into_parts();
        let map = HeaderMap::for_request(request(&parts, connection()));
        let text: Vec<String> = map
            .iter()
            .map(|(k, v)| format!("{}={}", String::from_utf8_lossy(k), String::from_utf8_lossy(v)))
            .collect();
        assert_eq!(
            text,
            [
                ":method=POST",
                ":scheme=https",
                ":authority=shop.example.com:80",
                ":path=/a?b",
                "x-kept=1",
                "x-kept=2",
                "x-forwarded-for=10.0.0.1,192.0.2.9",
                "x-forwarded-proto=HTTPS",
            ]
        );
        assert_eq!(to_http(&map).get_all("x-kept").iter().count(), 2);
        assert!(!to_http(&map).contains_key("host"));
    }

    #[test]
    fn only_real_upgrades_are_passed_on() {
        let fields = |connection: &'static str, upgrade: &'static str| -> Fields {
            [("connection", connection), ("upgrade", upgrade)]
                .into_iter()
                .map(|(name, value)| {
                    (HeaderName::from_static(name), HeaderValue::from_static(value))
                })
                .collect()
        };
        let websocket = fields("keep-alive, Upgrade", "websocket");
        assert!(upgrade(Version::HTTP_11, &websocket).is_some());
        assert!(upgrade(Version::HTTP_10, &websocket).is_none());
        assert!(upgrade(Version::HTTP_11, &fields("close", "websocket")).is_none());
        assert!(upgrade(Version::HTTP_11, &fields("upgrade", "h2c")).is_none());
    }
}
