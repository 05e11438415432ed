//! The runner of host-sim: every vector through the filter's wasm module in the simulator.

#[path = "../../core/tests/scale/spec.rs"]
mod scale;

use serde_json::Value;
use serin_conformance::host_entropy::differences_with_host_entropy;
use serin_conformance::outcome;
use serin_conformance::report::Report;
use serin_conformance::vector::{self, Case, Suite};
use serin_conformance::{clock, native, sim};
use serin_core::Plan;
use serin_host_sim::{Entropy, Module, Plugin, StreamInfo, VirtualClock};
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut report = Report::new("host-sim");
    if let Err(why) = run_all(&mut report) {
        report.record("all vectors", Err(why));
    }
    report.finish()
}

fn run_all(report: &mut Report) -> Result<(), String> {
    let module = sim::filter()?;
    for suite in vector::load()? {
        let plan = native::plan(&suite)?;
        let mut now = clock::unix_ms();
        let (mut clock, mut plugin) = start(&module, &suite, now, None)?;
        for case in &suite.cases {
            let previous = now;
            now = case.now.unwrap_or_else(clock::unix_ms);
            if now < previous || case.latches.is_some() {
                // A VM neither accepts a clock that goes back nor forgets an abort.
                (clock, plugin) = start(&module, &suite, now, case.latches.as_ref())?;
            }
            clock.set_millis(now);
            run(&suite, &plan, &plugin, case, report);
        }
    }
    report.check("the cost of a request does not grow with flags that it does not use", || {
        cost_is_independent_of_unused_flags()
    });
    report.check("trailers lose Serin's fields, and cost nothing where there are none", || {
        trailers_are_stripped()
    });
    report.check("a minted id outlives an internal redirect", || id_outlives_redirects(&module));
    report.check("a response with a cookie is private, and others cost nothing", || {
        only_responses_with_cookies_change(&module)
    });
    report.check("a spec beyond the limit is refused before it is copied", || {
        long_spec_is_not_copied(&module)
    });
    report.check("a ramp keeps its step when the clock goes back", || {
        step_is_kept_when_the_clock_goes_back(&module)
    });
    Ok(())
}

fn start(
    module: &Module,
    suite: &Suite,
    at: u64,
    latches: Option<&Value>,
) -> Result<(VirtualClock, Plugin), String> {
    let (spec, entropy) = (suite.spec.to_string(), Entropy::Seeded(0));
    sim::start_with_latches(module, spec, at, entropy, &suite.key_variables(), latches)
        .map_err(|why| format!("{}: {why}", suite.name))
}

/// Sends requests with trailers. A request without trailers makes no further call, and none after its headers.
fn trailers_are_stripped() -> Result<(), String> {
    const OTHERS: [(&str, &str); 2] = [("x-checksum", "abc"), ("grpc-status", "0")];
    const RESERVED: [(&str, &str); 4] = [
        ("serin-flags", "f=?1"),
        ("x-serin-arm", "canary"),
        ("X_Serin_Arm", "canary"),
        ("x-serin-override", "token"),
    ];
    let spec = serde_json::json!({
        "formatVersion": 1,
        "rollouts": { "shop": { "arms": { "stable": { "target": "v1" } }, "baseline": "stable" } },
    });
    let module = sim::filter_counting_fuel()?;
    let (_, with_rollout) = sim::start(&module, spec.to_string(), 0, Entropy::Seeded(0), &[])?;
    let empty = r#"{"formatVersion":1}"#.to_owned();
    let (_, without_rollout) = sim::start(&module, empty, 0, Entropy::Seeded(0), &[])?;
    for plugin in [&with_rollout, &without_rollout] {
        let begin = || {
            let mut stream = plugin.stream(StreamInfo::new());
            stream.send_request_headers([(":method", "POST"), (":path", "/")], false);
            stream
        };
        let mut plain = begin();
        let (calls, fuel) = (plain.stats().host_call_count(), plain.stats().fuel());
        plain.send_request_body("body", true);
        let after = (plain.stats().host_call_count(), plain.stats().fuel());
        if fuel == 0 || after != (calls, fuel) {
            return Err(format!(
                "without trailers {after:?} host calls and fuel, not {calls}, {fuel}"
            ));
        }
        for (trailers, removed) in [([&OTHERS[..], &RESERVED].concat(), 4), (OTHERS.to_vec(), 0)] {
            let mut stream = begin();
            stream.send_request_body("body", false);
            if !stream.send_request_trailers(trailers).is_continue() {
                return Err("the filter stopped the trailers".into());
            }
            let kept = stream.request_trailers().unwrap_or_default();
            let names: Vec<_> =
                kept.iter().map(|(name, _)| String::from_utf8_lossy(name)).collect();
            // One call reads the trailers, and one removes each name.
            let made = stream.stats().host_call_count() - calls;
            if names != ["x-checksum", "grpc-status"] || made != 1 + removed {
                return Err(format!("{names:?} are left after {made} host calls"));
            }
        }
    }
    Ok(())
}

