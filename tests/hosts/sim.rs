//! Every vector through the filter in host-sim.

use serin_conformance::minted::differences_with_own_entropy;
use serin_conformance::outcome::{self, Outcome};
use serin_conformance::report::Report;
use serin_conformance::vector::{self, Case, Suite};
use serin_conformance::{envoy, native};
use serin_core::Plan;
use serin_host_sim::{Metric, Module, Plugin, Stream, StreamInfo, VirtualClock};
use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

fn main() -> ExitCode {
    let mut report = Report::new("host-sim");
    if let Err(why) = vectors(&mut report) {
        report.ran("all vectors", Err(why));
    }
    report.finish()
}

fn vectors(report: &mut Report) -> Result<(), String> {
    let filter = envoy::path_from("SERIN_FILTER_WASM")?;
    let wasm = std::fs::read(&filter).map_err(|error| format!("{}: {error}", filter.display()))?;
    let module = Module::compile(&wasm).map_err(|error| error.to_string())?;
    for suite in vector::load()? {
        let plan = native::plan(&suite)?;
        let mut latest = now();
        let (mut clock, mut plugin) = configured(&module, &suite, latest)?;
        for case in &suite.cases {
            let at = case.now.unwrap_or_else(now);
            if at < latest {
                // In one VM time never goes back, so an earlier moment needs a new one.
                (clock, plugin) = configured(&module, &suite, at)?;
            }
            clock.set_millis(at);
            latest = at;
            run(&suite, &plan, &plugin, case, report);
        }
    }
    report.ran("a clock that goes back holds the step", clock_goes_back(&module));
    Ok(())
}

fn configured(module: &Module, suite: &Suite, at: u64) -> Result<(VirtualClock, Plugin), String> {
    let clock = VirtualClock::at_millis(at);
    let mut builder =
        Plugin::of_module(module).configuration(suite.spec.to_string()).clock(clock.clone());
    if let Some(keys) = &suite.override_keys {
        builder = builder.env_var("SERIN_OVERRIDE_KEYS", &keys.to_string());
    }
    let plugin = builder.build().map_err(|error| format!("{}: {error}", suite.name))?;
    Ok((clock, plugin))
}

/// A canary at 100 % since a moment: before it nobody is in, after it everybody, and whoever is in
/// stays in when the host's clock goes back.
fn clock_goes_back(module: &Module) -> Result<(), String> {
    const START: u64 = 1_795_251_600_000;
    let spec = serde_json::json!({
        "formatVersion": 1,
        "units": { "user": [{ "header": "x-user-id" }] },
        "rollouts": { "shop": {
            "arms": { "stable": { "target": "v1" }, "canary": { "target": "v2" } },
            "baseline": "stable",
            "canary": { "start": "2026-11-21T09:00:00Z", "steps": [{ "share": 100 }] },
        } },
    });
    let clock = VirtualClock::at_millis(START - 1);
    let plugin = Plugin::of_module(module)
        .configuration(spec.to_string())
        .clock(clock.clone())
        .build()
        .map_err(|error| error.to_string())?;
    for (at, wanted) in [(START - 1, "stable"), (START, "canary"), (START - 1, "canary")] {
        clock.set_millis(at);
        let mut stream = plugin.stream(StreamInfo::new());
        stream.send_request_headers([(":path", "/"), ("x-user-id", "ana")], true);
        let arm = stream.request_headers().get_str("x-serin-arm").map(str::to_owned);
        if arm.as_deref() != Some(wanted) {
            return Err(format!("at {at} the arm is {arm:?}, not {wanted}"));
        }
    }
    Ok(())
}

fn run(suite: &Suite, plan: &Plan, plugin: &Plugin, case: &Case, report: &mut Report) {
    let name = format!("{} / {}", suite.name, case.name);
    if !report.wants(&name) {
        return;
    }
    if let Some(reason) = case.skip.get("sim") {
        return report.skip(&name, reason);
    }
    let outcome = send(plugin, case).and_then(|seen| {
        let expected = outcome::expected(case, native::revision(suite), plan.digest());
        differences_with_own_entropy(plan, case, &expected, &seen)
    });
    report.ran(&name, outcome);
}

fn send(plugin: &Plugin, case: &Case) -> Result<Outcome, String> {
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
        return Err(format!("the filter did not let the request go on: {action:?}"));
    }
    stream.send_response_headers([(":status", "200")], true);
    let mut seen = read(&stream);
    seen.overrides = outcome::risen(&before, &overrides(plugin));
    stream.finish();
    match stream.failed() {
        true => Err(format!("the VM failed: {:?}", plugin.failure())),
        false => Ok(seen),
    }
}

/// The counters of what became of tokens.
fn overrides(plugin: &Plugin) -> BTreeMap<String, u64> {
    let metrics = plugin.metrics();
    let counter = |metric: &Metric| {
        Some((metric.name.strip_prefix("serin.overrides.")?.to_owned(), metric.value))
    };
    metrics.iter().filter_map(counter).collect()
}

fn read(stream: &Stream) -> Outcome {
    let request = stream.request_headers();
    let fields = request.iter().map(|(name, value)| (text(name), value.to_vec()));
    let record = stream.filter_state("serin").unwrap_or_default();
    let response = stream.response_headers();
    Outcome {
        record: text(&record),
        upstream: outcome::joined(fields),
        set_cookie: response.get_all("set-cookie").map(text).collect(),
        told: response.get_str("serin-decision").map(str::to_owned),
        overrides: None,
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}
