//! A document is refused with reasons, or it compiles to a plan that decides every request. Formatting and
//! the order of keys do not change its digest.

use serde_json::Value;
use serin_analysis::lint::lint;
use serin_conformance::totality::check_decision;
use serin_core::{Plan, Spec, Timestamp};

pub(crate) fn holds(bytes: &[u8]) {
    let plan = match Plan::from_json(bytes) {
        Ok(plan) => plan,
        Err(errors) => {
            assert!(!errors.is_empty());
            for error in errors.iter() {
                assert!(!error.message().trim().is_empty(), "{errors}");
            }
            return;
        }
    };
    for pairs in requests() {
        check_decision(&plan, pairs.iter().map(|(name, value)| (name.as_bytes(), *value)));
    }
    if plan.isolated().is_empty() {
        let spec = Spec::from_json(bytes).expect("what compiles can be read");
        lint(&spec, &plan, Timestamp::from_unix_ms(1_795_251_600_000));
    }
    // The rest is about JSON; the bytes may be a protobuf Struct.
    let Ok(document) = serde_json::from_slice::<Value>(bytes) else { return };
    let pretty = serde_json::to_string_pretty(&document).expect("JSON can be written");
    for text in [document.to_string(), pretty, reversed(&document)] {
        let again = Plan::from_json(text.as_bytes()).expect(&text);
        assert_eq!(again.digest(), plan.digest(), "{text}");
        assert_eq!(again.revision(), plan.revision());
    }
}

/// Requests without fields, with the fields that the corpus uses, and with invalid bytes.
fn requests() -> [Vec<(&'static str, &'static [u8])>; 3] {
    [
        vec![],
        vec![
            (":method", b"GET"),
            (":scheme", b"https"),
            (":authority", b"Shop.example.com:443"),
            (":path", b"/feed/%66oo/../x?ref=a&ref=b"),
            ("x-user-id", b"ada"),
            ("x-tenant-id", b"acme"),
            ("cookie", b"uid=7; serin_id=0123456789abcdef0123456789abcdef; theme=\"dark\""),
            ("x-plan", b"enterprise"),
        ],
        vec![(":path", b"/\xff?\xfe=%ff"), ("x-user-id", b"\xff"), ("cookie", b";=;;\xff=\"")],
    ]
}

/// The JSON of a value with its keys in the opposite order.
fn reversed(value: &Value) -> String {
    match value {
        Value::Object(entries) => {
            let entry = |(key, value): (&String, &Value)| {
                format!("{} : {}", Value::from(key.as_str()), reversed(value))
            };
            format!("{{{}}}", entries.iter().rev().map(entry).collect::<Vec<_>>().join(" ,\n"))
        }
        Value::Array(items) => {
            format!("[ {} ]", items.iter().map(reversed).collect::<Vec<_>>().join(","))
        }
        other => other.to_string(),
    }
}
