//! Assertions about every document and every decision. A document is refused with a reason, or it compiles
//! and decides; a decision is valid and deterministic. Each function panics if its assertion fails.

use serde_json::Value;
use serin_core::{Decision, Facts, FixedHost, Plan, decide};

/// Compiles a document. Asserts that a refusal has a message, and that a plan decides.
pub fn compile(json: &[u8]) {
    match Plan::from_json(json) {
        Err(errors) => assert!(!errors.to_string().trim().is_empty()),
        Ok(plan) => {
            let pairs = [(&b":path"[..], &b"/"[..]), (b"x-user-id", b"ana")];
            check_decision(&plan, pairs.into_iter());
        }
    }
}

/// Decides a request. Asserts that the record and the header fields are valid, and that a second decision
/// is equal.
pub fn check_decision<'p>(plan: &Plan, pairs: impl Iterator<Item = (&'p [u8], &'p [u8])> + Clone) {
    let mut host = FixedHost { entropy: Some([7; 16]), ..FixedHost::at(1_795_251_600_000) };
    let facts = Facts::of_request(plan, pairs, &mut host);
    let mut decision = Decision::new(plan);
    decide(plan, &facts, &mut decision);
    let text = decision.record(plan);
    let record: Value = serde_json::from_str(&text).expect("the record is JSON");
    let reasons = ["STATIC", "DEFAULT", "TARGETING_MATCH", "SPLIT", "DISABLED", "ERROR"];
    let parts = record["flags"].as_object().cloned().unwrap_or_default();
    for part in parts.values().chain(record.get("rollout")) {
        let reason = part["reason"].as_str().unwrap_or_default();
        assert!(reasons.contains(&reason), "{text}");
        if let Some(bucket) = part["bucket"].as_u64() {
            assert!(
                bucket < 100_000 && part["share"].as_u64().is_some_and(|share| share <= 100_000)
            );
        }
    }
    decision.request_headers(plan, |name, value| {
        assert!(serin_core::is_reserved_header(name.as_bytes()), "{name}");
        assert!(value.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{name}: {value}");
    });
    let mut again = Decision::new(plan);
    decide(plan, &facts, &mut again);
    assert_eq!(text, again.record(plan));
}
