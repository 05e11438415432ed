//! Checks Flagger's resources against its custom resource definitions. It reads a JSON list of resources
//! from standard input and writes a line `INDEX: REASON` for each invalid one to standard output.
//!
//! A resource is deserialised into types that are generated from the definitions, which finds values of a
//! wrong type and missing fields. It is then serialised again and compared, which finds unknown fields.
//! The types have no patterns and bounds, so those are not checked.

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
        (version, kind) => Err(format!("no type of {version} {kind}: not a Canary or MetricTemplate")),
    }
}

fn as_typed<T: DeserializeOwned + Serialize>(resource: &Value) -> Result<(), String> {
    let typed: T = serde_json::from_value(resource.clone()).map_err(|why| why.to_string())?;
    let again = serde_json::to_value(typed).map_err(|why| why.to_string())?;
    compare(resource, &again, "")
}

/// Compares a value with its round trip; the error names the first path that differs. `1` and `1.0` are
/// equal, because the types use floating-point numbers.
fn compare(given: &Value, again: &Value, path: &str) -> Result<(), String> {
    match (given, again) {
        (Value::Object(given), Value::Object(again)) => {
            for name in given.keys().chain(again.keys()) {
                let path = format!("{path}.{name}");
                match (given.get(name), again.get(name)) {
                    (Some(given), Some(again)) => compare(given, again, &path)?,
                    (Some(_), None) => return Err(format!("{path} is no field of it")),
                    (None, _) => return Err(format!("{path} is missing")),
                }
            }
            Ok(())
        }
        (Value::Array(given), Value::Array(again)) if given.len() == again.len() => {
            for (index, (given, again)) in given.iter().zip(again).enumerate() {
                compare(given, again, &format!("{path}[{index}]"))?;
            }
            Ok(())
        }
        (Value::Number(given), Value::Number(again)) if given.as_f64() == again.as_f64() => Ok(()),
        _ if given == again => Ok(()),
        _ => Err(format!("{path} is read as {again}, not {given}")),
    }
}
