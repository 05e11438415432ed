//! The status of an Envoy, from its admin interface: `/config_dump` and `/stats`.

use super::status::{AbortStatus, DeployedSpec, HostStatus, PageError};
use serde_json::Value;
use serin_core::Plan;

/// The path of the page with the configuration.
pub const CONFIG_PATH: &str = "/config_dump";
/// The path of the page with the filter's metrics.
pub const STATS_PATH: &str = "/stats?format=json&filter=serin";

const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
/// The prefix of a filter's metrics in Envoy.
const METRIC_PREFIX: &str = "wasmcustom.";

/// Reads the status of an Envoy from both pages.
///
/// # Errors
/// A page is not one of Envoy's admin interface.
pub fn envoy(config_dump: &Value, stats: &Value) -> Result<HostStatus, PageError> {
    let list = |page: &'_ Value, name: &str| page.get(name).and_then(Value::as_array).cloned();
    let configs = list(config_dump, "configs").ok_or(PageError::NotEnvoy { path: CONFIG_PATH })?;
    let stats = list(stats, "stats").ok_or(PageError::NotEnvoy { path: STATS_PATH })?;
    let mut status = HostStatus { reports_revision: true, ..HostStatus::default() };
    for section in &configs {
        for (location, part) in active_parts(section) {
            for_each_filter(part, &mut |name, config| {
                if let Some(spec) = deployed_spec(filter_location(&location, name), config) {
                    add(&mut status.specs, spec);
                }
            });
        }
    }
    for stat in &stats {
        let name = stat.get("name").and_then(Value::as_str).unwrap_or_default();
        let name = name.strip_prefix(METRIC_PREFIX).unwrap_or(name);
        let value = stat.get("value").and_then(Value::as_u64);
        if name == "serin.revision" {
            status.revision_in_force = value;
        }
        let latch =
            name.strip_prefix("serin.latch.").and_then(|rest| rest.strip_suffix(".aborted"));
        if let Some(rollout) = latch.filter(|_| value > Some(0)) {
            status
                .aborts
                .push(AbortStatus { rollout: rollout.to_owned(), ..AbortStatus::default() });
        }
    }
    Ok(status)
}

/// The parts of a section that may contain the configuration of a running filter, with their locations. The
/// bootstrap repeats the static listeners. Listeners that are warming or draining take no requests.
fn active_parts(section: &Value) -> Vec<(String, &Value)> {
    let list = |name: &str| section.get(name).and_then(Value::as_array).into_iter().flatten();
    let name = |value: &Value| value.get("name").and_then(Value::as_str).unwrap_or("?").to_owned();
    let fixed = list("static_listeners").filter_map(|it| it.get("listener"));
    let dynamic =
        list("dynamic_listeners").filter_map(|it| it.get("active_state")?.get("listener"));
    let mut found: Vec<(String, &Value)> =
        fixed.chain(dynamic).map(|it| (format!("listener {}", name(it)), it)).collect();
    let ecds = list("ecds_filters").filter_map(|it| it.get("ecds_filter"));
    found.extend(ecds.map(|it| (format!("ECDS {}", name(it)), it)));
    found
}

fn filter_location(part: &str, filter: Option<&str>) -> String {
    match filter {
        Some(name) if !part.ends_with(name) => format!("{part}, filter {name}"),
        _ => part.to_owned(),
    }
}

