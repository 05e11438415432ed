//! The runner of Envoy: every vector through the filter in one process, with one listener for each
//! suite.

mod envoy_robustness;

use serin_conformance::envoy::{self, Envoy, bootstrap};
use serin_conformance::host_entropy::differences_with_host_entropy;
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
    if let Err(why) = run_all(&mut report) {
        report.record("all vectors", Err(why));
    }
    envoy_robustness::run(&mut report);
    report.finish()
}

fn run_all(report: &mut Report) -> Result<(), String> {
    let suites = vector::load()?;
    let filter = envoy::path_from_env("SERIN_FILTER_WASM")?;
    let upstream = Upstream::start("upstream")?;
    let listeners = suites.iter().map(|suite| {
        let mut filter = bootstrap::wasm_filter(&filter, &suite.spec.to_string());
        let variables = suite.key_variables();
        if !variables.is_empty() {
            bootstrap::set_variables(&mut filter, &suite.name, &variables);
        }
        bootstrap::listener(&suite.name, &filter, "upstream")
    });
    let clusters = [("upstream", upstream.address)];
    let config = bootstrap::bootstrap(listeners.collect(), &clusters);
    let envoy = Envoy::start(envoy::create_folder("vectors")?, &config)?;
    for suite in &suites {
        let plan = native::plan(suite)?;
        let to = envoy.listener(&suite.name)?;
        for case in &suite.cases {
            run(suite, &plan, case, (&envoy, to), &upstream, report);
        }
    }
    if report.has_failures() {
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
    if !report.selects(&name) {
        return;
    }
    if let Some(reason) = case.skip.get("envoy") {
        return report.skip(&name, reason);
    }
    let outcome = send(case, to, upstream).and_then(|actual| {
        let expected = outcome::expected(case, native::revision(suite), plan.digest());
        differences_with_host_entropy(plan, case, &expected, &actual)
    });
    report.record(&name, outcome);
}

fn send(
    case: &Case,
    (envoy, to): (&Envoy, SocketAddr),
    upstream: &Upstream,
) -> Result<Outcome, String> {
    // Without keys the filter has no counters of tokens.
    let counters =
        || if case.override_keys.is_some() { overrides(envoy) } else { Ok(BTreeMap::new()) };
    let before = counters()?;
    let token = format!("Bearer {}", jwt::token(&case.jwt));
    let name = Upstream::new_case();
    let mut extra = vec![(CASE_FIELD, name.as_str())];
    if case.request.scheme == "https" {
        // Envoy takes the scheme from the proxy in front of it.
        extra.push(("x-forwarded-proto", "https"));
    }
    if !case.jwt.is_empty() {
        extra.push(("authorization", &token));
    }
    let response = client::send(to, Some(case.ip()), &case.request, &extra)?;
    let fields = upstream.take(&name).ok_or_else(|| {
        let (status, body) = (&response.start, response.text());
        format!("the request did not reach the upstream; the client got {status} {body}")
    })?;
    Ok(Outcome {
        record: response.field(bootstrap::RECORD_FIELD).unwrap_or_default(),
        upstream: outcome::join_fields(fields),
        set_cookie: response.all("set-cookie"),
        response_decision: response.field("serin-decision"),
        overrides: outcome::incremented(&before, &counters()?),
    })
}

/// The counters of `serin.overrides`, over all suites.
fn overrides(envoy: &Envoy) -> Result<BTreeMap<String, u64>, String> {
    let text = envoy.admin("/stats?filter=serin.overrides")?;
    let counter = |line: &str| {
        let (name, count) = line.split_once(": ")?;
        let name = name.split_once("serin.overrides.")?.1;
        Some((name.to_owned(), count.trim().parse().ok()?))
    };
    Ok(text.lines().filter_map(counter).collect())
}
