//! Gates in host-sim: several workers, a main thread, and a clock that stands still until it is moved, so
//! that every run is the same run.

use serde_json::{Value, json};
use serin_conformance::report::Report;
use serin_conformance::sim;
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
/// Bits of `response.flags`.
const UPSTREAM_RESET: i64 = 1 << 4;
const CLIENT_GONE: i64 = 1 << 14;

fn main() -> ExitCode {
    let mut report = Report::new("gates in host-sim");
    let module = match sim::filter() {
        Ok(module) => module,
        Err(why) => {
            report.ran("the filter compiles", Err(why));
            return report.finish();
        }
    };
    report.check("one VM aborts, and the next request of each worker obeys", || aborts(&module));
    report.check("resets are errors, clients that go away are none", || resets(&module));
    report.check("a canary that hangs is seen by how long its clients wait", || hangs(&module));
    report
        .check("a healthy canary goes on, and every outcome is counted once", || healthy(&module));
    report.check("a raised epoch begins again", || raised_epoch(&module));
    report.check("when the VM that looks is gone, another one does", || takes_over(&module));
    report.check("outcomes that come after a config count too", || late_outcomes(&module));
    report.check("the webhook is told again until it understands", || webhook(&module));
    report.check("until earlier aborts are read, canaries wait", || unknown_state(&module));
    report.check("a shadow that differs is counted and aborts", || shadow_differs(&module));
    report.check("no more copies are under way than may be", || few_copies(&module));
    report.check("a plan without gates makes none of these calls", || nothing(&module));
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
        .limits(sim::patient())
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

/// How a canary answers.
#[derive(Clone, Copy)]
enum Canary {
    Status(&'static str),
    Flags(i64),
}

/// A request of each of so many users, worker by worker; gives how many went to the canary.
fn crowd(plugin: &Plugin, users: std::ops::Range<usize>, canary: Canary) -> usize {
    let mut count = 0;
    for user in users {
        let mut stream = plugin.stream(StreamInfo::new());
        if arm(&mut stream, user) != "canary" {
            stream.send_response_headers([(":status", "200")], true);
            continue;
        }
        count += 1;
        match canary {
            Canary::Status(status) => {
                stream.send_response_headers([(":status", status)], true);
            }
            Canary::Flags(flags) => {
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
    let read = |line: serin_host_sim::LogLine| {
        serde_json::from_str(&line.message).map_err(|error| format!("{error}: {}", line.message))
    };
    lines.map(read).collect()
}

fn gate(plugin: &Plugin, epoch: u64, arm: &str, what: &str) -> u64 {
    plugin.metrics().counter(&format!("serin.gate.shop.epoch.{epoch}.step.0.arm.{arm}.{what}"))
}

fn aborted(plugin: &Plugin) -> Option<u64> {
    plugin.metrics().gauge("serin.latch.shop.aborted")
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, wanted: T) -> Result<(), String> {
    if seen == wanted { Ok(()) } else { Err(format!("{what}: {seen:?}, wanted {wanted:?}")) }
}

fn aborts(module: &Module) -> Result<(), String> {
    let plugin = plugin(module, &spec(1), &[], None)?;
    crowd(&plugin, 0..2000, Canary::Status("200"));
    plugin.advance(TICK);
    equal("aborted while healthy", aborted(&plugin), Some(0))?;
    let exposed = crowd(&plugin, 2000..2400, Canary::Status("503"));
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
    let (requests, errors) =
        (gate(&plugin, 1, "canary", "requests"), gate(&plugin, 1, "canary", "errors"));
    equal("errors counted", errors, exposed as u64)?;
    if requests <= errors { Err(format!("{requests} requests")) } else { Ok(()) }
}

fn resets(module: &Module) -> Result<(), String> {
    for (flags, verdict) in
        [(UPSTREAM_RESET, 1), (CLIENT_GONE, 0), (CLIENT_GONE | UPSTREAM_RESET, 0)]
    {
        let plugin = plugin(module, &spec(1), &[], None)?;
        for second in 0..5 {
            crowd(&plugin, second * 400..(second + 1) * 400, Canary::Flags(flags));
            plugin.advance(TICK);
        }
        equal(&format!("flags {flags:#x}"), aborted(&plugin), Some(verdict))?;
    }
    Ok(())
}

/// Clients leave before anything times out: nothing fails, and no answer takes long.
fn hangs(module: &Module) -> Result<(), String> {
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
        let leave = |(mut stream, _): (Stream, String)| {
            stream.set_property(&["response", "flags"], Property::Int(CLIENT_GONE));
        };
        stable.into_iter().for_each(leave);
        plugin.advance(wait);
        canary.into_iter().for_each(leave);
        plugin.advance(TICK);
        equal("aborted", aborted(&plugin), Some(verdict))?;
        let reasons: Vec<Value> =
            audits(&plugin)?.iter().map(|audit| audit["reason"].clone()).collect();
        let latency =
            |reason: &Value| reason.as_str().is_some_and(|text| text.contains("latency at"));
        equal(
            "reasons of latency",
            reasons.iter().filter(|reason| latency(reason)).count() as u64,
            verdict,
        )?;
        equal("errors counted", gate(&plugin, 1, "canary", "errors"), 0)?;
    }
    Ok(())
}

fn healthy(module: &Module) -> Result<(), String> {
    let plugin = plugin(module, &spec(1), &[], None)?;
    let mut canary = 0;
    for second in 0..30 {
        canary += crowd(&plugin, second * 200..(second + 1) * 200, Canary::Status("200"));
        plugin.advance(TICK);
    }
    let (own, other) =
        (gate(&plugin, 1, "canary", "requests"), gate(&plugin, 1, "stable", "requests"));
    equal("canary", own, canary as u64)?;
    equal("both arms", own + other, 6000)?;
    equal("errors", gate(&plugin, 1, "canary", "errors"), 0)?;
    equal("aborted", aborted(&plugin), Some(0))
}

fn raised_epoch(module: &Module) -> Result<(), String> {
    let plugin = plugin(module, &spec(1), &[], None)?;
    crowd(&plugin, 0..1000, Canary::Status("500"));
    plugin.advance(TICK);
    equal("aborted", aborted(&plugin), Some(1))?;
    equal("to the canary", crowd(&plugin, 0..400, Canary::Status("200")), 0)?;
    plugin.reconfigure(spec(2).to_string()).map_err(|error| error.to_string())?;
    let before = crowd(&plugin, 0..400, Canary::Status("200"));
    plugin.advance(TICK);
    equal("aborted after", aborted(&plugin), Some(0))?;
    equal("counted under the new epoch", gate(&plugin, 2, "canary", "requests"), before as u64)?;
    // Going back is no way out.
    plugin.reconfigure(spec(1).to_string()).map_err(|error| error.to_string())?;
    equal("to the canary of the old epoch", crowd(&plugin, 0..400, Canary::Status("200")), 0)
}

/// Three plugins in one process, each with one worker: two of one name, so that they judge together.
fn takes_over(module: &Module) -> Result<(), String> {
    let (clock, shared) = (VirtualClock::at_millis(START), Shared::new());
    let build = |name: &str| {
        let builder = Plugin::of_module(module).configuration(spec(1).to_string()).name(name);
        let builder = builder
            .limits(sim::patient())
            .clock(clock.clone())
            .entropy(Entropy::System)
            .shared(&shared);
        builder.log_level(LogLevel::Info).build().map_err(|error| error.to_string())
    };
    let (first, second, stranger) = (build("serin")?, build("serin")?, build("other")?);
    first.advance(TICK);
    first.shut_down();
    drop(first);
    crowd(&second, 0..400, Canary::Status("500"));
    second.advance(TICK);
    equal("audits while the lease lasts", audits(&second)?.len(), 0)?;
    second.advance(TICK * 4);
    equal("audits after it", audits(&second)?.len(), 1)?;
    equal("to the canary", crowd(&second, 0..400, Canary::Status("200")), 0)?;
    let others = crowd(&stranger, 0..400, Canary::Status("200"));
    equal("any to the canary of a plugin with another name", others > 0, true)
}

fn late_outcomes(module: &Module) -> Result<(), String> {
    let plugin = plugin(module, &spec(1), &[], None)?;
    let mut streams: Vec<Stream> = (0..200).map(|_| plugin.stream(StreamInfo::new())).collect();
    let arms = streams.iter_mut().enumerate().map(|(user, stream)| arm(stream, user));
    let canary = arms.filter(|arm| arm == "canary").count();
    // Another config of the same trial: its evidence goes on.
    let mut next = spec(1);
    next["revision"] = json!(2);
    plugin.reconfigure(next.to_string()).map_err(|error| error.to_string())?;
    crowd(&plugin, 200..400, Canary::Status("200"));
    plugin.advance(TICK);
    let before = gate(&plugin, 1, "canary", "requests");
    for stream in &mut streams {
        stream.send_response_headers([(":status", "503")], true);
        stream.finish();
    }
    equal("counted", gate(&plugin, 1, "canary", "requests"), before + canary as u64)?;
    plugin.advance(TICK);
    // The canary's errors and the baseline's came in equal parts.
    equal("aborted", aborted(&plugin), Some(0))?;
    equal("errors", gate(&plugin, 1, "canary", "errors"), canary as u64)
}

fn webhook(module: &Module) -> Result<(), String> {
    let told = Arc::new(Mutex::new(Vec::new()));
    let heard = Arc::clone(&told);
    let handler: Handler = Box::new(move |call| {
        let mut told = heard.lock().ok()?;
        told.push((call.cluster.clone(), String::from_utf8_lossy(&call.body).into_owned()));
        Some(HttpResponse::new(if told.len() < 3 { 503 } else { 204 }))
    });
    let variables =
        [("SERIN_WEBHOOK_CLUSTER", "hook"), ("SERIN_WEBHOOK_URL", "http://hook.example/a")];
    let plugin = plugin(module, &spec(1), &variables, Some(handler))?;
    crowd(&plugin, 0..1000, Canary::Status("500"));
    plugin.advance(TICK * 30);
    let told = told.lock().map_err(|_| "poisoned")?;
    equal("calls", told.len(), 3)?;
    let same = told.iter().all(|message| *message == told[0] && message.0 == "hook");
    let record: Value = serde_json::from_str(&told[0].1).map_err(|error| error.to_string())?;
    equal("one message", same, true)?;
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
    equal("to the canary before it is known", crowd(&first, 0..400, Canary::Status("200")), 0)?;
    *body.lock().map_err(|_| "poisoned")? = Some("{\"latches\":[]}".to_owned());
    first.advance(TICK * 3);
    equal("any to the canary", crowd(&first, 0..400, Canary::Status("200")) > 0, true)?;
    // Somebody else has aborted; so has this host, from the next reading on.
    let abort = json!({"epoch": 1, "at": START, "digest": "0", "reason": "elsewhere"});
    let latches = json!({"latches": [{"rollout": "shop", "epoch": 1, "abort": abort}]});
    *body.lock().map_err(|_| "poisoned")? = Some(latches.to_string());
    first.advance(TICK * 11);
    equal("to the canary after that", crowd(&first, 0..400, Canary::Status("200")), 0)?;
    equal("aborted", aborted(&first), Some(1))?;
    let variables = [&variables[..], &[("SERIN_UNKNOWN_STATE", "proceed")]].concat();
    let second = plugin(module, &spec(1), &variables, Some(Box::new(|_| None)))?;
    equal("any to the canary", crowd(&second, 0..400, Canary::Status("200")) > 0, true)
}

fn shadowed(compare: &str, most: u32) -> Value {
    let mut spec = spec(1);
    let rollout = &mut spec["rollouts"]["shop"];
    rollout["arms"]["dark"] = json!({"target": "dark"});
    rollout["canary"]["arm"] = json!("canary");
    rollout["shadow"] =
        json!({"arm": "dark", "percent": 100, "compare": compare, "maxInFlight": most});
    rollout["gates"]["shadow"] = json!({"maxDivergence": 1});
    spec
}

fn compared(plugin: &Plugin) -> [u64; 3] {
    let metrics = plugin.metrics();
    ["compared", "diverged", "dropped"]
        .map(|what| metrics.counter(&format!("serin.shadow.shop.{what}")))
}

fn shadow_differs(module: &Module) -> Result<(), String> {
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
        let plugin = plugin(module, &shadowed(compare, 16), &[], Some(handler))?;
        for second in 0..3 {
            crowd(&plugin, second * 400..(second + 1) * 400, Canary::Status("200"));
            plugin.advance(TICK);
        }
        let differs = what == "dark 503" || (what, compare) == ("dark body", "body");
        let [compared, diverged, dropped] = compared(&plugin);
        let name = format!("{what}, comparing {compare}");
        equal(&format!("{name}: dropped"), dropped, 0)?;
        equal(&format!("{name}: diverged"), diverged, if differs { compared } else { 0 })?;
        equal(&format!("{name}: aborted"), aborted(&plugin), Some(differs.into()))?;
        // After the abort nobody is copied any more.
        equal(&format!("{name}: compared"), compared, if differs { 400 } else { 1200 })?;
    }
    Ok(())
}

fn few_copies(module: &Module) -> Result<(), String> {
    let plugin = plugin(module, &shadowed("body", 3), &[], None)?;
    let mut streams: Vec<Stream> = Vec::new();
    for user in 0..40 {
        let mut stream = plugin.stream_on(user % WORKERS, StreamInfo::new());
        arm(&mut stream, user);
        equal("mirrored", stream.request_headers().get("x-serin-shadow").is_some(), false)?;
        streams.push(stream);
    }
    let calls = plugin.take_http_calls();
    let copies = calls.iter().filter(|call| call.cluster == "dark").count();
    equal("copies", (copies, compared(&plugin)), (3 * WORKERS, [0, 0, 40 - 3 * WORKERS as u64]))?;
    let forged = calls.iter().find(|call| call.headers.get("x-serin-shadow").is_some());
    equal("the copy says that it is one", forged.is_some(), false)?;
    for call in calls {
        plugin.respond(call.id, HttpResponse::new(200));
    }
    drop(streams);
    arm(&mut plugin.stream_on(0, StreamInfo::new()), 1);
    equal("copies once there is room", plugin.take_http_calls().len(), 2)
}

fn nothing(module: &Module) -> Result<(), String> {
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
