//! How gates are judged: by one VM for all, at each tick.

use crate::fixture::{
    CLIENT_DISCONNECT, CanaryEnd, Handler, START, TICK, UPSTREAM_RESET, WORKERS, aborted, arm,
    audits, equal, gate_counter, plugin, send_users, spec,
};
use serde_json::{Value, json};
use serin_conformance::sim;
use serin_host_sim::{
    Entropy, HttpResponse, LogLevel, Module, Plugin, Shared, Stream, StreamInfo, Value as Property,
    VirtualClock,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) fn abort_is_obeyed_at_once(module: &Module) -> Result<(), String> {
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

pub(crate) fn resets_and_disconnects(module: &Module) -> Result<(), String> {
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
pub(crate) fn hanging_canary(module: &Module) -> Result<(), String> {
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

pub(crate) fn healthy_canary(module: &Module) -> Result<(), String> {
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

pub(crate) fn raised_epoch(module: &Module) -> Result<(), String> {
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
pub(crate) fn judge_takeover(module: &Module) -> Result<(), String> {
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

pub(crate) fn late_outcomes(module: &Module) -> Result<(), String> {
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

pub(crate) fn webhook_retries(module: &Module) -> Result<(), String> {
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

pub(crate) fn unknown_state(module: &Module) -> Result<(), String> {
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

pub(crate) fn no_gates(module: &Module) -> Result<(), String> {
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
