//! Gates in host-sim: several workers, a main thread, and a virtual clock, so that every run is equal.

use serde_json::{Value, json};
use serin_conformance::report::Report;
use serin_conformance::sim;
use serin_core::{Bucket, Purpose};
use serin_host_sim::{
    Entropy, HttpCall, HttpResponse, LogLevel, Module, Plugin, Shared, Stream, StreamInfo,
    Value as Property, VirtualClock,
};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

const WORKERS: usize = 4;
const START: u64 = 1_795_000_000_000;
const TICK: Duration = Duration::from_secs(1);
/// The bit of `response.flags` for a reset by the upstream.
const UPSTREAM_RESET: i64 = 1 << 4;
/// The bit of `response.flags` for a client that disconnected.
const CLIENT_DISCONNECT: i64 = 1 << 14;

fn main() -> ExitCode {
    let mut report = Report::new("gates in host-sim");
    let module = match sim::filter() {
        Ok(module) => module,
        Err(why) => {
            report.record("the filter compiles", Err(why));
            return report.finish();
        }
    };
    report.check("one VM aborts, and the next request of each worker obeys", || {
        abort_is_obeyed_at_once(&module)
    });
    report.check("resets are errors, disconnecting clients are not", || {
        resets_and_disconnects(&module)
    });
    report.check("a canary that hangs is aborted by its clients' waiting times", || {
        hanging_canary(&module)
    });
    report.check("a healthy canary continues, and every outcome is counted once", || {
        healthy_canary(&module)
    });
    report.check("a raised epoch restarts the rollout, a lowered one does not", || {
        raised_epoch(&module)
    });
    report.check("another VM takes over from a judge that is gone", || judge_takeover(&module));
    report.check("outcomes that arrive after a new config are counted", || late_outcomes(&module));
    report.check("the webhook call is repeated until it succeeds", || webhook_retries(&module));
    report.check("canaries wait until previous aborts are read", || unknown_state(&module));
    report.check("a shadow whose responses differ is counted and aborts", || {
        diverging_shadow(&module)
    });
    report.check("copies in flight are limited", || copies_in_flight(&module));
    report.check("clients with chosen ids abort a healthy canary if all units count", || {
        chosen_ids(&module, "all")
    });
    report.check("clients with chosen ids abort nothing if verified units count", || {
        chosen_ids(&module, "verified")
    });
    report.check("verified units alone make no more host calls", || verified_host_calls(&module));
    report.check("a plan without gates makes no host calls for gates", || no_gates(&module));
    report.check("pushes more often than the tick do not keep an abort back", || {
        pushes_between_ticks(&module)
    });
    report.check("an abort outlives its gates and its rollout", || abort_outlives_gates(&module));
    report.check("a config without a spec is refused, and the plan stays", || empty_spec(&module));
    report.check("a clock that is set back holds each step, across pushes", || {
        clock_set_back(&module)
    });
    report.check("a clock that jumps ahead and back starts no step and stops no timer", || {
        clock_jumps_ahead(&module)
    });
    report.check("a canary that never responds is aborted", || silent_canary(&module));
    report.check("a client that is still sending is not waited for", || slow_upload(&module));
    report.check("outcomes that are no evidence are counted", || dropped_outcomes(&module));
    report.finish()
}

