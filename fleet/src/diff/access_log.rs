//! Requests as an access log keeps them, one JSON object a line.

use serde_json::Value;
use serin_core::plan::Input;
use std::collections::BTreeMap;

/// A recorded request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    method: String,
    scheme: String,
    authority: String,
    path: String,
    headers: Vec<(String, String)>,
    /// What the host knew beside the request.
    facts: BTreeMap<String, String>,
}

/// Reads a line:
///
/// ```json
/// {"method": "GET", "url": "https://shop.example.com/feed", "headers": {"x-user-id": "ada"}, "facts": {"country": "DE"}}
/// ```
///
/// `url` is needed: a whole one, or a path together with the header `host`. A header's value is a
/// text or a list of texts; `null` and `"-"`, as hosts log what was not there, leave it out. `facts` are
/// `ip`, `country`, `region`, `city`, `asn`, `colo` and `jwt.CLAIM`. Other fields are passed over.
///
/// # Errors
/// What is wrong with the line, in a sentence.
pub fn parse(line: &str) -> Result<Request, String> {
    let line: Value = serde_json::from_str(line).map_err(|error| {
        // The line is the log's to count.
        format!("not JSON: {}", error.to_string().replace(" at line 1 column ", " at column "))
    })?;
    if !line.is_object() {
        return Err("not a JSON object".to_owned());
    }
    let mut request =
        Request { method: "GET".into(), scheme: "https".into(), ..Request::default() };
    if let Some(method) = text(&line, "method")? {
        request.method = method;
    }
    for (name, value) in object(&line, "headers")? {
        let name = name.to_ascii_lowercase();
        for value in texts(value).ok_or_else(|| format!("headers.{name} is no text"))? {
            request.headers.push((name.clone(), value));
        }
    }
    for (name, value) in object(&line, "facts")? {
        for value in texts(value).ok_or_else(|| format!("facts.{name} is no text"))? {
            request.facts.insert(name.clone(), value);
        }
    }
    let url = text(&line, "url")?.ok_or("url is missing")?;
    request.read_url(&url)?;
    Ok(request)
}

impl Request {
    fn read_url(&mut self, url: &str) -> Result<(), String> {
        if let Some((scheme, rest)) = url.split_once("://") {
            let end = rest.find(['/', '?']).unwrap_or(rest.len());
            let (authority, path) = rest.split_at(end);
            self.scheme = scheme.to_ascii_lowercase();
            self.authority = authority.to_owned();
            self.path = if path.starts_with('/') { path.into() } else { format!("/{path}") };
        } else {
            let host = self.headers.iter().find(|(name, _)| name == "host");
            self.authority = host.map(|(_, host)| host.clone()).unwrap_or_default();
            self.path = url.to_owned();
        }
        if self.authority.is_empty() || !self.path.starts_with('/') {
            return Err(format!(
                "url is {url:?}, give a whole one like https://shop.example.com/feed, or a path and the header host"
            ));
        }
        Ok(())
    }

    /// The header block as hosts have it.
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

    /// What the host knew for an input.
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

fn text(line: &Value, name: &str) -> Result<Option<String>, String> {
    match line.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text.clone())),
        Some(other) => Err(format!("{name} is {other} and no text")),
    }
}

fn object<'l>(
    line: &'l Value,
    name: &str,
) -> Result<impl Iterator<Item = (&'l String, &'l Value)>, String> {
    match line.get(name) {
        None | Some(Value::Null) => Ok(None.into_iter().flatten()),
        Some(Value::Object(fields)) => Ok(Some(fields).into_iter().flatten()),
        Some(other) => Err(format!("{name} is {other} and no object")),
    }
}

/// The texts of a value; `None` if it is something else.
fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Null => Some(Vec::new()),
        Value::String(text) if text == "-" => Some(Vec::new()),
        Value::String(text) => Some(vec![text.clone()]),
        Value::Number(number) => Some(vec![number.to_string()]),
        Value::Bool(value) => Some(vec![value.to_string()]),
        Value::Array(items) => Some(items.iter().map(texts).collect::<Option<Vec<_>>>()?.concat()),
        Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_hosts_write_them() {
        let line = r#"{"method":"POST","url":"http://Shop.example.com?a=b","status":200,
            "headers":{"X-User":"ada","x-none":null,"x-dash":"-","accept":["a","b"]},
            "facts":{"asn":64500,"jwt.sub":"42"}}"#;
        let request = parse(line).unwrap();
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
        let path = parse(r#"{"url":"/feed","headers":{"host":"shop.example.com"}}"#).unwrap();
        assert_eq!((&*path.authority, &*path.path), ("shop.example.com", "/feed"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (line, why) in [
            ("GET /", "not JSON: expected value at column 1"),
            ("[]", "not a JSON object"),
            ("{}", "url is missing"),
            (r#"{"url":"/feed"}"#, "url is \"/feed\", give a whole one"),
            (r#"{"url":7}"#, "url is 7 and no text"),
            (r#"{"url":"/","headers":[]}"#, "headers is [] and no object"),
            (r#"{"url":"/","headers":{"a":{}}}"#, "headers.a is no text"),
        ] {
            let said = parse(line).unwrap_err();
            assert!(said.starts_with(why), "{line}: {said}");
        }
    }
}
