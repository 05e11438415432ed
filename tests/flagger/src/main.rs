//! Holds Flagger's resources to its custom resource definitions: a JSON list of resources on standard
//! input, a line `INDEX: REASON` for each that does not fit on standard output.
//!
//! A resource is read into the types that are generated of the definitions, which finds values of a wrong
//! type and fields that are missing; what the types make of it has to be the same again, which finds
//! fields that they do not know. Patterns and bounds are no part of types.

use kube_custom_resources_rs::flagger_app::v1beta1::canaries::Canary;
use kube_custom_resources_rs::flagger_app::v1beta1::metrictemplates::MetricTemplate;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

fn main() -> Result<(), serde_json::Error> {
    let resources: Vec<Value> = serde_json::from_reader(std::io::stdin())?;
    for (index, resource) in resources.iter().enumerate() {
        if let Err(why) = check(resource) {
            println!("{index}: {why}");
        }
    }
    Ok(())
}

fn check(resource: &Value) -> Result<(), String> {
    let field = |name: &str| resource[name].as_str().unwrap_or_default();
    match (field("apiVersion"), field("kind")) {
        ("flagger.app/v1beta1", "Canary") => as_typed::<Canary>(resource),
        ("flagger.app/v1beta1", "MetricTemplate") => as_typed::<MetricTemplate>(resource),
        (version, kind) => Err(format!("no type of {version} {kind} is known")),
    }
}

fn as_typed<T: DeserializeOwned + Serialize>(resource: &Value) -> Result<(), String> {
    let typed: T = serde_json::from_value(resource.clone()).map_err(|why| why.to_string())?;
    let again = serde_json::to_value(typed).map_err(|why| why.to_string())?;
    same(resource, &again, "")
}

/// Whether nothing was lost, added or changed; `1` and `1.0` are the same, for the types' numbers are
/// floating.
fn same(given: &Value, again: &Value, place: &str) -> Result<(), String> {
    match (given, again) {
        (Value::Object(given), Value::Object(again)) => {
            for name in given.keys().chain(again.keys()) {
                let place = format!("{place}.{name}");
                match (given.get(name), again.get(name)) {
                    (Some(given), Some(again)) => same(given, again, &place)?,
                    (Some(_), None) => return Err(format!("{place} is no field of it")),
                    (None, _) => return Err(format!("{place} is missing")),
                }
            }
            Ok(())
        }
        (Value::Array(given), Value::Array(again)) if given.len() == again.len() => {
            for (index, (given, again)) in given.iter().zip(again).enumerate() {
                same(given, again, &format!("{place}[{index}]"))?;
            }
            Ok(())
        }
        (Value::Number(given), Value::Number(again)) if given.as_f64() == again.as_f64() => Ok(()),
        _ if given == again => Ok(()),
        _ => Err(format!("{place} is read as {again}, not {given}")),
    }
}