fn spec(epoch: u64) -> Value {
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

type Handler = Box<dyn Fn(&HttpCall) -> Option<HttpResponse> + Send + Sync>;

fn plugin(
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

/// How requests to the canary end.
#[derive(Clone, Copy)]
enum CanaryEnd {
    /// With a response of this status.
    Status(&'static str),
    /// Without a response, with these response flags.
    Flags(i64),
}

/// Sends a request of each user, on the workers in turn; returns the number that went to the canary.
fn send_users(plugin: &Plugin, users: std::ops::Range<usize>, canary: CanaryEnd) -> usize {
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

fn arm(stream: &mut Stream, user: usize) -> String {
    let id = format!("user-{user}");
    let fields = [(":method", "GET"), (":path", "/"), (":authority", "a"), ("x-user-id", &id)];
    stream.send_request_headers(fields, true);
    stream.request_headers().get_str("x-serin-arm").unwrap_or_default().to_owned()
}

fn audits(plugin: &Plugin) -> Result<Vec<Value>, String> {
    let lines = plugin.logs().into_iter().filter(|line| line.message.starts_with("{\"audit\""));
    let parse = |line: serin_host_sim::LogLine| {
        serde_json::from_str(&line.message).map_err(|error| format!("{error}: {}", line.message))
    };
    lines.map(parse).collect()
}

fn gate_counter(plugin: &Plugin, epoch: u64, arm: &str, what: &str) -> u64 {
    plugin.metrics().counter(&format!("serin.gate.shop.epoch.{epoch}.step.0.arm.{arm}.{what}"))
}

/// The gauge of an abort: 1 if the rollout is aborted.
fn aborted(plugin: &Plugin) -> Option<u64> {
    plugin.metrics().gauge("serin.latch.shop.aborted")
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, actual: T, expected: T) -> Result<(), String> {
    if actual == expected {
        Ok(())
    } else {
        Err(format!("{what}: {actual:?}, expected {expected:?}"))
    }
}

fn abort_is_obeyed_at_once(module: &Module) -> Result<(), String> {
    let plugin = plugin(module, &spec(1), &[], None)?;
    send_users(&plugin, 0..2000, CanaryEnd::Status("200"));
    plugin.advance(TICK);
    equal("aborted while healthy", aborted(&plugin), Some(0))?;
    let exposed = send_users(&plugin, 2000..2400, CanaryEnd::Status("503"));
    plugin.advance(TICK);
    let audits = audits(&plugin)?;
    equal("audits", audits.len(), 1)?;
    equal("verdict", &audits[0]["verdict"], &json!("abort"))?;
    println!("       {exposed} exposed; {}", audits[0]["reason"]);
    equal("aborted", aborted(&plugin), Some(1))?;
    for worker in 0..WORKERS {
        for user in 0..100 {
            let arm = arm(&mut plugin.stream_on(worker, StreamInfo::new()), user);
            equal("arm after the abort", arm.as_str(), "stable")?;
        }
    }
    let (requests, errors) = (
        gate_counter(&plugin, 1, "canary", "requests"),
        gate_counter(&plugin, 1, "canary", "errors"),
    );
    equal("errors counted", errors, exposed as u64)?;
    if requests <= errors { Err(format!("{requests} requests")) } else { Ok(()) }
}

fn resets_and_disconnects(module: &Module) -> Result<(), String> {
    for (flags, verdict) in
        [(UPSTREAM_RESET, 1), (CLIENT_DISCONNECT, 0), (CLIENT_DISCONNECT | UPSTREAM_RESET, 0)]
    {
        let plugin = plugin(module, &spec(1), &[], None)?;
        for second in 0..5 {
            send_users(&plugin, second * 400..(second + 1) * 400, CanaryEnd::Flags(flags));
            plugin.advance(TICK);
        }
        equal(&format!("flags {flags:#x}"), aborted(&plugin), Some(verdict))?;
    }
    Ok(())
}

/// Clients disconnect before a timeout, so there are neither errors nor slow responses.
fn hanging_canary(module: &Module) -> Result<(), String> {
    let mut guarded = spec(1);
    guarded["rollouts"]["shop"]["gates"]["latency"] = json!({});
    for (wait, verdict) in [(Duration::from_millis(700), 1), (Duration::ZERO, 0)] {
        let plugin = plugin(module, &guarded, &[], None)?;
        let mut streams: Vec<Stream> =
            (0..1000).map(|_| plugin.stream(StreamInfo::new())).collect();
        let arms: Vec<String> =
            streams.iter_mut().enumerate().map(|(user, stream)| arm(stream, user)).collect();
        plugin.advance(Duration::from_millis(20));
        let (canary, stable): (Vec<_>, Vec<_>) =
            streams.into_iter().zip(arms).partition(|(_, arm)| arm == "canary");
        let disconnect = |(mut stream, _): (Stream, String)| {
            stream.set_property(&["response", "flags"], Property::Int(CLIENT_DISCONNECT));
        };
        stable.into_iter().for_each(disconnect);
        plugin.advance(wait);
        canary.into_iter().for_each(disconnect);
        plugin.advance(TICK);
        equal("aborted", aborted(&plugin), Some(verdict))?;
        let reasons: Vec<Value> =
            audits(&plugin)?.iter().map(|audit| audit["reason"].clone()).collect();
        let is_latency =
            |reason: &Value| reason.as_str().is_some_and(|text| text.contains("latency at"));
        equal(
            "reasons of latency",
            reasons.iter().filter(|reason| is_latency(reason)).count() as u64,
            verdict,
        )?;
        equal("errors counted", gate_counter(&plugin, 1, "canary", "errors"), 0)?;
    }
    Ok(())
}

fn healthy_canary(module: &Module) -> Result<(), String> {
    let plugin = plugin(module, &spec(1), &[], None)?;
    let mut canary = 0;
    for second in 0..30 {
        canary += send_users(&plugin, second * 200..(second + 1) * 200, CanaryEnd::Status("200"));
        plugin.advance(TICK);
    }
    let (own, other) = (
        gate_counter(&plugin, 1, "canary", "requests"),
        gate_counter(&plugin, 1, "stable", "requests"),
    );
    equal("canary", own, canary as u64)?;
    equal("both arms", own + other, 6000)?;
    equal("errors", gate_counter(&plugin, 1, "canary", "errors"), 0)?;
    equal("aborted", aborted(&plugin), Some(0))
}

fn raised_epoch(module: &Module) -> Result<(), String> {
    let plugin = plugin(module, &spec(1), &[], None)?;
    send_users(&plugin, 0..1000, CanaryEnd::Status("500"));
    plugin.advance(TICK);
    equal("aborted", aborted(&plugin), Some(1))?;
    equal("to the canary", send_users(&plugin, 0..400, CanaryEnd::Status("200")), 0)?;
    plugin.reconfigure(spec(2).to_string()).map_err(|error| error.to_string())?;
    let before = send_users(&plugin, 0..400, CanaryEnd::Status("200"));
    plugin.advance(TICK);
    equal("aborted after", aborted(&plugin), Some(0))?;
    equal(
        "counted under the new epoch",
        gate_counter(&plugin, 2, "canary", "requests"),
        before as u64,
    )?;
    // A lowered epoch does not clear the abort.
    plugin.reconfigure(spec(1).to_string()).map_err(|error| error.to_string())?;
    equal(
        "to the canary of the old epoch",
        send_users(&plugin, 0..400, CanaryEnd::Status("200")),
        0,
    )
}

/// Three plugins in one process, each with one worker. Two have the same name, so they share their
/// evidence and elect a judge.
fn judge_takeover(module: &Module) -> Result<(), String> {
    let (clock, shared) = (VirtualClock::at_millis(START), Shared::new());
    let build = |name: &str| {
        let builder = Plugin::of_module(module).configuration(spec(1).to_string()).name(name);
        let builder = builder
            .limits(sim::generous_limits())
            .clock(clock.clone())
            .entropy(Entropy::System)
            .shared(&shared);
        builder.log_level(LogLevel::Info).build().map_err(|error| error.to_string())
    };
    let (first, second, unrelated) = (build("serin")?, build("serin")?, build("other")?);
    first.advance(TICK);
    first.shut_down();
    drop(first);
    send_users(&second, 0..400, CanaryEnd::Status("500"));
    second.advance(TICK);
    equal("audits while the lease lasts", audits(&second)?.len(), 0)?;
    second.advance(TICK * 4);
    equal("audits after it", audits(&second)?.len(), 1)?;
    equal("to the canary", send_users(&second, 0..400, CanaryEnd::Status("200")), 0)?;
    let others = send_users(&unrelated, 0..400, CanaryEnd::Status("200"));
    equal("any to the canary of a plugin with another name", others > 0, true)
}

fn late_outcomes(module: &Module) -> Result<(), String> {
    let plugin = plugin(module, &spec(1), &[], None)?;
    let mut streams: Vec<Stream> = (0..200).map(|_| plugin.stream(StreamInfo::new())).collect();
    let arms = streams.iter_mut().enumerate().map(|(user, stream)| arm(stream, user));
    let canary = arms.filter(|arm| arm == "canary").count();
    // A new config of the same trial keeps its evidence.
    let mut next = spec(1);
    next["revision"] = json!(2);
    plugin.reconfigure(next.to_string()).map_err(|error| error.to_string())?;
    send_users(&plugin, 200..400, CanaryEnd::Status("200"));
    plugin.advance(TICK);
    let before = gate_counter(&plugin, 1, "canary", "requests");
    for stream in &mut streams {
        stream.send_response_headers([(":status", "503")], true);
        stream.finish();
    }
    equal("counted", gate_counter(&plugin, 1, "canary", "requests"), before + canary as u64)?;
    plugin.advance(TICK);
    // The canary and the baseline failed alike.
    equal("aborted", aborted(&plugin), Some(0))?;
    equal("errors", gate_counter(&plugin, 1, "canary", "errors"), canary as u64)
}

fn webhook_retries(module: &Module) -> Result<(), String> {
    let calls = Arc::new(Mutex::new(Vec::new()));
    let recorded = Arc::clone(&calls);
    let handler: Handler = Box::new(move |call| {
        let mut calls = recorded.lock().ok()?;
        calls.push((call.cluster.clone(), String::from_utf8_lossy(&call.body).into_owned()));
        Some(HttpResponse::new(if calls.len() < 3 { 503 } else { 204 }))
    });
    let variables =
        [("SERIN_WEBHOOK_CLUSTER", "hook"), ("SERIN_WEBHOOK_URL", "http://hook.example/a")];
    let plugin = plugin(module, &spec(1), &variables, Some(handler))?;
    send_users(&plugin, 0..1000, CanaryEnd::Status("500"));
    plugin.advance(TICK * 30);
    let calls = calls.lock().map_err(|_| "poisoned")?;
    equal("calls", calls.len(), 3)?;
    let are_equal = calls.iter().all(|call| *call == calls[0] && call.0 == "hook");
    let record: Value = serde_json::from_str(&calls[0].1).map_err(|error| error.to_string())?;
    equal("all calls are equal", are_equal, true)?;
    equal("its latches", &record["latches"][0]["rollout"], &json!("shop"))?;
    equal("its verdict", &record["verdict"], &json!("abort"))
}

fn unknown_state(module: &Module) -> Result<(), String> {
    let body: Arc<Mutex<Option<String>>> = Arc::default();
    let served = Arc::clone(&body);
    let handler: Handler = Box::new(move |_| {
        let body = served.lock().ok()?.clone();
        Some(body.map_or(HttpResponse::new(404), |body| HttpResponse::new(200).body(body)))
    });
    let variables =
        [("SERIN_STATE_CLUSTER", "state"), ("SERIN_STATE_URL", "http://state.example/latches")];
    let first = plugin(module, &spec(1), &variables, Some(handler))?;
    first.advance(TICK * 3);
    equal(
        "to the canary before it is known",
        send_users(&first, 0..400, CanaryEnd::Status("200")),
        0,
    )?;
    *body.lock().map_err(|_| "poisoned")? = Some("{\"latches\":[]}".to_owned());
    first.advance(TICK * 3);
    equal("any to the canary", send_users(&first, 0..400, CanaryEnd::Status("200")) > 0, true)?;
    // Another host has aborted. This host obeys from its next reading on.
    let abort = json!({"epoch": 1, "at": START, "digest": "0", "reason": "elsewhere"});
    let latches = json!({"latches": [{"rollout": "shop", "epoch": 1, "abort": abort}]});
    *body.lock().map_err(|_| "poisoned")? = Some(latches.to_string());
    first.advance(TICK * 11);
    equal("to the canary after that", send_users(&first, 0..400, CanaryEnd::Status("200")), 0)?;
    equal("aborted", aborted(&first), Some(1))?;
    let variables = [&variables[..], &[("SERIN_UNKNOWN_STATE", "proceed")]].concat();
    let second = plugin(module, &spec(1), &variables, Some(Box::new(|_| None)))?;
    equal("any to the canary", send_users(&second, 0..400, CanaryEnd::Status("200")) > 0, true)
}

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

fn diverging_shadow(module: &Module) -> Result<(), String> {
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

fn copies_in_flight(module: &Module) -> Result<(), String> {
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

fn no_gates(module: &Module) -> Result<(), String> {
    let mut spec = spec(1);
    spec["rollouts"]["shop"].as_object_mut().and_then(|rollout| rollout.remove("gates"));
    let plugin = plugin(module, &spec, &[], None)?;
    equal("ticks", plugin.advance(TICK * 10), 0)?;
    let mut stream = plugin.stream(StreamInfo::new());
    arm(&mut stream, 1);
    stream.send_response_headers([(":status", "200")], true);
    stream.finish();
    equal("host calls", stream.stats().host_call_count(), 5)
}

/// The spec with a flag that has nothing to do with the rollout.
fn with_flag(mut spec: Value, value: usize) -> Value {
    spec["revision"] = json!(value);
    spec["flags"] = json!({"other": {"variants": {"v": value}, "defaultVariant": "v"}});
    spec
}

fn push(plugin: &Plugin, spec: &Value) -> Result<(), String> {
    plugin.reconfigure(spec.to_string()).map_err(|error| error.to_string())
}

fn pushes_between_ticks(module: &Module) -> Result<(), String> {
    for between in [100, 400, 800] {
        let plugin = plugin(module, &spec(1), &[], None)?;
        let mut exposed = 0;
        for step in 0..usize::try_from(10_000 / between).unwrap_or_default() {
            push(&plugin, &with_flag(spec(1), step))?;
            exposed += send_users(&plugin, step * 100..(step + 1) * 100, CanaryEnd::Status("503"));
            plugin.advance(Duration::from_millis(between));
            if aborted(&plugin) == Some(1) {
                break;
            }
        }
        println!("       a push every {between} ms: aborted after {exposed} canary requests");
        equal("aborted", aborted(&plugin), Some(1))?;
        let to_canary = send_users(&plugin, 0..400, CanaryEnd::Status("200"));
        equal("to the canary", to_canary, 0)?;
    }
    Ok(())
}

fn abort_outlives_gates(module: &Module) -> Result<(), String> {
    let plugin = plugin(module, &spec(1), &[], None)?;
    send_users(&plugin, 0..1000, CanaryEnd::Status("500"));
    plugin.advance(TICK);
    equal("aborted", aborted(&plugin), Some(1))?;
    let mut without_gates = spec(1);
    without_gates["rollouts"]["shop"].as_object_mut().ok_or("no rollout")?.remove("gates");
    let mut without_rollout = spec(1);
    without_rollout["rollouts"] = json!({});
    let to_canary = || send_users(&plugin, 0..400, CanaryEnd::Status("200"));
    for edited in [&without_gates, &without_rollout, &without_gates, &spec(1)] {
        push(&plugin, edited)?;
        equal("to the canary", to_canary(), 0)?;
        plugin.advance(TICK * 3);
        equal("to the canary after ticks", to_canary(), 0)?;
    }
    equal("aborted after all", aborted(&plugin), Some(1))?;
    without_gates["rollouts"]["shop"]["epoch"] = json!(2);
    push(&plugin, &without_gates)?;
    equal("any to the canary of a raised epoch", to_canary() > 0, true)
}

fn empty_spec(module: &Module) -> Result<(), String> {
    let plugin = plugin(module, &spec(1), &[], None)?;
    for empty in ["", " ", "\n\t "] {
        let refused = plugin.reconfigure(empty).is_err();
        equal("refused", refused, true)?;
        let refused = plugin.reconfigure_in_place(empty).is_err();
        equal("refused in place", refused, true)?;
    }
    let to_canary = send_users(&plugin, 0..400, CanaryEnd::Status("200"));
    equal("any to the canary", to_canary > 0, true)?;
    equal("revision", plugin.metrics().gauge("serin.revision"), Some(1))
}

/// A rollout without gates, whose steps end by the clock after 10 minutes each.
fn scheduled_spec(flag: usize) -> Value {
    let mut spec = with_flag(spec(1), flag);
    // 2026-11-18T11:06:40Z is START.
    spec["rollouts"]["shop"]["canary"] = json!({"start": "2026-11-18T11:06:40Z", "steps": [
        {"share": 10, "hold": "10m"}, {"share": 36, "hold": "10m"}, {"share": 100},
    ]});
    if let Some(rollout) = spec["rollouts"]["shop"].as_object_mut() {
        rollout.remove("gates");
    }
    spec
}

/// The number of 100 users that are on the canary.
fn on_canary(plugin: &Plugin) -> usize {
    let users = 0..100;
    users.filter(|user| arm(&mut plugin.stream(StreamInfo::new()), *user) == "canary").count()
}

fn clock_set_back(module: &Module) -> Result<(), String> {
    let clock = VirtualClock::at_millis(START);
    let plugin = Plugin::of_module(module)
        .limits(sim::generous_limits())
        .configuration(scheduled_spec(0).to_string())
        .name("serin")
        .like_envoy(WORKERS)
        .clock(clock.clone())
        .log_level(LogLevel::Info)
        .build()
        .map_err(|error| error.to_string())?;
    plugin.advance(Duration::from_secs(15 * 60));
    let before = on_canary(&plugin);
    equal("the second step is in force", (20..55).contains(&before), true)?;
    clock.jump_to_millis(START - 3_600_000 + 15 * 60_000);
    equal("after the jump", on_canary(&plugin), before)?;
    push(&plugin, &scheduled_spec(1))?;
    equal("after a push", on_canary(&plugin), before)?;
    let is_said = |line: &serin_host_sim::LogLine| line.message.contains("each step is held");
    equal("said", plugin.logs().iter().any(is_said), true)?;
    // An hour later the clock is where it was, and goes on.
    plugin.advance(Duration::from_secs(3600 + 6 * 60));
    equal("the last step", on_canary(&plugin), 100)
}

fn clock_jumps_ahead(module: &Module) -> Result<(), String> {
    let calls = Arc::new(Mutex::new(0_u32));
    let counted = Arc::clone(&calls);
    let clock = VirtualClock::at_millis(START);
    let plugin = Plugin::of_module(module)
        .limits(sim::generous_limits())
        .configuration(scheduled_spec(0).to_string())
        .name("serin")
        .like_envoy(WORKERS)
        .clock(clock.clone())
        .log_level(LogLevel::Info)
        .env_var("SERIN_STATE_CLUSTER", "state")
        .env_var("SERIN_STATE_URL", "http://state.example/latches")
        .on_http_call(move |_| {
            *counted.lock().ok()? += 1;
            Some(HttpResponse::new(200).body(r#"{"latches":[]}"#))
        })
        .build()
        .map_err(|error| error.to_string())?;
    let reads = || calls.lock().map(|calls| *calls).map_err(|_| "poisoned".to_owned());
    plugin.advance(Duration::from_secs(60));
    let (first, before) = (on_canary(&plugin), reads()?);
    equal("the first step is in force", (2..25).contains(&first), true)?;
    clock.jump_to_millis(START + 86_400_000);
    equal("during the jump", on_canary(&plugin), first)?;
    plugin.advance(Duration::from_secs(60));
    equal("a minute later", on_canary(&plugin), first)?;
    clock.jump_to_millis(START + 120_000);
    plugin.advance(Duration::from_secs(60));
    equal("after the jump", on_canary(&plugin), first)?;
    // Every 10 s, during the jump and after it.
    let reads = reads()? - before;
    equal("the latch source is read on", (10..=14).contains(&reads), true)?;
    // The gates work on.
    push(&plugin, &spec(1))?;
    send_users(&plugin, 0..1000, CanaryEnd::Status("500"));
    plugin.advance(TICK * 2);
    equal("aborted", aborted(&plugin), Some(1))
}

fn silent_canary(module: &Module) -> Result<(), String> {
    let mut guarded = spec(1);
    guarded["rollouts"]["shop"]["gates"]["errors"] = json!({"timeout": "5s"});
    let plugin = plugin(module, &guarded, &[], None)?;
    let mut hanging = Vec::new();
    for user in 0..800 {
        let mut stream = plugin.stream(StreamInfo::new());
        if arm(&mut stream, user) == "canary" {
            hanging.push(stream);
        } else {
            stream.send_response_headers([(":status", "200")], true);
        }
    }
    plugin.advance(TICK * 5);
    equal("aborted before the time is over", aborted(&plugin), Some(0))?;
    plugin.advance(TICK * 2);
    equal("aborted", aborted(&plugin), Some(1))?;
    let count = hanging.len() as u64;
    equal("errors", gate_counter(&plugin, 1, "canary", "errors"), count)?;
    // Responses that arrive after all do not count again.
    for stream in &mut hanging {
        stream.send_response_headers([(":status", "200")], true);
        stream.finish();
    }
    plugin.advance(TICK);
    equal("requests", gate_counter(&plugin, 1, "canary", "requests"), count)
}

/// Clients that send a byte every other second, or stop in the middle, are not the canary's fault.
fn slow_upload(module: &Module) -> Result<(), String> {
    let mut guarded = spec(1);
    guarded["rollouts"]["shop"]["gates"]["errors"] = json!({"timeout": "5s"});
    for (length, sends, verdict) in [("1000", false, 0), ("1000", true, 0), ("4", true, 1)] {
        let plugin = plugin(module, &guarded, &[], None)?;
        send_users(&plugin, 0..600, CanaryEnd::Status("200"));
        let mut uploads = Vec::new();
        for user in 0..800 {
            let mut stream = plugin.stream(StreamInfo::new());
            let id = format!("user-{user}");
            let fields = [
                (":method", "POST"),
                (":path", "/"),
                (":authority", "a"),
                ("content-length", length),
                ("x-user-id", &id),
            ];
            stream.send_request_headers(fields, false);
            if stream.request_headers().get_str("x-serin-arm") == Some("canary") {
                uploads.push(stream);
            }
        }
        for second in 0..40 {
            if sends && second < 4 {
                uploads.iter_mut().for_each(|stream| {
                    stream.send_request_body("x", false);
                });
            }
            plugin.advance(TICK);
        }
        equal(&format!("aborted, {length} bytes"), aborted(&plugin), Some(verdict))?;
    }
    Ok(())
}

fn dropped_outcomes(module: &Module) -> Result<(), String> {
    let plugin = plugin(module, &spec(1), &[], None)?;
    let mut streams: Vec<Stream> = (0..200).map(|_| plugin.stream(StreamInfo::new())).collect();
    streams.iter_mut().enumerate().for_each(|(user, stream)| {
        arm(stream, user);
    });
    push(&plugin, &spec(2))?;
    send_users(&plugin, 200..400, CanaryEnd::Status("200"));
    plugin.advance(TICK);
    for stream in &mut streams {
        stream.send_response_headers([(":status", "503")], true);
        stream.finish();
    }
    plugin.advance(TICK);
    let dropped = plugin.metrics().counter("serin.gate.shop.dropped.stage");
    equal("outcomes of the previous epoch", dropped, 200)?;
    let is_said = |line: &serin_host_sim::LogLine| line.message.contains("are no evidence");
    equal("said", plugin.logs().iter().any(is_said), true)
}

/// 32 bytes or more in base64url.
const ID_KEY: &str = "YSBzZWNyZXQgdGhhdCBzaWducyB0aGUgYW5vbnltb3VzIGlkcw";

fn spec_with_anonymous_ids(count: &str) -> Value {
    let mut spec = spec(1);
    spec["units"]["user"] = json!([{"anonymous": "serin_id"}]);
    spec["rollouts"]["shop"]["gates"]["count"] = json!(count);
    spec
}

/// Sends a request with a cookie, and ends it with the status of its arm. Returns the arm and the id that the
/// host has minted, as the cookie has it.
fn visit(plugin: &Plugin, cookie: Option<&str>, canary: &str) -> (String, Option<String>) {
    let mut stream = plugin.stream(StreamInfo::new());
    let cookie = cookie.map(|value| format!("serin_id={value}"));
    let mut fields = vec![(":method", "GET"), (":path", "/"), (":authority", "a")];
    fields.extend(cookie.as_deref().map(|cookie| ("cookie", cookie)));
    stream.send_request_headers(fields, true);
    let arm = stream.request_headers().get_str("x-serin-arm").unwrap_or_default().to_owned();
    stream.send_response_headers([(":status", if arm == "canary" { canary } else { "200" })], true);
    let set = stream.response_headers().get_str("set-cookie").map(str::to_owned);
    let minted = set.and_then(|line| Some(line.split_once('=')?.1.split(';').next()?.to_owned()));
    (arm, minted)
}

/// 20 failing requests with chosen ids. They abort a healthy canary, unless only verified units count; a canary
/// that fails for verified units is aborted in both cases.
fn chosen_ids(module: &Module, count: &str) -> Result<(), String> {
    let plugin =
        plugin(module, &spec_with_anonymous_ids(count), &[("SERIN_ID_KEY", ID_KEY)], None)?;
    let mut signed = Vec::new();
    for _ in 0..1000 {
        let (_, minted) = visit(&plugin, None, "200");
        let minted = minted.ok_or("a new client got no id")?;
        visit(&plugin, Some(&minted), "200");
        signed.push(minted);
    }
    equal("length of a signed id", signed[0].len(), 57)?;
    plugin.advance(TICK);
    equal("aborted while healthy", aborted(&plugin), Some(0))?;
    let mut attacks = 0;
    // The attacker knows the ids of the canary: the buckets are no secret.
    for number in 0.. {
        let id = format!("chosen-{number}");
        if Bucket::of(Purpose::Ramp, "shop", &id).number() < 25_000 {
            let (arm, minted) = visit(&plugin, Some(&id), "503");
            equal("arm of a chosen id", (arm.as_str(), minted), ("canary", None))?;
            attacks += 1;
        }
        if attacks == 20 {
            break;
        }
    }
    // An evaluation needs 100 new requests.
    for cookie in &signed[..200] {
        visit(&plugin, Some(cookie), "200");
    }
    plugin.advance(TICK);
    let is_aborted = u64::from(count == "all");
    equal("aborted by chosen ids", aborted(&plugin), Some(is_aborted))?;
    let dropped = plugin.metrics().counter("serin.gate.shop.dropped.unverified");
    equal("dropped", dropped, if count == "all" { 0 } else { 20 })?;
    for cookie in &signed {
        visit(&plugin, Some(cookie), "503");
    }
    plugin.advance(TICK);
    equal("aborted by a canary that fails", aborted(&plugin), Some(1))
}

/// The host calls of a request are the same whether all units count or verified ones, and fewer for the outcome
/// of a unit that does not count.
fn verified_host_calls(module: &Module) -> Result<(), String> {
    let calls = |count: &str, variables: &[(&str, &str)]| -> Result<u64, String> {
        let plugin = plugin(module, &spec_with_anonymous_ids(count), variables, None)?;
        let (_, minted) = visit(&plugin, None, "200");
        let cookie = format!("serin_id={}", minted.ok_or("a new client got no id")?);
        let mut stream = plugin.stream(StreamInfo::new());
        let fields =
            [(":method", "GET"), (":path", "/"), (":authority", "a"), ("cookie", cookie.as_str())];
        stream.send_request_headers(fields, true);
        stream.send_response_headers([(":status", "200")], true);
        stream.finish();
        println!(
            "       count: {count}, {} keys: {} host calls, {} fuel",
            variables.len(),
            stream.stats().host_call_count(),
            stream.stats().fuel()
        );
        Ok(stream.stats().host_call_count())
    };
    let key = [("SERIN_ID_KEY", ID_KEY)];
    let all = calls("all", &[])?;
    equal("host calls with a key", calls("all", &key)?, all)?;
    equal("host calls of verified units", calls("verified", &key)?, all)
}
