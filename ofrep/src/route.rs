//! Routing of requests: the path, the method and the authorization.

use serin_core::Plan;

use crate::evaluate::{Failure, evaluate_all, evaluate_one};
use crate::{Request, Response, Settings, context};

/// The methods that a browser may use.
const METHODS: &str = "POST, OPTIONS";
/// The header fields that a browser may send.
const FIELDS: &str = "content-type, authorization, x-api-key, if-none-match";

/// The flag key in a path of the protocol: `Some(None)` for all flags, `None` for other paths.
pub(crate) fn flag_key<'p>(settings: &Settings, path: &'p str) -> Option<Option<&'p str>> {
    let rest = path.strip_prefix(settings.prefix.trim_end_matches('/'))?;
    match rest.strip_prefix("/ofrep/v1/evaluate/flags")? {
        "" | "/" => Some(None),
        rest => rest.strip_prefix('/').map(Some),
    }
}

impl Settings {
    /// Whether a path belongs to the protocol. [`respond`] answers only such paths, so a host need not read the body of
    /// other requests.
    pub fn covers(&self, path: &str) -> bool {
        flag_key(self, path).is_some()
    }
}

/// Responds to a request. `None` if its path does not belong to the protocol. Without a plan, every flag is unknown.
///
/// ```
/// use serin_core::Plan;
/// use serin_ofrep::{Request, Settings, respond};
///
/// let spec = br#"{"formatVersion": 1, "flags": {"banner":
///     {"kind": "ops", "variants": {"on": true, "off": false}, "defaultVariant": "off", "rules": [{"serve": "on"}]}}}"#;
/// let plan = Plan::from_json(spec).unwrap();
/// let request = Request {
///     method: "POST",
///     path: "/ofrep/v1/evaluate/flags/banner",
///     body: Some(br#"{"context": {"targetingKey": "ada"}}"#),
///     ..Request::default()
/// };
/// let response = respond(&Settings::default(), Some(&plan), request).unwrap();
/// assert_eq!(response.status, 200);
/// assert!(response.body.contains(r#""value":true"#));
/// ```
pub fn respond(settings: &Settings, plan: Option<&Plan>, request: Request<'_>) -> Option<Response> {
    let key = flag_key(settings, request.path)?;
    let mut response = match request.method {
        "OPTIONS" => Response::empty(204),
        "POST" if !is_allowed(settings, &request) => unauthorised(),
        "POST" => evaluate(plan, key, request),
        _ => {
            let mut response = Failure::general("only POST is allowed here").response(405, None);
            response.field("allow", METHODS);
            response
        }
    };
    allow_origin(settings, &request, &mut response);
    Some(response)
}

fn evaluate(plan: Option<&Plan>, key: Option<&str>, request: Request<'_>) -> Response {
    let key = key.map(decoded);
    let key = key.as_deref();
    let Some(body) = request.body else {
        return Failure::general("the body is too long").response(413, key);
    };
    let context = match context::read(body) {
        Ok(context) => context,
        Err(failure) => return failure.response(400, key),
    };
    match key {
        Some(key) => evaluate_one(plan, &context, &request, key),
        None => evaluate_all(plan, &context, &request),
    }
}

fn is_allowed(settings: &Settings, request: &Request<'_>) -> bool {
    let Some(token) = &settings.token else { return true };
    let bearer = request.authorization.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    [bearer, request.api_key].into_iter().flatten().any(|given| is_equal(given, token))
}

/// Compares in a time that does not depend on the position of a difference.
fn is_equal(given: &str, token: &str) -> bool {
    let differences = given.bytes().zip(token.bytes()).fold(0, |all, (a, b)| all | (a ^ b));
    given.len() == token.len() && differences == 0
}

fn unauthorised() -> Response {
    let mut response = Failure::general("a valid token is needed").response(401, None);
    response.field("www-authenticate", "Bearer");
    response
}

fn allow_origin(settings: &Settings, request: &Request<'_>, response: &mut Response) {
    let (Some(allowed), Some(origin)) = (&settings.origins, request.origin) else { return };
    let mut allowed = allowed.split(',').map(str::trim);
    let Some(granted) = allowed.find(|known| *known == "*" || *known == origin) else { return };
    response.field("access-control-allow-origin", granted);
    response.field("access-control-expose-headers", "etag");
    if granted != "*" {
        response.field("vary", "origin");
    }
    if request.method == "OPTIONS" {
        response.field("access-control-allow-methods", METHODS);
        response.field("access-control-allow-headers", FIELDS);
        response.field("access-control-max-age", "86400");
    }
}

/// Decodes `%XX`, with which clients escape characters that a path cannot contain.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digit = |at: usize| after.get(at).and_then(|byte| char::from(*byte).to_digit(16));
        let escape = match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => u8::try_from(high << 4 | low).ok(),
            _ => None,
        };
        rest = if escape.is_some() { after.get(2..).unwrap_or(&[]) } else { after };
        bytes.push(escape.unwrap_or(*first));
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

impl Response {
    fn empty(status: u16) -> Response {
        Response { status, fields: Vec::new(), body: String::new() }
    }

    pub(crate) fn field(&mut self, name: &'static str, value: &str) {
        self.fields.push((name, value.to_owned()));
    }
}
