//! Shadows whose responses are compared.

use crate::fixture::{
    CanaryEnd, Handler, TICK, WORKERS, aborted, arm, equal, plugin, send_users, spec,
};
use serde_json::{Value, json};
use serin_host_sim::{HttpResponse, Module, Plugin, Stream, StreamInfo};

fn spec_with_shadow(compare: &str, max_in_flight: u32) -> Value {
    let mut spec = spec(1);
    let rollout = &mut spec["rollouts"]["shop"];
    rollout["arms"]["dark"] = json!({"target": "dark"});
    rollout["canary"]["arm"] = json!("canary");
    rollout["shadow"] =
        json!({"arm": "dark", "percent": 100, "compare": compare, "maxInFlight": max_in_flight});
    rollout["gates"]["shadow"] = json!({"maxDivergence": 1});
    spec
}

/// The shadow's counters: compared, diverged, dropped.
fn shadow_counters(plugin: &Plugin) -> [u64; 3] {
    let metrics = plugin.metrics();
    ["compared", "diverged", "dropped"]
        .map(|what| metrics.counter(&format!("serin.shadow.shop.{what}")))
}

pub(crate) fn diverging_shadow(module: &Module) -> Result<(), String> {
    let cases = [
        ("status", "dark 503"),
        ("body", "dark body"),
        ("status", "dark body"),
        ("body", "agrees"),
    ];
    for (compare, what) in cases {
        let handler: Handler = Box::new(move |call| {
            let dark = call.cluster == "dark";
            let status = if dark && what == "dark 503" { 503 } else { 200 };
            let body = if dark && what == "dark body" { "night" } else { "day" };
            Some(HttpResponse::new(status).body(body))
        });
        let plugin = plugin(module, &spec_with_shadow(compare, 16), &[], Some(handler))?;
        for second in 0..3 {
            send_users(&plugin, second * 400..(second + 1) * 400, CanaryEnd::Status("200"));
            plugin.advance(TICK);
        }
        let differs = what == "dark 503" || (what, compare) == ("dark body", "body");
        let [compared, diverged, dropped] = shadow_counters(&plugin);
        let name = format!("{what}, comparing {compare}");
        equal(&format!("{name}: dropped"), dropped, 0)?;
        equal(&format!("{name}: diverged"), diverged, if differs { compared } else { 0 })?;
        equal(&format!("{name}: aborted"), aborted(&plugin), Some(differs.into()))?;
        // After the abort no request is copied.
        equal(&format!("{name}: compared"), compared, if differs { 400 } else { 1200 })?;
    }
    Ok(())
}

pub(crate) fn copies_in_flight(module: &Module) -> Result<(), String> {
    let plugin = plugin(module, &spec_with_shadow("body", 3), &[], None)?;
    let mut streams: Vec<Stream> = Vec::new();
    for user in 0..40 {
        let mut stream = plugin.stream_on(user % WORKERS, StreamInfo::new());
        arm(&mut stream, user);
        equal("mirrored", stream.request_headers().get("x-serin-shadow").is_some(), false)?;
        streams.push(stream);
    }
    let calls = plugin.take_http_calls();
    let copies = calls.iter().filter(|call| call.cluster == "dark").count();
    let dropped = 40 - 3 * WORKERS as u64;
    equal("copies", (copies, shadow_counters(&plugin)), (3 * WORKERS, [0, 0, dropped]))?;
    let marked = calls.iter().find(|call| call.headers.get("x-serin-shadow").is_some());
    equal("a copy carries x-serin-shadow", marked.is_some(), false)?;
    for call in calls {
        plugin.respond(call.id, HttpResponse::new(200));
    }
    drop(streams);
    arm(&mut plugin.stream_on(0, StreamInfo::new()), 1);
    equal("copies after the others ended", plugin.take_http_calls().len(), 2)
}
