//! The path, the method and who may ask.

use serin_core::Plan;

use crate::evaluate::{self, Failure};
use crate::{Request, Response, Settings, context};

/// The methods and fields that a browser may use.
const METHODS: &str = "POST, OPTIONS";
const FIELDS: &str = "content-type, authorization, x-api-key, if-none-match";

/// Whether a path is one of the protocol's, so that a host knows whether to read the body.
pub(crate) fn key_of<'p>(settings: &Settings, path: &'p str) -> Option<Option<&'p str>> {
    let rest = path.strip_prefix(settings.prefix.trim_end_matches('/'))?;
    match rest.strip_prefix("/ofrep/v1/evaluate/flags")? {
        "" | "/" => Some(None),
        rest => rest.strip_prefix('/').map(Some),
    }
}

impl Settings {
    /// Whether a path is one of the protocol's: whether [`respond`] would answer.
    pub fn covers(&self, path: &str) -> bool {
        key_of(self, path).is_some()
    }
}

/// Answers a request; `None` if its path is not one of the protocol's. Without a plan every flag is
/// unknown.
pub fn respond(settings: &Settings, plan: Option<&Plan>, request: Request<'_>) -> Option<Response> {
    let key = key_of(settings, request.path)?;
    let mut response = match request.method {
        "OPTIONS" => Response::empty(204),
        "POST" if !is_allowed(settings, &request) => unauthorised(),
        "POST" => evaluated(plan, key, request),
        _ => {
            let mut response = Failure::general("only POST is allowed here").response(405, None);
            response.field("allow", METHODS);
            response
        }
    };
    allow_origin(settings, &request, &mut response);
    Some(response)
}

fn evaluated(plan: Option<&Plan>, key: Option<&str>, request: Request<'_>) -> Response {
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
        Some(key) => evaluate::one(plan, &context, &request, key),
        None => evaluate::all(plan, &context, &request),
    }
}

fn is_allowed(settings: &Settings, request: &Request<'_>) -> bool {
    let Some(token) = &settings.token else { return true };
    let bearer = request.authorization.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
    });
    [bearer, request.api_key].into_iter().flatten().any(|shown| same(shown, token))
}

/// Takes as long for a near miss as for a wide one.
fn same(shown: &str, token: &str) -> bool {
    let differences = shown.bytes().zip(token.bytes()).fold(0, |seen, (a, b)| seen | (a ^ b));
    shown.len() == token.len() && differences == 0
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

/// `%XX` decoded; clients escape what a path can't hold.
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
