//! A spec as a protobuf `Struct`, as Envoy passes it, has the same digest or the same errors as in JSON.
//! Bytes that are not a `Struct` are refused without a panic.

use serde_json::{Number, Value};
use serin_conformance::{protobuf, totality};
use serin_core::Plan;

pub(crate) fn holds(bytes: &[u8]) {
    totality::compile(bytes);
    let Ok(mut document) = serde_json::from_slice::<Value>(bytes) else { return };
    // An empty Struct has no bytes, so it cannot be told from no document.
    if document.as_object().is_none_or(|entries| entries.is_empty()) {
        return;
    }
    round_to_doubles(&mut document);
    let text = document.to_string();
    let summary = |plan: Result<Plan, serin_core::Errors>| match plan {
        Ok(plan) => format!("{} {}", plan.digest(), plan.isolated()),
        Err(errors) => errors.to_string(),
    };
    let by_json = summary(Plan::from_json(text.as_bytes()));
    let by_struct = summary(Plan::from_json(&protobuf::encode(&document)));
    assert_eq!(by_struct, by_json, "{text}");
}

/// Rounds numbers to doubles, which are the only numbers of a Struct.
fn round_to_doubles(value: &mut Value) {
    match value {
        Value::Object(entries) => entries.values_mut().for_each(round_to_doubles),
        Value::Array(items) => items.iter_mut().for_each(round_to_doubles),
        Value::Number(number) => {
            let double = number.as_f64().unwrap_or_default();
            // An exact number keeps its spelling.
            let exact = number.as_u64().is_some_and(|whole| whole as u128 == double as u128)
                || number.as_i64().is_some_and(|whole| whole as i128 == double as i128);
            if !exact {
                *number = Number::from_f64(double).unwrap_or_else(|| 0.into());
            }
        }
        _ => {}
    }
}
