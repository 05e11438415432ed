//! JSON Web Tokens: their header field, the validation of their claims (RFC 7519, section 4.1), and claims as
//! strings.

use serin_core::json::Node;

use crate::request_head::RequestHead;

/// The accepted difference between two clocks, in seconds.
const CLOCK_SKEW: u64 = 60;
const MAX_TOKEN_BYTES: usize = 16_384;

/// The settings that tokens are validated by.
#[derive(Debug)]
pub(crate) struct JwtSettings {
    /// A JSON Web Key Set, or the URL of one.
    pub(crate) keys: String,
    /// The header field with the token, after `Bearer ` or alone.
    pub(crate) header: String,
    /// The required issuer, `iss`.
    pub(crate) issuer: Option<String>,
    /// The required audience: `aud` is it, or a list that contains it.
    pub(crate) audience: Option<String>,
}

/// The claims of a request's token; empty without a valid token.
#[derive(Debug, Default)]
pub(crate) struct Claims(Option<Node<'static>>);

impl JwtSettings {
    /// The request's token, before any validation.
    pub(crate) fn token<'h>(&self, head: &'h RequestHead) -> Option<&'h str> {
        let value = head.text(&self.header)?.trim();
        let token = match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            Some(_) => return None,
            None => value,
        };
        (!token.is_empty() && token.len() <= MAX_TOKEN_BYTES).then_some(token)
    }

    /// The claims of a payload with a valid signature. `None` unless issuer and audience are the required ones,
    /// and the token is valid at `now`, in ms since 1970.
    pub(crate) fn claims(&self, payload: &str, now: u64) -> Option<Claims> {
        let node: Node<'_> = serde_json::from_str(payload).ok()?;
        let Node::Object(claims) = &node else { return None };
        let time = |name: &str, default: u64| match claims.get(name) {
            None => Some(default),
            Some(value) => seconds(value),
        };
        let now = now / 1000;
        let has_begun = time("nbf", 0)? <= now.saturating_add(CLOCK_SKEW);
        let has_expired = time("exp", u64::MAX)?.saturating_add(CLOCK_SKEW) <= now;
        let names = |claim: Option<&Node<'_>>, required: &str| match claim {
            Some(Node::String(text)) => text == required,
            Some(Node::List(list)) => {
                list.iter().any(|item| matches!(item, Node::String(text) if text == required))
            }
            _ => false,
        };
        let issuer = self.issuer.as_deref();
        let audience = self.audience.as_deref();
        let has_issuer = issuer.is_none_or(|issuer| names(claims.get("iss"), issuer));
        let has_audience = audience.is_none_or(|name| names(claims.get("aud"), name));
        (has_begun && !has_expired && has_issuer && has_audience)
            .then(|| Claims(Some(node.into_owned())))
    }
}

impl Claims {
    /// A claim as a string. A number is written as in the token; a whole number without a fraction.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let Some(Node::Object(claims)) = &self.0 else { return None };
        match claims.get(name)? {
            Node::String(text) => Some(text.to_string()),
            Node::Bool(value) => Some(value.to_string()),
            Node::Number(number) => {
                let whole = number.as_f64().and_then(whole_number).map(|number| number.to_string());
                Some(whole.unwrap_or_else(|| number.to_string()))
            }
            _ => None,
        }
    }
}

/// A timestamp in s since 1970 (NumericDate), without its fraction.
fn seconds(value: &Node<'_>) -> Option<u64> {
    let Node::Number(number) = value else { return None };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    number.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64)
}

fn whole_number(value: f64) -> Option<i64> {
    const MAX_SAFE_INTEGER: f64 = 9_007_199_254_740_991.0;
    #[allow(clippy::cast_possible_truncation)]
    (value.fract() == 0.0 && value.abs() <= MAX_SAFE_INTEGER).then_some(value as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> JwtSettings {
        JwtSettings {
            keys: String::new(),
            header: "authorization".into(),
            issuer: Some("https://id.example".into()),
            audience: Some("shop".into()),
        }
    }

    const NOW: u64 = 1_800_000_000_000;

    fn is_valid(claims: &str) -> bool {
        let payload = format!("{{\"iss\":\"https://id.example\",{claims}}}");
        settings().claims(&payload, NOW).is_some()
    }

    #[test]
    fn token_is_found_with_and_without_a_scheme() {
        let token = |value: &str| {
            let head = RequestHead::new(format!("GET\nhttps://a/\nauthorization\n{value}"));
            settings().token(&head).map(str::to_owned)
        };
        assert_eq!(token("Bearer a.b.c"), Some("a.b.c".into()));
        assert_eq!(token("bearer  a.b.c"), Some("a.b.c".into()));
        assert_eq!(token("a.b.c"), Some("a.b.c".into()));
        assert_eq!(token("Basic abc"), None);
        assert_eq!(token(""), None);
        assert_eq!(token(&"x".repeat(MAX_TOKEN_BYTES + 1)), None);
    }

    #[test]
    fn only_claims_for_this_audience_and_time_are_valid() {
        assert!(is_valid(r#""aud":"shop""#));
        assert!(is_valid(r#""aud":["x","shop"],"exp":1800000000,"nbf":1800000000"#));
        assert!(is_valid(r#""aud":"shop","exp":1799999941,"nbf":1800000060.5"#));
        for refused in [
            r#""aud":"other""#,
            r#""sub":"ada""#,
            r#""aud":"shop","exp":1799999940"#,
            r#""aud":"shop","nbf":1800000061"#,
            r#""aud":"shop","exp":"tomorrow""#,
            r#""aud":"shop","iss":"https://id.example""#,
        ] {
            assert!(!is_valid(refused), "{refused}");
        }
        assert!(settings().claims(r#"{"iss":"https://other","aud":"shop"}"#, NOW).is_none());
        assert!(settings().claims("[]", NOW).is_none());
    }

    #[test]
    fn scalar_claims_are_strings() {
        let payload = r#"{"iss":"https://id.example","aud":"shop","sub":"ada","n":7,"f":1.5,"b":true,
            "l":["x"],"c":"a\nb","z":-0.0,"e":1e3}"#;
        let claims = settings().claims(payload, NOW).unwrap();
        let text = |name: &str| claims.text(name);
        assert_eq!(text("sub").as_deref(), Some("ada"));
        assert_eq!((text("n").as_deref(), text("e").as_deref()), (Some("7"), Some("1000")));
        assert_eq!(text("z").as_deref(), Some("0"));
        assert_eq!(text("b").as_deref(), Some("true"));
        assert_eq!((text("f").as_deref(), text("c").as_deref()), (Some("1.5"), Some("a\nb")));
        assert_eq!((text("l"), text("none")), (None, None));
        assert_eq!(Claims::default().text("sub"), None);
    }
}
