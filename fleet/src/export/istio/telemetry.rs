//! The Telemetry resource: rollout and arm as labels of Istio's own metrics.

use super::context::Context;
use serde_json::{Map, Value, json};
use serin_core::headers::{ARM, ROLLOUT};

pub(super) fn telemetry(context: &Context<'_>) -> Value {
    let header =
        |name: &str| json!({"operation": "UPSERT", "value": format!("request.headers['{name}']")});
    let tags = json!({"serin_arm": header(ARM), "serin_rollout": header(ROLLOUT)});
    let of =
        |metric: &str| json!({"match": {"metric": metric, "mode": "CLIENT"}, "tagOverrides": tags});
    let overrides = json!([of("REQUEST_COUNT"), of("REQUEST_DURATION")]);
    let mut spec = Map::new();
    context.select(&mut spec);
    spec.insert(
        "metrics".into(),
        json!([{"providers": [{"name": "prometheus"}], "overrides": overrides}]),
    );
    let name = &context.options.name;
    context.resource("telemetry.istio.io/v1", "Telemetry", name, spec.into())
}
