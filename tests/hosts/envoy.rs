//! Every vector through the filter in real Envoy: one process, one listener a suite.

mod envoy_robustness;

use serin_conformance::client::Message;
use serin_conformance::envoy::{self, Envoy, bootstrap};
use serin_conformance::minted::differences_with_own_entropy;
use serin_conformance::outcome::{self, Outcome};
use serin_conformance::report::Report;
use serin_conformance::upstream::{CASE_FIELD, Upstream};
use serin_conformance::vector::{self, Case, Suite};
use serin_conformance::{client, jwt, native};
use serin_core::Plan;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut report = Report::new("Envoy");
    if let Err(why) = vectors(&mut report) {
        report.ran("all vectors", Err(why));
    }
    envoy_robustness::run(&mut report);
    report.finish()
}

fn vectors(report: &mut Report) -> Result<(), String> {
    let suites = vector::load()?;
    let filter = envoy::path_from("SERIN_FILTER_WASM")?;
    let upstream = Upstream::start("upstream")?;
    let listeners = suites.iter().map(|suite| {
        let mut filter = bootstrap::wasm(&filter, &suite.spec.to_string());
        if let Some(keys) = &suite.override_keys {
            bootstrap::give_keys(&mut filter, &suite.name, keys);
        }
        bootstrap::listener(&suite.name, &filter, "upstream")
    });
    let clusters = [("upstream", upstream.address)];
    let config = bootstrap::bootstrap(listeners.collect(), &clusters);
    let envoy = Envoy::start(envoy::folder("vectors")?, &config)?;
    for suite in &suites {
        let plan = native::plan(suite)?;
        let to = envoy.listener(&suite.name)?;
        for case in &suite.cases {
            run(suite, &plan, case, (&envoy, to), &upstream, report);
        }
    }
    if report.any_failed() {
        println!("Envoy's log ends in\n{}", envoy.log());
    }
    Ok(())
}

fn run(
    suite: &Suite,
    plan: &Plan,
    case: &Case,
    to: (&Envoy, SocketAddr),
    upstream: &Upstream,
    report: &mut Report,
) {
    let name = format!("{} / {}", suite.name, case.name);
    if !report.wants(&name) {
        return;
    }
    if let Some(reason) = case.skip.get("envoy") {
        return report.skip(&name, reason);
    }
    let outcome = send(case, to, upstream).and_then(|seen| {
        let expected = outcome::expected(case, native::revision(suite), plan.digest());
        differences_with_own_entropy(plan, case, &expected, &seen)
    });
    report.ran(&name, outcome);
}

fn send(
    case: &Case,
    (envoy, to): (&Envoy, SocketAddr),
    upstream: &Upstream,
) -> Result<Outcome, String> {
    // Where there are no keys there are no counters to ask for.
    let counters =
        || if case.override_keys.is_some() { overrides(envoy) } else { Ok(BTreeMap::new()) };
    let before = counters()?;
    let token = format!("Bearer {}", jwt::token(&case.jwt));
    let name = Upstream::new_case();
    let mut further = vec![(CASE_FIELD, name.as_str())];
    if case.request.scheme == "https" {
        // Envoy believes the proxy in front of it, as it does behind any load balancer.
        further.push(("x-forwarded-proto", "https"));
    }
    if !case.jwt.is_empty() {
        further.push(("authorization", &token));
    }
    let response = client::send(to, Some(case.ip()), &case.request, &further)?;
    let seen = upstream.take(&name);
    let seen = seen.ok_or_else(|| format!("no upstream saw it; {}", describe(&response)))?;
    Ok(Outcome {
        record: response.field(bootstrap::RECORD_FIELD).unwrap_or_default(),
        upstream: outcome::joined(seen),
        set_cookie: response.all("set-cookie"),
        told: response.field("serin-decision"),
        overrides: outcome::risen(&before, &counters()?),
    })
}

/// The counters of what became of tokens, of all suites together.
fn overrides(envoy: &Envoy) -> Result<BTreeMap<String, u64>, String> {
    let text = envoy.admin("/stats?filter=serin.overrides")?;
    let counter = |line: &str| {
        let (name, count) = line.split_once(": ")?;
        let name = name.split_once("serin.overrides.")?.1;
        Some((name.to_owned(), count.trim().parse().ok()?))
    };
    Ok(text.lines().filter_map(counter).collect())
}

fn describe(response: &Message) -> String {
    format!("the client got {} {}", response.start, response.text())
}
