//! The header fields that carry a decision to the upstream, to the router and to testers.

use alloc::string::String;

use crate::decision::Decision;
use crate::plan::{Flag, Plan, Rollout};

/// The request field with the arm's name, for the host's router.
pub const ARM: &str = "x-serin-arm";
/// The request field with the rollout's name, for the host's router.
pub const ROLLOUT: &str = "x-serin-rollout";
/// The request field with the delivered flags, a dictionary of Structured Fields (RFC 9651).
pub const FLAGS: &str = "serin-flags";
/// The request field with the upstream that gets a copy of the request, for the host's mirror.
pub const SHADOW: &str = "x-serin-shadow";
/// The request field with the anonymous ids that were minted for this request, each with its signature, as
/// pairs in the form of a `cookie` field: `serin_id=ID.SIGNATURE`. The next host of the request with the same
/// keys uses these ids. A host without keys neither sets the field nor reads it.
pub const IDS: &str = "x-serin-id";
/// The response field with the decision record, for a tester whose override requests it.
pub const DECISION: &str = "serin-decision";
/// The maximum size of [`DECISION`], in bytes. Clients and proxies limit a response's header fields more
/// than logs limit a line.
pub const MAX_DECISION_BYTES: usize = 16 << 10;

/// The separator of the members of [`FLAGS`].
pub(crate) const SEPARATOR: &str = ", ";

/// Whether a header or trailer field is reserved for Serin: every `x-serin-…` and `serin-…`. A host
/// removes these from a client's request.
///
/// Any character other than a letter or digit counts as `-`: servers that pass fields on as
/// variables (CGI, WSGI, PHP) read `serin_flags` or `serin.flags` as `serin-flags`.
pub fn is_reserved(name: &[u8]) -> bool {
    // Nearly all names are told apart by their first letter.
    match name.first() {
        Some(b's' | b'S') => begins(name, b"serin-"),
        Some(b'x' | b'X') => begins(name, b"x-serin-"),
        _ => false,
    }
}

fn begins(name: &[u8], prefix: &[u8]) -> bool {
    let Some(start) = name.get(..prefix.len()) else { return false };
    start.iter().zip(prefix).all(|(given, wanted)| match wanted {
        b'-' => !given.is_ascii_alphanumeric(),
        letter => given.eq_ignore_ascii_case(letter),
    })
}

/// The maximum size of a flag's member of [`FLAGS`], with its separator, in bytes.
pub(crate) fn max_member_bytes(flag: &Flag) -> usize {
    let longest = flag.variants().iter().map(|variant| variant.member.len()).max();
    longest.map_or(0, |longest| longest.saturating_add(SEPARATOR.len()))
}

/// The maximum size of the values of [`ROLLOUT`], [`ARM`] and [`SHADOW`] together, in bytes.
pub(crate) fn max_rollout_bytes(rollout: &Rollout) -> usize {
    let arm = rollout.arms().iter().map(|arm| arm.name().len()).max().unwrap_or(0);
    let shadow = rollout.shadow().and_then(|shadow| rollout.arm(shadow.arm));
    let shadow = shadow.map_or(0, |arm| arm.target().len());
    rollout.name().len().saturating_add(arm).saturating_add(shadow)
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
                field.push_str(SEPARATOR);
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
        for name in ["serin_flags", "x_serin_arm", "X-SERIN_ARM", "x_Serin-arm", "serin.flags"] {
            assert!(is_reserved(name.as_bytes()), "{name}");
        }
        for name in ["x-serinus", "serin", "x-request-id", "", "xserin-arm", "serina", "x-serin"] {
            assert!(!is_reserved(name.as_bytes()), "{name}");
        }
    }
}
