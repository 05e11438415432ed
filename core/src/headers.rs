//! The header fields that carry a decision to the upstream, to the router and to testers.

use alloc::string::String;

use crate::decision::Decision;
use crate::plan::Plan;

/// The request field with the arm's name, for the host's router.
pub const ARM: &str = "x-serin-arm";
/// The request field with the rollout's name, for the host's router.
pub const ROLLOUT: &str = "x-serin-rollout";
/// The request field with the delivered flags, a dictionary of Structured Fields (RFC 9651).
pub const FLAGS: &str = "serin-flags";
/// The request field with the upstream that gets a copy of the request, for the host's mirror.
pub const SHADOW: &str = "x-serin-shadow";
/// The response field with the decision record, for a tester whose override requests it.
pub const DECISION: &str = "serin-decision";

/// Whether a header field is reserved for Serin: every `x-serin-…` and `serin-…`. A host removes these from
/// a client's request.
pub fn is_reserved(name: &[u8]) -> bool {
    let begins = |prefix: &[u8]| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    begins(b"x-serin-") || begins(b"serin-")
}

impl Decision {
    /// Calls `set` with the name and value of each header field of the upstream request.
    pub fn request_headers(&self, plan: &Plan, mut set: impl FnMut(&'static str, &str)) {
        if !self.flags.is_empty() {
            set(FLAGS, &self.flags_field(plan));
        }
        if let Some(arm) = self.shadow(plan) {
            set(SHADOW, arm.target());
        }
        if let Some((rollout, arm)) = self.arm(plan) {
            set(ROLLOUT, rollout);
            // Last, because a router may choose the route again after each change.
            set(ARM, arm);
        }
    }

    fn flags_field(&self, plan: &Plan) -> String {
        let mut field = String::with_capacity(self.flags.len().saturating_mul(24));
        for decided in &self.flags {
            let flag = plan.flag(decided.flag);
            let Some(variant) = flag.and_then(|flag| flag.variant(decided.variant)) else {
                continue;
            };
            if !field.is_empty() {
                field.push_str(", ");
            }
            field.push_str(&variant.member);
        }
        field
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_with_a_prefix_of_serin_are_reserved() {
        for name in ["x-serin-arm", "X-Serin-Anything", "serin-flags", "Serin-Decision"] {
            assert!(is_reserved(name.as_bytes()), "{name}");
        }
        for name in ["x-serinus", "serin", "x-request-id", ""] {
            assert!(!is_reserved(name.as_bytes()), "{name}");
        }
    }
}
