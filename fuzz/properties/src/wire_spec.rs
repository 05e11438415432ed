//! A document that comes as a protobuf `Struct`, as Envoy hands it over, is the document: the same
//! digest, or the same mistakes. And bytes that are no `Struct` do no harm.

use serde_json::{Number, Value};
use serin_conformance::{protobuf, totality};
use serin_core::Plan;

pub(crate) fn holds(bytes: &[u8]) {
    totality::compile(bytes);
    let Ok(mut document) = serde_json::from_slice::<Value>(bytes) else { return };
    // An empty Struct has no bytes, which are no document.
    if document.as_object().is_none_or(|entries| entries.is_empty()) {
        return;
    }
    as_doubles(&mut document);
    let text = document.to_string();
    let said = |plan: Result<Plan, serin_core::Errors>| match plan {
        Ok(plan) => format!("{} {}", plan.digest(), plan.isolated()),
        Err(errors) => errors.to_string(),
    };
    let read = said(Plan::from_json(text.as_bytes()));
    assert_eq!(said(Plan::from_json(&protobuf::encode(&document))), read, "{text}");
}

/// A Struct's numbers are doubles: others are what the next double is.
fn as_doubles(value: &mut Value) {
    match value {
        Value::Object(entries) => entries.values_mut().for_each(as_doubles),
        Value::Array(items) => items.iter_mut().for_each(as_doubles),
        Value::Number(number) => {
            let double = number.as_f64().unwrap_or_default();
            // What is exact stays as it is written.
            let exact = number.as_u64().is_some_and(|whole| whole as u128 == double as u128)
                || number.as_i64().is_some_and(|whole| whole as i128 == double as i128);
            if !exact {
                *number = Number::from_f64(double).unwrap_or_else(|| 0.into());
            }
        }
        _ => {}
    }
}
