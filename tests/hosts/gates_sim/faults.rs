//! What must not blind a gate: pushes, edits under an abort, mistakes, clocks, silence.

use crate::fixture::{
    CanaryEnd, START, TICK, WORKERS, aborted, arm, equal, gate_counter, plugin, push, send_users,
    spec, with_flag,
};
use serde_json::{Value, json};
use serin_conformance::sim;
use serin_host_sim::{HttpResponse, LogLevel, Module, Plugin, Stream, StreamInfo, VirtualClock};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) fn pushes_between_ticks(module: &Module) -> Result<(), String> {
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

pub(crate) fn abort_outlives_gates(module: &Module) -> Result<(), String> {
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

pub(crate) fn empty_spec(module: &Module) -> Result<(), String> {
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

pub(crate) fn clock_set_back(module: &Module) -> Result<(), String> {
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

pub(crate) fn clock_jumps_ahead(module: &Module) -> Result<(), String> {
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

pub(crate) fn silent_canary(module: &Module) -> Result<(), String> {
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
pub(crate) fn slow_upload(module: &Module) -> Result<(), String> {
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

pub(crate) fn dropped_outcomes(module: &Module) -> Result<(), String> {
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
