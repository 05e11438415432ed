//! Recorded requests: an access log with one JSON object a line.

use serde_json::Value;
use serin_core::plan::Input;
use std::collections::BTreeMap;
use std::fmt;

/// A recorded request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    method: String,
    scheme: String,
    authority: String,
    path: String,
    headers: Vec<(String, String)>,
    /// What the host knew that is not in the request.
    facts: BTreeMap<String, String>,
}

/// The reason that a line is not a recorded request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestError {
    kind: RequestErrorKind,
}

/// The kind of a [`RequestError`].
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RequestErrorKind {
    /// The line is not JSON; the parser's message, with the column.
    NotJson(String),
    /// The line is JSON and not an object.
    NotAnObject,
    /// A field of the line has another type than it should.
    WrongType {
        /// The path of the field: `headers.accept`.
        field: String,
        /// The JSON type that is allowed.
        expected: &'static str,
        /// The value, as JSON.
        given: String,
    },
    /// The line has no `url`.
    MissingUrl,
    /// `url` is neither absolute, nor a path of a request with the header `host`.
    InvalidUrl {
        /// The value of `url`.
        given: String,
    },
}

impl RequestError {
    /// The kind of the error.
    pub fn kind(&self) -> &RequestErrorKind {
        &self.kind
    }

    fn wrong_type(field: impl Into<String>, expected: &'static str, given: &Value) -> Self {
        let (field, given) = (field.into(), given.to_string());
        RequestErrorKind::WrongType { field, expected, given }.into()
    }
}

impl From<RequestErrorKind> for RequestError {
    fn from(kind: RequestErrorKind) -> Self {
        RequestError { kind }
    }
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            RequestErrorKind::NotJson(why) => write!(f, "not JSON: {why}"),
            RequestErrorKind::NotAnObject => f.write_str("not a JSON object"),
            RequestErrorKind::WrongType { field, expected, given } => {
                write!(f, "{field} is {given}, not {expected}")
            }
            RequestErrorKind::MissingUrl => f.write_str("url is missing"),
            RequestErrorKind::InvalidUrl { given } => write!(
                f,
                "url is {given:?}: give an absolute URL like https://shop.example.com/feed, or a path and the header host"
            ),
        }
    }
}

impl std::error::Error for RequestError {}

/// Reads a line of an access log.
///
/// ```
/// let line = r#"{"method": "GET", "url": "https://shop.example.com/feed",
///                "headers": {"x-user-id": "ada"}, "facts": {"country": "DE"}}"#;
/// assert!(serin_fleet::diff::parse_request(line).is_ok());
///
/// let error = serin_fleet::diff::parse_request(r#"{"method": "GET"}"#).unwrap_err();
/// assert_eq!(error.to_string(), "url is missing");
/// ```
///
/// `url` is required: an absolute URL, or a path together with the header `host`, which precedes the URL's
/// host. The value of a header is a
/// string or a list of strings. `null` and `"-"`, which hosts log for an absent header, leave it out. `facts`
/// are `ip`, `country`, `region`, `city`, `asn`, `colo` and `jwt.CLAIM`. Other fields are ignored.
///
/// # Errors
/// The line is not JSON, or a field is missing or has another type than it should.
pub fn parse_request(line: &str) -> Result<Request, RequestError> {
    let line: Value = serde_json::from_str(line).map_err(|error| {
        // Each line is a document of its own, so the parser's line number is always 1.
        let message = error.to_string().replace(" at line 1 column ", " at column ");
        RequestErrorKind::NotJson(message)
    })?;
    if !line.is_object() {
        return Err(RequestErrorKind::NotAnObject.into());
    }
    let mut request =
        Request { method: "GET".into(), scheme: "https".into(), ..Request::default() };
    if let Some(method) = string(&line, "method")? {
        request.method = method;
    }
    for (name, value) in object(&line, "headers")? {
        let name = name.to_ascii_lowercase();
        for value in strings(&format!("headers.{name}"), value)? {
            request.headers.push((name.clone(), value));
        }
    }
    for (name, value) in object(&line, "facts")? {
        for value in strings(&format!("facts.{name}"), value)? {
            request.facts.insert(name.clone(), value);
        }
    }
    let url = string(&line, "url")?.ok_or(RequestErrorKind::MissingUrl)?;
    request.set_url(&url)?;
    Ok(request)
}

impl Request {
    fn set_url(&mut self, url: &str) -> Result<(), RequestError> {
        if let Some((scheme, rest)) = url.split_once("://") {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            self.scheme = scheme.to_ascii_lowercase();
            self.authority = authority.to_owned();
            self.path = if path.starts_with('/') { path.into() } else { format!("/{path}") };
        } else {
            self.path = url.to_owned();
        }
        // The header is what the client asked for; the URL of a log may name the proxy.
        let host = self.headers.iter().find(|(name, host)| name == "host" && !host.is_empty());
        if let Some((_, host)) = host {
            self.authority.clone_from(host);
        }
        if self.authority.is_empty() || !self.path.starts_with('/') {
            return Err(RequestErrorKind::InvalidUrl { given: url.to_owned() }.into());
        }
        Ok(())
    }

