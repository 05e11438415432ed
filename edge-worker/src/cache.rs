//! The cache of responses: its keys, and which responses may be stored. A key contains the arm, the plan and
//! the delivered flags, so a response never reaches a request with another decision.

use serin_core::{Decision, Plan, headers};

use crate::request_head::RequestHead;

/// The cache key of a request. `None` if its response may not be stored: it is no `GET`, it may be personal or
/// partial, or it belongs to no rollout. The origin restricts storing further, by `Cache-Control`.
pub(crate) fn key(head: &RequestHead, plan: &Plan, decision: &Decision) -> Option<String> {
    let excluded = ["authorization", "range", "upgrade"];
    let is_excluded = |name: &[u8]| excluded.iter().any(|field| field.as_bytes() == name);
    if head.method() != b"GET" || head.fields().any(|(name, _)| is_excluded(name)) {
        return None;
    }
    let (rollout, arm) = decision.arm(plan)?;
    let url = std::str::from_utf8(head.url()).ok()?;
    let url = url.split('#').next().unwrap_or(url);
    let separator = if url.contains('?') { '&' } else { '?' };
    let mut flags = String::new();
    decision.request_headers(plan, |name, value| {
        if name == headers::FLAGS {
            flags = hex(value);
        }
    });
    let revision = plan.revision();
    let digest = plan.digest();
    Some(format!("{url}{separator}__serin={rollout}.{arm}.{revision}.{digest}.{flags}"))
}

/// Whether a response may be stored for all requests with an equal decision.
pub(crate) fn is_storable(status: u16, has_set_cookie: bool, vary: Option<&str>) -> bool {
    let varies_only_by_encoding = vary.is_none_or(|vary| {
        vary.split(',').all(|name| name.trim().eq_ignore_ascii_case("accept-encoding"))
    });
    status == 200 && !has_set_cookie && varies_only_by_encoding
}

/// The bytes of a string in hexadecimal digits, which need no escaping in a URL.
fn hex(text: &str) -> String {
    text.bytes().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serin_core::{Facts, decide};

    fn key_of(text: &str) -> Option<String> {
        let spec = br#"{"formatVersion":1,"revision":3,"rollouts":{"web":{"match":{"paths":["/a"]},
            "arms":{"a":{"target":"a"}},"baseline":"a"}}}"#;
        let plan = Plan::from_json(spec).unwrap();
        let head = RequestHead::new(text.into());
        let facts = Facts::gather(&plan, head.pairs());
        let mut decision = Decision::new(&plan);
        decide(&plan, &facts, &mut decision);
        key(&head, &plan, &decision).map(|key| key.replace(plan.digest(), "D"))
    }

    #[test]
    fn keys_contain_the_decision() {
        let key = |text: &str| key_of(text);
        assert_eq!(key("GET\nhttp://h/a").as_deref(), Some("http://h/a?__serin=web.a.3.D."));
        assert_eq!(key("GET\nhttp://h/a?b").as_deref(), Some("http://h/a?b&__serin=web.a.3.D."));
        assert_eq!(key("POST\nhttp://h/a"), None);
        assert_eq!(key("GET\nhttp://h/a\nauthorization\nx"), None);
        assert_eq!(key("GET\nhttp://h/elsewhere"), None);
    }

    #[test]
    fn only_shared_responses_are_storable() {
        assert!(is_storable(200, false, None));
        assert!(is_storable(200, false, Some("Accept-Encoding")));
        assert!(!is_storable(200, false, Some("accept-encoding, cookie")));
        assert!(!is_storable(200, false, Some("*")));
        assert!(!is_storable(200, true, None));
        assert!(!is_storable(404, false, None));
    }
}