/// A VM with a rollout for half of the units, which may have anonymous ids.
fn with_anonymous_ids(module: &Module) -> Result<Plugin, String> {
    let spec = serde_json::json!({
        "formatVersion": 1,
        "units": {"user": [{"anonymous": "serin_id"}]},
        "rollouts": {"shop": {
            "arms": {"stable": {"target": "v1"}, "canary": {"target": "v2"}},
            "baseline": "stable",
            "canary": {"share": 50},
        }},
    });
    Ok(sim::start(module, spec.to_string(), 0, Entropy::Seeded(0), &[])?.1)
}

/// Redirects requests without an id. Both passes have one arm, and the second one's response sets the cookie.
fn id_outlives_redirects(module: &Module) -> Result<(), String> {
    let plugin = with_anonymous_ids(module)?;
    let mut arms = std::collections::BTreeSet::new();
    for _ in 0..20 {
        let mut first = plugin.stream(StreamInfo::new());
        first.send_request_headers([(":method", "GET"), (":path", "/")], true);
        let sent = first.request_headers();
        let mut second = first.redirect();
        second.send_request_headers(sent.iter(), true);
        second.send_response_headers([(":status", "200")], true);
        let passes = [sent, second.request_headers()];
        let [before, after] =
            passes.map(|headers| headers.get_str("x-serin-arm").map(str::to_owned));
        let response = second.response_headers();
        if before != after || response.get_all("set-cookie").count() != 1 {
            return Err(format!("{before:?}, then {after:?} with {response:?}"));
        }
        arms.insert(before);
    }
    if arms.len() == 2 { Ok(()) } else { Err(format!("every request got {arms:?}")) }
}

/// Sends a response that shared caches may store, to a new client and to a known one.
fn only_responses_with_cookies_change(module: &Module) -> Result<(), String> {
    const ID: &str = "serin_id=0123456789abcdef0123456789abcdef";
    let plugin = with_anonymous_ids(module)?;
    for (cookie, expected) in [("", "private, max-age=600"), (ID, "public, max-age=600")] {
        let mut stream = plugin.stream(StreamInfo::new());
        stream.send_request_headers([(":method", "GET"), (":path", "/"), ("cookie", cookie)], true);
        let calls = stream.stats().host_call_count();
        let response = [(":status", "200"), ("cache-control", "public, max-age=600")];
        stream.send_response_headers(response, true);
        let calls = stream.stats().host_call_count() - calls;
        let headers = stream.response_headers();
        let given = headers.get_str("cache-control").unwrap_or_default();
        // For a new client: the block is read, a field is set, a cookie is added.
        if given != expected || calls != if cookie.is_empty() { 3 } else { 0 } {
            return Err(format!("{cookie}: {given} after {calls} host calls"));
        }
    }
    Ok(())
}

