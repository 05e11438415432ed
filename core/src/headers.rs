//! A decision as header fields.

use alloc::string::String;

use crate::decision::Decision;
use crate::plan::Plan;

/// The arm's name, for the host's router.
pub const ARM: &str = "x-serin-arm";
/// The rollout's name, for the host's router.
pub const ROLLOUT: &str = "x-serin-rollout";
/// The delivered flags, a dictionary of Structured Fields (RFC 9651).
pub const FLAGS: &str = "serin-flags";

/// The decision record in a response, for a tester whose override asks for it.
pub const DECISION: &str = "serin-decision";

/// Whether a header field is Serin's own, so that a client's is removed on arrival: every
/// `x-serin-…` and `serin-…`.
pub fn is_reserved(name: &[u8]) -> bool {
    let begins = |prefix: &[u8]| {
        name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    begins(b"x-serin-") || begins(b"serin-")
}

/// The upstream that gets a copy of the request, for the host's mirror.
pub const SHADOW: &str = "x-serin-shadow";

impl Decision {
    /// Calls `set` for each header field that the upstream request carries.
    pub fn request_headers(&self, plan: &Plan, mut set: impl FnMut(&'static str, &str)) {
        if !self.flags.is_empty() {
            set(FLAGS, &self.flags_field(plan));
        }
        if let Some(arm) = self.shadow(plan) {
            set(SHADOW, arm.target());
        }
        if let Some((rollout, arm)) = self.arm(plan) {
            set(ROLLOUT, rollout);
            // Last, because a router may look again after each change.
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
    fn reserved_names() {
        for name in ["x-serin-arm", "X-Serin-Anything", "serin-flags", "Serin-Decision"] {
            assert!(is_reserved(name.as_bytes()), "{name}");
        }
        for name in ["x-serinus", "serin", "x-request-id", ""] {
            assert!(!is_reserved(name.as_bytes()), "{name}");
        }
    }
}
