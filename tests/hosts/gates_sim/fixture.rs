//! The plugin of these tests, and its requests.

use serde_json::{Value, json};
use serin_conformance::sim;
use serin_host_sim::{
    Entropy, HttpCall, HttpResponse, LogLevel, Module, Plugin, Stream, StreamInfo,
    Value as Property, VirtualClock,
};
use std::time::Duration;

pub(crate) const WORKERS: usize = 4;
pub(crate) const START: u64 = 1_795_000_000_000;
pub(crate) const TICK: Duration = Duration::from_secs(1);
/// The bit of `response.flags` for a reset by the upstream.
pub(crate) const UPSTREAM_RESET: i64 = 1 << 4;
/// The bit of `response.flags` for a client that disconnected.
pub(crate) const CLIENT_DISCONNECT: i64 = 1 << 14;

pub(crate) fn spec(epoch: u64) -> Value {
    json!({
        "formatVersion": 1,
        "revision": epoch,
        "units": {"user": [{"header": "x-user-id"}]},
        "rollouts": {"shop": {
            "unit": "user",
            "arms": {"stable": {"target": "stable"}, "canary": {"target": "canary"}},
            "baseline": "stable",
            "canary": {"share": 25},
            "epoch": epoch,
            "gates": {"minRate": 1},
        }},
    })
}

/// The spec with a flag that has nothing to do with the rollout.
pub(crate) fn with_flag(mut spec: Value, value: usize) -> Value {
    spec["revision"] = json!(value);
    spec["flags"] = json!({"other": {"variants": {"v": value}, "defaultVariant": "v"}});
    spec
}

pub(crate) type Handler = Box<dyn Fn(&HttpCall) -> Option<HttpResponse> + Send + Sync>;

pub(crate) fn plugin(
    module: &Module,
    spec: &Value,
    variables: &[(&str, &str)],
    handler: Option<Handler>,
) -> Result<Plugin, String> {
    let mut builder = Plugin::of_module(module)
        .limits(sim::generous_limits())
        .configuration(spec.to_string())
        .name("serin")
        .like_envoy(WORKERS)
        .clock(VirtualClock::at_millis(START))
        .entropy(Entropy::Seeded(7))
        .log_level(LogLevel::Info);
    for (name, value) in variables {
        builder = builder.env_var(name, value);
    }
    if let Some(handler) = handler {
        builder = builder.on_http_call(handler);
    }
    builder.build().map_err(|error| error.to_string())
}

pub(crate) fn push(plugin: &Plugin, spec: &Value) -> Result<(), String> {
    plugin.reconfigure(spec.to_string()).map_err(|error| error.to_string())
}

/// How requests to the canary end.
#[derive(Clone, Copy)]
pub(crate) enum CanaryEnd {
    /// With a response of this status.
    Status(&'static str),
    /// Without a response, with these response flags.
    Flags(i64),
}

/// Sends a request of each user, on the workers in turn; returns the number that went to the canary.
pub(crate) fn send_users(
    plugin: &Plugin,
    users: std::ops::Range<usize>,
    canary: CanaryEnd,
) -> usize {
    let mut count = 0;
    for user in users {
        let mut stream = plugin.stream(StreamInfo::new());
        if arm(&mut stream, user) != "canary" {
            stream.send_response_headers([(":status", "200")], true);
            continue;
        }
        count += 1;
        match canary {
            CanaryEnd::Status(status) => {
                stream.send_response_headers([(":status", status)], true);
            }
            CanaryEnd::Flags(flags) => {
                stream.set_property(&["response", "flags"], Property::Int(flags));
            }
        }
    }
    count
}

pub(crate) fn arm(stream: &mut Stream, user: usize) -> String {
    let id = format!("user-{user}");
    let fields = [(":method", "GET"), (":path", "/"), (":authority", "a"), ("x-user-id", &id)];
    stream.send_request_headers(fields, true);
    stream.request_headers().get_str("x-serin-arm").unwrap_or_default().to_owned()
}

pub(crate) fn audits(plugin: &Plugin) -> Result<Vec<Value>, String> {
    let lines = plugin.logs().into_iter().filter(|line| line.message.starts_with("{\"audit\""));
    let parse = |line: serin_host_sim::LogLine| {
        serde_json::from_str(&line.message).map_err(|error| format!("{error}: {}", line.message))
    };
    lines.map(parse).collect()
}

pub(crate) fn gate_counter(plugin: &Plugin, epoch: u64, arm: &str, what: &str) -> u64 {
    plugin.metrics().counter(&format!("serin.gate.shop.epoch.{epoch}.step.0.arm.{arm}.{what}"))
}

/// The gauge of an abort: 1 if the rollout is aborted.
pub(crate) fn aborted(plugin: &Plugin) -> Option<u64> {
    plugin.metrics().gauge("serin.latch.shop.aborted")
}

pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(
    what: &str,
    actual: T,
    expected: T,
) -> Result<(), String> {
    if actual == expected {
        Ok(())
    } else {
        Err(format!("{what}: {actual:?}, expected {expected:?}"))
    }
}
