//! Which answers may be kept for an arm. The key carries the arm, the revision and the delivered flags,
//! so that an answer never reaches a request that was decided otherwise.

use serin_core::{Decision, Plan, headers};

use crate::head::Head;

/// The key under which an answer to this request is kept; `None` if none may be.
///
/// What may be kept is for the origin to say, by Cache-Control; these are the requests whose
/// answers are never anybody else's.
pub(crate) fn key(head: &Head, plan: &Plan, decision: &Decision) -> Option<String> {
    let own = ["authorization", "range", "upgrade"];
    let fields = head.fields();
    let is_own = |name: &[u8]| own.iter().any(|known| known.as_bytes() == name);
    if head.method() != b"GET" || fields.into_iter().any(|(name, _)| is_own(name)) {
        return None;
    }
    let (rollout, arm) = decision.arm(plan)?;
    let url = std::str::from_utf8(head.url()).ok()?;
    let url = url.split('#').next().unwrap_or(url);
    let joint = if url.contains('?') { '&' } else { '?' };
    let mut flags = String::new();
    decision.request_headers(plan, |name, value| {
        if name == headers::FLAGS {
            flags = escaped(value);
        }
    });
    let revision = plan.revision();
    let digest = plan.digest();
    Some(format!("{url}{joint}__serin={rollout}.{arm}.{revision}.{digest}.{flags}"))
}

/// Whether an answer with these fields may be kept for everybody who is decided alike.
pub(crate) fn may_keep(status: u16, set_cookie: bool, vary: Option<&str>) -> bool {
    let varies_by_coding_alone = vary.is_none_or(|vary| {
        vary.split(',').all(|name| name.trim().eq_ignore_ascii_case("accept-encoding"))
    });
    status == 200 && !set_cookie && varies_by_coding_alone
}

/// Hexadecimal digits: any text as a part of a URL.
fn escaped(text: &str) -> String {
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
        let head = Head::new(text.into());
        let facts = Facts::gather(&plan, head.pairs());
        let mut decision = Decision::new(&plan);
        decide(&plan, &facts, &mut decision);
        key(&head, &plan, &decision).map(|key| key.replace(plan.digest(), "D"))
    }

    #[test]
    fn keys_tell_arms_apart() {
        let key = |text: &str| key_of(text);
        assert_eq!(key("GET\nhttp://h/a").as_deref(), Some("http://h/a?__serin=web.a.3.D."));
        assert_eq!(key("GET\nhttp://h/a?b").as_deref(), Some("http://h/a?b&__serin=web.a.3.D."));
        assert_eq!(key("POST\nhttp://h/a"), None);
        assert_eq!(key("GET\nhttp://h/a\nauthorization\nx"), None);
        assert_eq!(key("GET\nhttp://h/elsewhere"), None);
    }

    #[test]
    fn private_answers_are_not_kept() {
        assert!(may_keep(200, false, None));
        assert!(may_keep(200, false, Some("Accept-Encoding")));
        assert!(!may_keep(200, false, Some("accept-encoding, cookie")));
        assert!(!may_keep(200, false, Some("*")));
        assert!(!may_keep(200, true, None));
        assert!(!may_keep(404, false, None));
    }
}
