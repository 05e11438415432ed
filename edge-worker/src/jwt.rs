//! Tokens: where they are, what makes their claims count (RFC 7519, section 4.1), and a claim as text.

use serin_core::json::Node;

use crate::head::Head;

/// Seconds by which two clocks may differ.
const SKEW: u64 = 60;
const LONGEST: usize = 16_384;

/// Which tokens count.
#[derive(Debug)]
pub(crate) struct Settings {
    /// A JSON Web Key Set, or the URL of one.
    pub(crate) keys: String,
    /// The header field with the token, after `Bearer ` or alone.
    pub(crate) header: String,
    /// What `iss` has to be, if anything.
    pub(crate) issuer: Option<String>,
    /// What `aud` has to be or to contain, if anything.
    pub(crate) audience: Option<String>,
}

/// The claims of a request's token; none without a good one.
#[derive(Debug, Default)]
pub(crate) struct Claims(Option<Node>);

impl Settings {
    /// The request's token, not yet looked at.
    pub(crate) fn token<'h>(&self, head: &'h Head) -> Option<&'h str> {
        let value = head.text(&self.header)?.trim();
        let token = match value.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            Some(_) => return None,
            None => value,
        };
        (!token.is_empty() && token.len() <= LONGEST).then_some(token)
    }

    /// The claims of a payload whose signature is good, if they are for this Worker and for now (ms since
    /// 1970).
    pub(crate) fn claims(&self, payload: &str, now: u64) -> Option<Claims> {
        let node: Node = serde_json::from_str(payload).ok()?;
        let Node::Object(claims) = &node else { return None };
        let moment = |name: &str, otherwise: u64| match claims.get(name) {
            None => Some(otherwise),
            Some(value) => seconds(value),
        };
        let now = now / 1000;
        let begun = moment("nbf", 0)? <= now.saturating_add(SKEW);
        let over = moment("exp", u64::MAX)?.saturating_add(SKEW) <= now;
        let is = |claim: Option<&Node>, wanted: &str| match claim {
            Some(Node::String(text)) => text == wanted,
            Some(Node::List(list)) => {
                list.iter().any(|item| matches!(item, Node::String(text) if text == wanted))
            }
            _ => false,
        };
        let issued = self.issuer.as_deref().is_none_or(|issuer| is(claims.get("iss"), issuer));
        let meant = self.audience.as_deref().is_none_or(|name| is(claims.get("aud"), name));
        (begun && !over && issued && meant).then_some(Claims(Some(node)))
    }
}

impl Claims {
    /// A claim as text: a number as it stands there, a whole one without a fraction.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        let Some(Node::Object(claims)) = &self.0 else { return None };
        match claims.get(name)? {
            Node::String(text) => Some(text.clone()),
            Node::Bool(value) => Some(value.to_string()),
            Node::Number(number) => {
                let whole = number.as_f64().and_then(whole).map(|number| number.to_string());
                Some(whole.unwrap_or_else(|| number.to_string()))
            }
            _ => None,
        }
    }
}

/// A moment in s since 1970 (NumericDate), fractions left off.
fn seconds(value: &Node) -> Option<u64> {
    let Node::Number(number) = value else { return None };
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    number.as_f64().filter(|seconds| *seconds >= 0.0).map(|seconds| seconds as u64)
}

fn whole(value: f64) -> Option<i64> {
    const LARGEST: f64 = 9_007_199_254_740_991.0;
    #[allow(clippy::cast_possible_truncation)]
    (value.fract() == 0.0 && value.abs() <= LARGEST).then_some(value as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            keys: String::new(),
            header: "authorization".into(),
            issuer: Some("https://id.example".into()),
            audience: Some("shop".into()),
        }
    }

    const NOW: u64 = 1_800_000_000_000;

    fn counts(claims: &str) -> bool {
        let payload = format!("{{\"iss\":\"https://id.example\",{claims}}}");
        settings().claims(&payload, NOW).is_some()
    }

    #[test]
    fn tokens_are_found() {
        let token = |value: &str| {
            let head = Head::new(format!("GET\nhttps://a/\nauthorization\n{value}"));
            settings().token(&head).map(str::to_owned)
        };
        assert_eq!(token("Bearer a.b.c"), Some("a.b.c".into()));
        assert_eq!(token("bearer  a.b.c"), Some("a.b.c".into()));
        assert_eq!(token("a.b.c"), Some("a.b.c".into()));
        assert_eq!(token("Basic abc"), None);
        assert_eq!(token(""), None);
        assert_eq!(token(&"x".repeat(LONGEST + 1)), None);
    }

    #[test]
    fn only_claims_for_here_and_now_count() {
        assert!(counts(r#""aud":"shop""#));
        assert!(counts(r#""aud":["x","shop"],"exp":1800000000,"nbf":1800000000"#));
        assert!(counts(r#""aud":"shop","exp":1799999941,"nbf":1800000060.5"#));
        for refused in [
            r#""aud":"other""#,
            r#""sub":"ada""#,
            r#""aud":"shop","exp":1799999940"#,
            r#""aud":"shop","nbf":1800000061"#,
            r#""aud":"shop","exp":"tomorrow""#,
            r#""aud":"shop","iss":"https://id.example""#,
        ] {
            assert!(!counts(refused), "{refused}");
        }
        assert!(settings().claims(r#"{"iss":"https://other","aud":"shop"}"#, NOW).is_none());
        assert!(settings().claims("[]", NOW).is_none());
    }

    #[test]
    fn claims_are_texts() {
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
