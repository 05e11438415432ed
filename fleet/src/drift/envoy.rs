//! What an Envoy's admin interface says: `/config_dump` and `/stats`.

use super::{Abort, Running, Seen};
use serde_json::Value;
use serin_core::Plan;

/// The page with the configuration.
pub const CONFIG_PATH: &str = "/config_dump";
/// The page with the filter's metrics.
pub const STATS_PATH: &str = "/stats?format=json&filter=serin";

const WASM: &str = "envoy.extensions.filters.http.wasm.v3.Wasm";
/// What Envoy puts before the names of a filter's metrics.
const PREFIX: &str = "wasmcustom.";

/// Reads both pages.
///
/// # Errors
/// Which of them is not Envoy's.
pub fn envoy(config_dump: &Value, stats: &Value) -> Result<Seen, String> {
    let list = |page: &'_ Value, name: &str| page.get(name).and_then(Value::as_array).cloned();
    let other = |path: &str| format!("{path} is not what Envoy answers");
    let configs = list(config_dump, "configs").ok_or_else(|| other(CONFIG_PATH))?;
    let stats = list(stats, "stats").ok_or_else(|| other(STATS_PATH))?;
    let mut seen = Seen { tells_revision: true, ..Seen::default() };
    for section in &configs {
        for (place, part) in parts(section) {
            filters(part, &mut |name, config| {
                if let Some(running) = running(place_of(&place, name), config) {
                    add(&mut seen.specs, running);
                }
            });
        }
    }
    for stat in &stats {
        let name = stat.get("name").and_then(Value::as_str).unwrap_or_default();
        let name = name.strip_prefix(PREFIX).unwrap_or(name);
        let value = stat.get("value").and_then(Value::as_u64);
        if name == "serin.revision" {
            seen.in_force = value;
        }
        let latch =
            name.strip_prefix("serin.latch.").and_then(|rest| rest.strip_suffix(".aborted"));
        if let Some(rollout) = latch.filter(|_| value > Some(0)) {
            seen.aborts.push(Abort { rollout: rollout.to_owned(), ..Abort::default() });
        }
    }
    Ok(seen)
}

/// The parts of a section in which a running filter's configuration may be. The bootstrap says again
/// what listeners say; one that warms up or drains takes no requests.
fn parts(section: &Value) -> Vec<(String, &Value)> {
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

fn place_of(place: &str, filter: Option<&str>) -> String {
    match filter {
        Some(name) if !place.ends_with(name) => format!("{place}, filter {name}"),
        _ => place.to_owned(),
    }
}

/// Calls back with the plugin's name and its configuration for every Wasm filter below a value.
fn filters<'v>(value: &'v Value, found: &mut impl FnMut(Option<&'v str>, &'v Value)) {
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
            // In force only until the first configuration comes.
            let fields = fields.iter().filter(|(name, _)| *name != "default_config");
            fields.for_each(|(_, value)| filters(value, found));
        }
        Value::Array(items) => items.iter().for_each(|item| filters(item, found)),
        _ => {}
    }
}

/// A spec, from a text or a `Struct`; other filters have other configurations.
fn running(place: String, configuration: &Value) -> Option<Running> {
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
    let mut running = Running { place, document: Some(document), ..Running::default() };
    match Plan::from_json(text.as_bytes()) {
        Ok(plan) => {
            running.revision = Some(plan.revision());
            running.digest = Some(plan.digest().to_owned());
        }
        Err(errors) => running.errors = errors.iter().map(ToString::to_string).collect(),
    }
    Some(running)
}

/// Listeners that have the same spec are told of in one.
fn add(specs: &mut Vec<Running>, running: Running) {
    match specs.iter_mut().find(|known| known.document == running.document) {
        Some(known) => known.place = format!("{}; {}", known.place, running.place),
        None => specs.push(running),
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
    fn a_spec_is_found_wherever_it_is() {
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
        for (section, place) in [
            (fixed(wasm(&text(&spec))), "listener web, filter serin"),
            (fixed(wasm(&structure)), "listener web, filter serin"),
            (fixed(typed), "listener web, filter serin"),
            (dynamic("active_state"), "listener web, filter serin"),
            (ecds, "ECDS serin"),
        ] {
            let seen = envoy(&json!({"configs": [section]}), &json!({"stats": []})).unwrap();
            assert_eq!(seen.specs.len(), 1, "{section}");
            assert_eq!((seen.specs[0].place.as_str(), seen.specs[0].revision), (place, Some(3)));
            assert_eq!(seen.specs[0].document.as_ref(), Some(&spec));
        }
        for section in [
            dynamic("warming_state"),
            fixed(wasm(&text(&json!({"other": 1})))),
            fixed(json!({"config_discovery": {"default_config": wasm(&text(&spec))}})),
            json!({"bootstrap": wasm(&text(&spec))}),
        ] {
            let seen = envoy(&json!({"configs": [section]}), &json!({"stats": []})).unwrap();
            assert_eq!(seen.specs, []);
        }
    }

    #[test]
    fn other_pages_are_none_of_envoys() {
        let (configs, stats) = (json!({"configs": []}), json!({"stats": []}));
        for (configs, stats, path) in [
            (&json!({"configs": "x"}), &stats, CONFIG_PATH),
            (&json!([]), &stats, CONFIG_PATH),
            (&configs, &json!({"stats": 5}), STATS_PATH),
        ] {
            let said = envoy(configs, stats).unwrap_err();
            assert_eq!(said, format!("{path} is not what Envoy answers"));
        }
    }

    #[test]
    fn metrics_tell_what_is_in_force() {
        let stats = json!({"stats": [
            {"name": "wasmcustom.serin.revision", "value": 7},
            {"name": "wasmcustom.serin.latch.shop.aborted", "value": 1},
            {"name": "wasmcustom.serin.latch.feed.aborted", "value": 0},
            {"histograms": {}},
        ]});
        let seen = envoy(&json!({"configs": []}), &stats).unwrap();
        assert_eq!(seen.in_force, Some(7));
        let rollouts: Vec<_> = seen.aborts.iter().map(|abort| abort.rollout.as_str()).collect();
        assert_eq!(rollouts, ["shop"]);
    }
}
