//! A simulated user's request: its headers, and what the proxy knows of the connection.

use super::subject::Subject;
use serde_json::{Value, json};
use serin_core::spec::UnitSource;
use serin_host_sim::StreamInfo;
use std::borrow::Cow;

/// The parts that are equal in all requests of a user.
pub(super) struct Request {
    headers: Vec<(String, String)>,
    /// The claims of the verified JWT.
    pub(super) claims: serde_json::Map<String, Value>,
    /// The client's address and port, if a group asks for one.
    pub(super) address: Option<String>,
    query: String,
}

impl Request {
    /// The request of a user with these attributes.
    pub(super) fn new(subject: &Subject, user: &str, attributes: &[(String, String)]) -> Request {
        let mut request = Request {
            headers: vec![
                (":authority".to_owned(), subject.host.clone()),
                (":scheme".to_owned(), "https".to_owned()),
            ],
            claims: serde_json::Map::new(),
            address: None,
            query: String::new(),
        };
        let unit = subject.unit.as_ref().map(|source| {
            let (family, name) = match source {
                UnitSource::Header(name) => ("header", name),
                UnitSource::Cookie(name) | UnitSource::Anonymous(name) => ("cookie", name),
                UnitSource::Query(name) => ("query", name),
                UnitSource::Jwt(name) => ("jwt", name),
            };
            (format!("{family}.{name}"), user.to_owned())
        });
        let mut cookies = Vec::new();
        for (attribute, value) in unit.iter().chain(attributes) {
            match attribute.split_once('.') {
                Some(("header", name)) => request.headers.push((name.to_owned(), value.clone())),
                Some(("cookie", name)) => cookies.push(format!("{name}={value}")),
                Some(("query", name)) => {
                    let sign = if request.query.is_empty() { '?' } else { '&' };
                    request.query.push_str(&format!("{sign}{name}={value}"));
                }
                Some(("jwt", claim)) => {
                    request.claims.insert(claim.to_owned(), value.clone().into());
                }
                _ => request.address = Some(format!("{value}:40000")),
            }
        }
        if !cookies.is_empty() {
            request.headers.push(("cookie".to_owned(), cookies.join("; ")));
        }
        request
    }

    /// The header block for a method and a path.
    pub(super) fn pairs<'r>(
        &'r self,
        method: &'r str,
        path: &'r str,
    ) -> impl Iterator<Item = (&'r [u8], Cow<'r, [u8]>)> {
        let path = match self.query.is_empty() {
            true => Cow::Borrowed(path.as_bytes()),
            false => Cow::Owned(format!("{path}{}", self.query).into_bytes()),
        };
        let own = [(&b":method"[..], Cow::Borrowed(method.as_bytes())), (b":path", path)];
        let others = self.headers.iter();
        let others = others.map(|(name, value)| (name.as_bytes(), value.as_bytes().into()));
        own.into_iter().chain(others)
    }

    /// The proxy's information about the stream: `base`, with the user's address and claims.
    pub(super) fn info(&self, base: &StreamInfo) -> StreamInfo {
        let mut info = base.clone();
        if let Some(address) = &self.address {
            info = info.source(address);
        }
        if !self.claims.is_empty() {
            let token = json!({ "payload": self.claims });
            info = info.metadata("envoy.filters.http.jwt_authn", token);
        }
        info
    }
}