/// Reconfigures a VM with a document of 16 MiB. It is refused, the plan stays, and the VM's memory does not grow.
fn long_spec_is_not_copied(module: &Module) -> Result<(), String> {
    let spec = serde_json::json!({
        "formatVersion": 1,
        "rollouts": { "shop": { "arms": { "stable": { "target": "v1" } }, "baseline": "stable" } },
    });
    let (_, plugin) = sim::start(module, spec.to_string(), 0, Entropy::Seeded(0), &[])?;
    let before = plugin.memory_bytes(0);
    let long = format!("{spec}{}", " ".repeat(16 << 20));
    if plugin.reconfigure_in_place(&long).is_ok() {
        return Err("the document was accepted".into());
    }
    let line = format!("the document is {} bytes long, at most 4194304 are allowed", long.len());
    if !plugin.logs().iter().any(|logged| logged.to_string().contains(&line)) {
        return Err(format!("nothing logged {line:?}"));
    }
    let mut stream = plugin.stream(StreamInfo::new());
    stream.send_request_headers([(":path", "/")], true);
    let (arm, after) = (
        stream.request_headers().get_str("x-serin-arm").map(str::to_owned),
        plugin.memory_bytes(0),
    );
    match arm.as_deref() == Some("stable") && after == before {
        true => Ok(()),
        false => Err(format!("the arm is {arm:?}; memory grew from {before} to {after} bytes")),
    }
}

/// A ramp to 100 % at a start time: requests go to the baseline before it, to the canary after it,
/// and still to the canary when the host's clock goes back.
fn step_is_kept_when_the_clock_goes_back(module: &Module) -> Result<(), String> {
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
    let (clock, plugin) = sim::start(module, spec.to_string(), START - 1, Entropy::Seeded(0), &[])?;
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

/// See [`cost_is_independent_of_unused_flags`].
const MAX_FUEL: u64 = 28_400;

/// Compares the instructions of a request that uses one flag and one rollout under a small and a large
/// spec. Only the search for the host and for the path segments may cost more, logarithmically.
///
/// A request costs no more than [`MAX_FUEL`], a tenth above what it took when the limit was set: a change that
/// makes the filter slower is seen here first.
fn cost_is_independent_of_unused_flags() -> Result<(), String> {
    const REQUEST: [(&str, &str); 6] = [
        (":method", "GET"),
        (":scheme", "http"),
        (":authority", "used.example.com"),
        (":path", "/used/page"),
        ("x-user-id", "ada"),
        ("x-country", "DE"),
    ];
    let module = sim::filter_counting_fuel()?;
    let fuel = |flags, rollouts| {
        let spec = scale::large(flags, rollouts);
        let (_, plugin) = sim::start(&module, spec, 0, Entropy::Seeded(0), &[])?;
        // The first request allocates memory that the next ones reuse.
        let mut fuel = 0;
        for _ in 0..3 {
            let mut stream = plugin.stream(StreamInfo::new());
            stream.send_request_headers(REQUEST, true);
            let request = stream.request_headers();
            let (arm, flags) = (request.get_str("x-serin-arm"), request.get_str("serin-flags"));
            if arm.is_none() || flags.is_none_or(|flags| flags.contains(',')) {
                return Err(format!("the request got {arm:?} and {flags:?}"));
            }
            fuel = stream.stats().fuel();
        }
        Ok(fuel)
    };
    let (few, many) = (fuel(10, 1)?, fuel(10_000, 1000)?);
    println!("       fuel: {few} under 10 flags and 1 rollout, {many} under 10000 and 1000");
    match few > 0 && few < MAX_FUEL && many < few + few / 10 {
        true => Ok(()),
        false => Err(format!(
            "fuel is {few} under 10 flags and {many} under 10000, at most {MAX_FUEL} are allowed"
        )),
    }
}

fn run(suite: &Suite, plan: &Plan, plugin: &Plugin, case: &Case, report: &mut Report) {
    let name = format!("{} / {}", suite.name, case.name);
    if !report.selects(&name) {
        return;
    }
    if let Some(reason) = case.skip.get("sim") {
        return report.skip(&name, reason);
    }
    let outcome = sim::send(plugin, case).and_then(|actual| {
        let expected = outcome::expected(case, native::revision(suite), plan.digest());
        differences_with_host_entropy(plan, case, &expected, &actual.into())
    });
    report.record(&name, outcome);
}
