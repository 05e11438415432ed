//! Every vector through the filter in host-sim.

#[path = "../../core/tests/scale/spec.rs"]
mod scale;

use serde_json::Value;
use serin_conformance::minted::differences_with_own_entropy;
use serin_conformance::outcome;
use serin_conformance::report::Report;
use serin_conformance::vector::{self, Case, Suite};
use serin_conformance::{native, sim};
use serin_core::Plan;
use serin_host_sim::{Entropy, Module, Plugin, StreamInfo, VirtualClock};
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
    let module = sim::filter()?;
    for suite in vector::load()? {
        let plan = native::plan(&suite)?;
        let mut latest = now();
        let (mut clock, mut plugin) = configured(&module, &suite, latest, None)?;
        for case in &suite.cases {
            let at = case.now.unwrap_or_else(now);
            if at < latest || case.latches.is_some() {
                // In one VM time never goes back and no abort is forgotten.
                (clock, plugin) = configured(&module, &suite, at, case.latches.as_ref())?;
            }
            clock.set_millis(at);
            latest = at;
            run(&suite, &plan, &plugin, case, report);
        }
    }
    report.ran("a request costs what it uses", cost_of_what_is_not_used());
    report.ran("a clock that goes back holds the step", clock_goes_back(&module));
    Ok(())
}

fn configured(
    module: &Module,
    suite: &Suite,
    at: u64,
    latches: Option<&Value>,
) -> Result<(VirtualClock, Plugin), String> {
    let keys = suite.override_keys.as_ref().map(|keys| keys.to_string());
    let (spec, entropy) = (suite.spec.to_string(), Entropy::Seeded(0));
    sim::informed(module, spec, at, entropy, keys.as_deref(), latches)
        .map_err(|why| format!("{}: {why}", suite.name))
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
    let (clock, plugin) =
        sim::configured(module, spec.to_string(), START - 1, Entropy::Seeded(0), None)?;
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

/// Instructions of one request that uses one flag and one rollout: what else the spec holds may cost
/// no more than the search for a host and for a path segment, which grows with a logarithm.
fn cost_of_what_is_not_used() -> Result<(), String> {
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
        let (_, plugin) = sim::configured(&module, spec, 0, Entropy::Seeded(0), None)?;
        // The first request takes what memory it needs.
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
    println!("fuel of a request under 10 flags and 1 rollout {few}, under 10000 and 1000 {many}");
    match few > 0 && many < few + few / 10 {
        true => Ok(()),
        false => Err(format!("fuel is {few} under 10 flags and {many} under 10000")),
    }
}

fn run(suite: &Suite, plan: &Plan, plugin: &Plugin, case: &Case, report: &mut Report) {
    let name = format!("{} / {}", suite.name, case.name);
    if !report.wants(&name) {
        return;
    }
    if let Some(reason) = case.skip.get("sim") {
        return report.skip(&name, reason);
    }
    let outcome = sim::send(plugin, case).and_then(|seen| {
        let expected = outcome::expected(case, native::revision(suite), plan.digest());
        differences_with_own_entropy(plan, case, &expected, &seen.into())
    });
    report.ran(&name, outcome);
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}