/// Calls `found` with the name and the configuration of every Wasm plugin within a value.
fn for_each_filter<'v>(value: &'v Value, found: &mut impl FnMut(Option<&'v str>, &'v Value)) {
    let field = |name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default();
    let config = if field("@type").ends_with(WASM) {
        value.get("config")
    } else if field("@type").ends_with(".TypedStruct") && field("type_url").ends_with(WASM) {
        value.get("value").and_then(|value| value.get("config"))
    } else {
        None
    };
    if let Some(config) = config {
        let name = config.get("name").and_then(Value::as_str);
        return found(name, config.get("configuration").unwrap_or(&Value::Null));
    }
    match value {
        Value::Object(fields) => {
            // A default configuration is in force only until the first one is discovered.
            let fields = fields.iter().filter(|(name, _)| *name != "default_config");
            fields.for_each(|(_, value)| for_each_filter(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| for_each_filter(item, found)),
        _ => {}
    }
}

/// The spec in the configuration of a plugin, a string or a `Struct`. `None` for other plugins.
fn deployed_spec(location: String, configuration: &Value) -> Option<DeployedSpec> {
    let value = configuration.get("value").unwrap_or(configuration);
    let document = match value {
        Value::String(text) => serde_json::from_str(text).ok()?,
        value => value.clone(),
    };
    document.get("formatVersion")?;
    let text = match value {
        Value::String(text) => text.clone(),
        value => value.to_string(),
    };
    let mut spec = DeployedSpec { location, document: Some(document), ..DeployedSpec::default() };
    match Plan::from_json(text.as_bytes()) {
        Ok(plan) => {
            spec.revision = Some(plan.revision());
            spec.digest = Some(plan.digest().to_owned());
        }
        Err(errors) => spec.errors = errors.iter().map(ToString::to_string).collect(),
    }
    Some(spec)
}

/// Adds a spec. Equal specs become one with both locations.
fn add(specs: &mut Vec<DeployedSpec>, spec: DeployedSpec) {
    match specs.iter_mut().find(|known| known.document == spec.document) {
        Some(known) => known.location = format!("{}; {}", known.location, spec.location),
        None => specs.push(spec),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn wasm(configuration: &Value) -> Value {
        json!({"@type": format!("type.googleapis.com/{WASM}"),
            "config": {"name": "serin", "configuration": configuration}})
    }

    fn text(document: &Value) -> Value {
        json!({"@type": "type.googleapis.com/google.protobuf.StringValue", "value": document.to_string()})
    }

    #[test]
    fn spec_is_found_in_every_part_of_the_configuration() {
        let spec = json!({"formatVersion": 1, "revision": 3});
        let fixed = |value: Value| json!({"static_listeners": [{"listener": {"name": "web", "x": [value]}}]});
        let structure =
            json!({"@type": "type.googleapis.com/google.protobuf.Struct", "value": spec});
        let typed = json!({"@type": "type.googleapis.com/xds.type.v3.TypedStruct",
            "type_url": format!("type.googleapis.com/{WASM}"),
            "value": {"config": {"name": "serin", "configuration": text(&spec)}}});
        let dynamic = |state: &str| {
            json!({"dynamic_listeners": [
            {"name": "web", state: {"listener": {"name": "web", "x": wasm(&text(&spec))}}}]})
        };
        let ecds = json!({"ecds_filters": [{"ecds_filter": {"name": "serin", "typed_config": wasm(&text(&spec))}}]});
        for (section, location) in [
            (fixed(wasm(&text(&spec))), "listener web, filter serin"),
            (fixed(wasm(&structure)), "listener web, filter serin"),
            (fixed(typed), "listener web, filter serin"),
            (dynamic("active_state"), "listener web, filter serin"),
            (ecds, "ECDS serin"),
        ] {
            let status = envoy(&json!({"configs": [section]}), &json!({"stats": []})).unwrap();
            assert_eq!(status.specs.len(), 1, "{section}");
            assert_eq!(
                (status.specs[0].location.as_str(), status.specs[0].revision),
                (location, Some(3))
            );
            assert_eq!(status.specs[0].document.as_ref(), Some(&spec));
        }
        for section in [
            dynamic("warming_state"),
            fixed(wasm(&text(&json!({"other": 1})))),
            fixed(json!({"config_discovery": {"default_config": wasm(&text(&spec))}})),
            json!({"bootstrap": wasm(&text(&spec))}),
        ] {
            let status = envoy(&json!({"configs": [section]}), &json!({"stats": []})).unwrap();
            assert_eq!(status.specs, []);
        }
    }

    #[test]
    fn page_without_envoys_list_is_refused() {
        let (configs, stats) = (json!({"configs": []}), json!({"stats": []}));
        for (configs, stats, path) in [
            (&json!({"configs": "x"}), &stats, CONFIG_PATH),
            (&json!([]), &stats, CONFIG_PATH),
            (&configs, &json!({"stats": 5}), STATS_PATH),
        ] {
            let error = envoy(configs, stats).unwrap_err();
            assert_eq!(error, PageError::NotEnvoy { path });
        }
    }

    #[test]
    fn metrics_give_the_revision_in_force_and_the_aborts() {
        let stats = json!({"stats": [
            {"name": "wasmcustom.serin.revision", "value": 7},
            {"name": "wasmcustom.serin.latch.shop.aborted", "value": 1},
            {"name": "wasmcustom.serin.latch.feed.aborted", "value": 0},
            {"histograms": {}},
        ]});
        let status = envoy(&json!({"configs": []}), &stats).unwrap();
        assert_eq!(status.revision_in_force, Some(7));
        let rollouts: Vec<_> = status.aborts.iter().map(|abort| abort.rollout.as_str()).collect();
        assert_eq!(rollouts, ["shop"]);
    }
}
