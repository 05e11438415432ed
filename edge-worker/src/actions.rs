//! The changes that a decision makes to a request.

use serin_core::{Decision, Plan, headers, is_reserved_header, private_fields};

use crate::request_head::RequestHead;
use crate::settings::Target;

/// The field that keeps requests on one version of a service. A client's would choose the version.
const VERSION_KEY: &str = "cloudflare-workers-version-key";

/// Changes of header fields in the format of `host.js`: a line for each name and each value. An empty value
/// removes the field.
#[derive(Default)]
pub(crate) struct HeaderChanges(String);

impl HeaderChanges {
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        if !self.0.is_empty() {
            self.0.push('\n');
        }
        self.0.push_str(name);
        self.0.push('\n');
        self.0.push_str(value);
    }

    fn remove(&mut self, name: &str) {
        self.set(name, "");
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

/// The request that is sent to a target, as changes to the client's request.
pub(crate) struct OutgoingRequest {
    /// `None` for the URL of the client's request.
    pub(crate) url: Option<String>,
    pub(crate) changes: HeaderChanges,
}

/// A decision whose header fields a target gets.
#[derive(Clone, Copy)]
pub(crate) struct DecidedFields<'d> {
    pub(crate) plan: &'d Plan,
    pub(crate) decision: &'d Decision,
    /// The value of the field with the ids that were minted for the request.
    pub(crate) ids: Option<&'d str>,
}

/// Makes the request to a target: it removes the fields that a client sent under Serin's names, and sets those
/// of the decision. Without a target the request keeps its URL.
///
/// `arm` is the arm that the request really goes to, if it is not the decided one: after a fallback.
pub(crate) fn outgoing(
    head: &RequestHead,
    decided: Option<DecidedFields<'_>>,
    arm: Option<&str>,
    target: Option<&Target>,
) -> OutgoingRequest {
    let mut changes = HeaderChanges::default();
    for (name, _) in head.fields().filter(|(name, _)| is_removed(name)) {
        if let Ok(name) = std::str::from_utf8(name) {
            changes.remove(name);
        }
    }
    if let Some(DecidedFields { plan, decision, ids }) = decided {
        if let Some(ids) = ids {
            changes.set(headers::IDS, ids);
        }
        decision.request_headers(plan, |name, value| {
            let value = if name == headers::ARM { arm.unwrap_or(value) } else { value };
            changes.set(name, value);
        });
    }
    let url = match target {
        Some(Target::Origin(origin)) => {
            changes.set("x-forwarded-host", &lossy(head.authority()));
            changes.set("x-forwarded-proto", &lossy(head.scheme()));
            Some(format!("{origin}{}", lossy(head.target())))
        }
        Some(Target::Service(_)) => {
            if let Some(key) = decided.and_then(|of| version_key(of.plan, of.decision)) {
                changes.set(VERSION_KEY, &key);
            }
            None
        }
        None => None,
    };
    OutgoingRequest { url, changes }
}

/// The changes that keep a response, which gets a cookie, out of shared caches. `fields` are its header fields: a line
/// for each name and each value.
pub(crate) fn private(fields: &str) -> HeaderChanges {
    let mut lines = fields.lines();
    let pairs = std::iter::from_fn(|| Some((lines.next()?.as_bytes(), lines.next()?.as_bytes())));
    let mut changes = HeaderChanges::default();
    for (name, value) in private_fields(pairs) {
        changes.set(&name, &value);
    }
    changes
}

/// Whether a client's header field never reaches a target.
fn is_removed(name: &[u8]) -> bool {
    is_reserved_header(name) || name == VERSION_KEY.as_bytes()
}

/// The version key of a unit: Cloudflare sends equal keys to one version of a Worker that is itself deployed
/// gradually.
fn version_key(plan: &Plan, decision: &Decision) -> Option<String> {
    let (rollout, _) = decision.arm(plan)?;
    let bucket = decision.rollout()?.assignment?.bucket.number();
    Some(format!("{rollout}.{bucket}"))
}

fn lossy(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> RequestHead {
        RequestHead::new(
            "GET\nhttps://shop.example/feed?a=1\nserin-flags\nforged\nx-serin-arm\nx\nx-user\nada"
                .into(),
        )
    }

    #[test]
    fn without_a_decision_only_reserved_fields_are_removed() {
        let outgoing = outgoing(&head(), None, None, None);
        assert_eq!(outgoing.url, None);
        assert_eq!(outgoing.changes.as_str(), "serin-flags\n\nx-serin-arm\n");
    }

    #[test]
    fn a_response_with_a_cookie_is_private() {
        let changes =
            private("cache-control\npublic, max-age=1\nvary\n\ncdn-cache-control\nmax-age=9\n");
        assert_eq!(
            changes.as_str(),
            "cdn-cache-control\nno-store\ncache-control\nprivate, max-age=1"
        );
        assert_eq!(private("").as_str(), "cache-control\nprivate");
        assert_eq!(private("cache-control\nno-store\n").as_str(), "");
    }

    #[test]
    fn a_client_never_chooses_the_version_of_a_target() {
        let text = "GET\nhttps://shop.example/\ncloudflare-workers-version-key\nmine";
        let head = RequestHead::new(text.into());
        let origin = Target::Origin("https://v1.internal".into());
        for target in [None, Some(&origin), Some(&Target::Service("A".into()))] {
            let changes = outgoing(&head, None, None, target).changes.0;
            assert!(changes.starts_with("cloudflare-workers-version-key\n"), "{changes}");
            assert!(!changes.contains("mine"), "{changes}");
        }
    }

    #[test]
    fn an_origin_gets_the_original_host() {
        let origin = Target::Origin("https://v1.internal".into());
        let outgoing = outgoing(&head(), None, None, Some(&origin));
        assert_eq!(outgoing.url.as_deref(), Some("https://v1.internal/feed?a=1"));
        let changes = outgoing.changes.as_str();
        assert!(
            changes.ends_with("x-forwarded-host\nshop.example\nx-forwarded-proto\nhttps"),
            "{changes}"
        );
    }

    #[test]
    fn after_a_fallback_the_arm_field_names_the_actual_arm() {
        let spec =
            br#"{"formatVersion":1,"units":{"user":[{"header":"x-user"}]},"rollouts":{"web":{
            "unit":"user","arms":{"a":{"target":"a"},"b":{"target":"b"}},"baseline":"a",
            "canary":{"share":100}}}}"#;
        let plan = Plan::from_json(spec).unwrap();
        let head = head();
        let facts = serin_core::Facts::gather(&plan, head.pairs());
        let mut decision = Decision::new(&plan);
        serin_core::decide(&plan, &facts, &mut decision);
        let service = Target::Service("A".into());
        let ids = Some("serin_id=1.2");
        let fields = DecidedFields { plan: &plan, decision: &decision, ids };
        let of = |arm| outgoing(&head, Some(fields), arm, Some(&service)).changes.0;
        assert!(of(None).contains("x-serin-id\nserin_id=1.2\n"), "{}", of(None));
        assert!(of(None).contains("x-serin-arm\nb\n"), "{}", of(None));
        assert!(of(Some("a")).contains("x-serin-arm\na\n"), "{}", of(Some("a")));
        assert!(of(None).contains("cloudflare-workers-version-key\nweb."), "{}", of(None));
    }
}
