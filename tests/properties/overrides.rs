//! Override tokens: only the exact token is valid, and one that names nothing of the plan changes
//! nothing.

use super::totality::plans;
use proptest::prelude::*;
use serde_json::{Value, json};
use serin_conformance::override_token::{keys, token};
use serin_core::{Decision, Facts, FixedHost, OverrideKeys, Plan, Timestamp, decide};

const HOST: &str = "shop.example.com";

fn now() -> Timestamp {
    Timestamp::parse("2026-11-21").expect("a date")
}

fn names() -> impl Strategy<Value = Vec<(String, String)>> {
    prop::collection::vec(("[a-z]{1,12}", "\\PC{0,12}"), 0..6)
}

fn claims(names: &[(String, String)]) -> Value {
    let arms: serde_json::Map<_, _> =
        names.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({"exp": 4_102_444_800_u64, "arms": arms, "decision": true})
}

/// The decision on a request with or without a token in its header, and whether the token is valid.
fn decided(plan: &Plan, unit: &str, token: Option<(&OverrideKeys, &str)>) -> (Decision, bool) {
    let mut pairs = vec![
        (&b":path"[..], &b"/feed"[..]),
        (b":authority", HOST.as_bytes()),
        (b"x-user-id", unit.as_bytes()),
    ];
    pairs.extend(token.map(|(_, token)| (&b"x-serin-override"[..], token.as_bytes())));
    let override_keys = token.map(|(keys, _)| keys);
    let mut host = FixedHost { override_keys, ..FixedHost::at(now().unix_ms()) };
    let facts = Facts::of_request(plan, pairs, &mut host);
    let mut decision = Decision::new(plan);
    decide(plan, &facts, &mut decision);
    (decision, facts.override_outcome() == Some(Ok(())))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// A token with any bit changed is refused.
    #[test]
    fn a_token_with_a_changed_bit_is_refused(
        secret in prop::collection::vec(any::<u8>(), 32..100),
        names in names(),
    ) {
        let (keys, token) = (keys(&secret), token(&secret, &claims(&names)));
        prop_assert!(keys.verify(token.as_bytes(), HOST, now()).is_ok());
        for bit in 0..token.len() * 8 {
            let mut changed = token.clone().into_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            prop_assert!(keys.verify(&changed, HOST, now()).is_err(), "bit {bit} of {token}");
        }
    }

    /// A prefix of a token, and a token with a further byte, are refused.
    #[test]
    fn a_token_of_another_length_is_refused(secret in prop::collection::vec(any::<u8>(), 32..100), more in any::<u8>()) {
        let (keys, token) = (keys(&secret), token(&secret, &claims(&[])));
        for length in 0..token.len() {
            prop_assert!(keys.verify(&token.as_bytes()[..length], HOST, now()).is_err());
        }
        prop_assert!(keys.verify(&[token.as_bytes(), &[more]].concat(), HOST, now()).is_err());
    }

    /// Random bytes are refused without a panic.
    #[test]
    fn random_bytes_are_refused(
        bytes in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}\\.[A-Za-z0-9_-]{0,60}"
                .prop_map(String::into_bytes),
        ],
    ) {
        prop_assert!(keys(&[7; 32]).verify(&bytes, HOST, now()).is_err());
    }

    /// A valid token that names nothing of the plan does not change the decision. A token without
    /// `decision` then asks for nothing and is not counted as applied.
    #[test]
    fn a_token_that_names_nothing_changes_nothing(
        names in names(), unit in "[a-z]{0,4}", asks_for_nothing in any::<bool>(),
    ) {
        let names: Vec<_> =
            names.into_iter().map(|(name, value)| (format!("{name}-unknown"), value)).collect();
        let (keys, mut claims) = (keys(&[7; 32]), claims(&names));
        claims["decision"] = json!(!asks_for_nothing);
        let token = token(&[7; 32], &claims);
        for (_, plan) in plans() {
            let (without, _) = decided(plan, &unit, None);
            let (with, valid) = decided(plan, &unit, Some((&keys, &token)));
            prop_assert_eq!(valid, !asks_for_nothing);
            prop_assert_eq!(&with, &without);
            prop_assert_eq!(with.record(plan), without.record(plan));
        }
    }
}