    /// The header block as a host receives it, pseudo-headers first.
    pub(super) fn pairs(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        let pseudo = [
            (":method", &self.method),
            (":scheme", &self.scheme),
            (":authority", &self.authority),
            (":path", &self.path),
        ];
        let headers = self.headers.iter().map(|(name, value)| (name.as_str(), value));
        let all = pseudo.into_iter().chain(headers);
        all.map(|(name, value)| (name.as_bytes(), value.as_bytes()))
    }

    /// The recorded value of an input that only the host knows.
    pub(super) fn fact(&self, input: &Input) -> Option<&str> {
        let name = match input {
            Input::Ip => "ip",
            Input::Country => "country",
            Input::Region => "region",
            Input::City => "city",
            Input::Asn => "asn",
            Input::Colo => "colo",
            Input::Jwt(claim) => {
                return self.facts.get(&format!("jwt.{claim}")).map(String::as_str);
            }
            Input::Header(_) | Input::Cookie(_) | Input::Query(_) => return None,
        };
        self.facts.get(name).map(String::as_str)
    }
}

fn string(line: &Value, field: &str) -> Result<Option<String>, RequestError> {
    match line.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(RequestError::wrong_type(field, "a string", other)),
    }
}

fn object<'l>(
    line: &'l Value,
    field: &str,
) -> Result<impl Iterator<Item = (&'l String, &'l Value)>, RequestError> {
    match line.get(field) {
        None | Some(Value::Null) => Ok(None.into_iter().flatten()),
        Some(Value::Object(fields)) => Ok(Some(fields).into_iter().flatten()),
        Some(other) => Err(RequestError::wrong_type(field, "an object", other)),
    }
}

/// The strings of a header or a fact.
fn strings(field: &str, value: &Value) -> Result<Vec<String>, RequestError> {
    match value {
        Value::Null => Ok(Vec::new()),
        Value::String(text) if text == "-" => Ok(Vec::new()),
        Value::String(text) => Ok(vec![text.clone()]),
        Value::Number(number) => Ok(vec![number.to_string()]),
        Value::Bool(value) => Ok(vec![value.to_string()]),
        Value::Array(items) => {
            let lists: Result<Vec<_>, _> = items.iter().map(|item| strings(field, item)).collect();
            Ok(lists?.concat())
        }
        Value::Object(_) => Err(RequestError::wrong_type(field, "a string", value)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_becomes_the_header_block_and_the_facts_of_a_request() {
        let line = r#"{"method":"POST","url":"http://Shop.example.com?a=b","status":200,
            "headers":{"X-User":"ada","x-none":null,"x-dash":"-","accept":["a","b"]},
            "facts":{"asn":64500,"jwt.sub":"42"}}"#;
        let request = parse_request(line).unwrap();
        let pairs: Vec<_> = request.pairs().collect();
        let wanted: [(&[u8], &[u8]); 7] = [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":authority", b"Shop.example.com"),
            (b":path", b"/?a=b"),
            (b"x-user", b"ada"),
            (b"accept", b"a"),
            (b"accept", b"b"),
        ];
        for pair in wanted {
            assert!(pairs.contains(&pair), "{pair:?}");
        }
        assert_eq!(pairs.len(), 7);
        assert_eq!(request.fact(&Input::Asn), Some("64500"));
        assert_eq!(request.fact(&Input::Jwt("sub".into())), Some("42"));
        assert_eq!(request.fact(&Input::City), None);
        let path =
            parse_request(r#"{"url":"/feed","headers":{"host":"shop.example.com"}}"#).unwrap();
        assert_eq!((&*path.authority, &*path.path), ("shop.example.com", "/feed"));
        let line = r#"{"url":"http://10.0.0.7:8080/feed","headers":{"host":"shop.example.com"}}"#;
        assert_eq!(parse_request(line).unwrap().authority, "shop.example.com");
    }

    #[test]
    fn an_error_names_the_field_the_value_and_what_is_allowed() {
        for (line, why) in [
            ("GET /", "not JSON: expected value at column 1"),
            ("[]", "not a JSON object"),
            ("{}", "url is missing"),
            (r#"{"url":"/feed"}"#, "url is \"/feed\": give an absolute URL"),
            (r#"{"url":7}"#, "url is 7, not a string"),
            (r#"{"url":"/","headers":[]}"#, "headers is [], not an object"),
            (r#"{"url":"/","headers":{"a":{}}}"#, "headers.a is {}, not a string"),
        ] {
            let error = parse_request(line).unwrap_err().to_string();
            assert!(error.starts_with(why), "{line}: {error}");
        }
    }
}
