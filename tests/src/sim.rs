//! The filter's wasm module in host-sim, and requests through it.

use crate::outcome::{self, RawOutcome};
use crate::vector::Case;
use serde_json::Value;
use serin_host_sim::{
    Entropy, HttpResponse, Limits, Metric, Module, Plugin, Stream, StreamInfo, VirtualClock,
};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The compiled filter that `SERIN_FILTER_WASM` names.
pub fn filter() -> Result<Module, String> {
    Module::compile(wasm()?).map_err(|error| error.to_string())
}

/// The compiled filter with a count of executed instructions for each stream.
pub fn filter_counting_fuel() -> Result<Module, String> {
    Module::compile_counting_fuel(wasm()?).map_err(|error| error.to_string())
}

fn wasm() -> Result<Vec<u8>, String> {
    let filter = crate::envoy::path_from_env("SERIN_FILTER_WASM")?;
    std::fs::read(&filter).map_err(|error| format!("{}: {error}", filter.display()))
}

/// A VM that has accepted the spec, and its clock, which is at `at` ms since 1970. `variables` are in its
/// environment.
pub fn start(
    module: &Module,
    spec: String,
    at: u64,
    entropy: Entropy,
    variables: &[(&str, String)],
) -> Result<(VirtualClock, Plugin), String> {
    start_with_latches(module, spec, at, entropy, variables, None)
}

/// Limits for a busy machine. A guest call that never returns still ends.
pub fn generous_limits() -> Limits {
    Limits::default().call_deadline(Duration::from_secs(60))
}

/// [`start`] with latches, which the filter reads from a URL on its first tick.
pub fn start_with_latches(
    module: &Module,
    spec: String,
    at: u64,
    entropy: Entropy,
    variables: &[(&str, String)],
    latches: Option<&Value>,
) -> Result<(VirtualClock, Plugin), String> {
    const TICK_MS: u64 = 10;
    let at = if latches.is_some() { at.saturating_sub(TICK_MS) } else { at };
    let clock = VirtualClock::at_millis(at);
    // As in the Envoy of the vectors: the filter can send no copies itself.
    let mut builder = Plugin::of_module(module)
        .limits(generous_limits())
        .configuration(spec)
        .clock(clock.clone())
        .entropy(entropy)
        .no_other_clusters();
    for (name, value) in variables {
        builder = builder.env_var(name, value);
    }
    if let Some(latches) = latches {
        let (latches, calls) = (latches.to_string(), Arc::default());
        let counted = Arc::clone(&calls);
        builder = builder
            .env_var("SERIN_GATE_TICK_MS", &TICK_MS.to_string())
            .env_var("SERIN_STATE_CLUSTER", "state")
            .env_var("SERIN_STATE_URL", "http://state.example/latches")
            .cluster("state")
            .on_http_call(move |_| {
                AtomicU64::fetch_add(&counted, 1, Ordering::Relaxed);
                Some(HttpResponse::new(200).body(latches.clone()))
            });
        let plugin = builder.build().map_err(|error| error.to_string())?;
        plugin.advance(Duration::from_millis(TICK_MS));
        if calls.load(Ordering::Relaxed) == 0 {
            return Err("the filter did not read the latches".into());
        }
        return Ok((clock, plugin));
    }
    let plugin = builder.build().map_err(|error| error.to_string())?;
    Ok((clock, plugin))
}

/// Sends the request of a case and a response with status 200 through the filter.
pub fn send(plugin: &Plugin, case: &Case) -> Result<RawOutcome, String> {
    let request = &case.request;
    let ip = case.ip();
    let source = if ip.contains(':') { format!("[{ip}]:40000") } else { format!("{ip}:40000") };
    let mut info = StreamInfo::new().source(&source);
    if !case.jwt.is_empty() {
        let payload = serde_json::json!({"payload": case.jwt});
        info = info.metadata("envoy.filters.http.jwt_authn", payload);
    }
    let mut pairs: Vec<(String, Vec<u8>)> = [
        (":authority", &request.authority),
        (":path", &request.path),
        (":method", &request.method),
        (":scheme", &request.scheme),
    ]
    .map(|(name, value)| (name.to_string(), value.clone().into_bytes()))
    .into();
    pairs.extend(request.fields());
    let before = overrides(plugin);
    let mut stream = plugin.stream(info);
    let action = stream.send_request_headers(pairs, true);
    if !action.is_continue() {
        return Err(format!("the filter stopped the request: {action:?}"));
    }
    stream.send_response_headers([(":status", "200")], true);
    let mut outcome = read_outcome(&stream);
    outcome.overrides = outcome::incremented(&before, &overrides(plugin));
    stream.finish();
    match stream.failed() {
        true => Err(format!("the VM failed: {:?}", plugin.failure())),
        false => Ok(outcome),
    }
}

/// The counters of `serin.overrides`.
fn overrides(plugin: &Plugin) -> BTreeMap<String, u64> {
    let metrics = plugin.metrics();
    let counter = |metric: &Metric| {
        Some((metric.name.strip_prefix("serin.overrides.")?.to_owned(), metric.value))
    };
    metrics.iter().filter_map(counter).collect()
}

fn read_outcome(stream: &Stream) -> RawOutcome {
    let request = stream.request_headers();
    let fields = request.iter().filter(|(name, _)| !name.starts_with(b":"));
    let response = stream.response_headers();
    RawOutcome {
        record: lossy(&stream.filter_state("serin").unwrap_or_default()),
        upstream: fields.map(|(name, value)| (lossy(name), value.to_vec())).collect(),
        set_cookie: response.get_all("set-cookie").map(lossy).collect(),
        response_decision: response.get_str("serin-decision").map(str::to_owned),
        overrides: None,
    }
}

fn lossy(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
