//! The runner of workerd: every vector through the Worker in one process, with one Worker for each
//! suite and each set of latches.

mod worker_process;

use serde_json::{Value, json};
use serin_conformance::outcome::{self, Outcome};
use serin_conformance::report::Report;
use serin_conformance::upstream::{CASE_FIELD, Upstream};
use serin_conformance::vector::{self, Case, Suite};
use serin_conformance::{client, jwt, native};
use serin_core::Plan;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::process::ExitCode;
use worker_process::{WorkerConfig, Workerd};

/// The response field that carries the decision.
const RECORD_FIELD: &str = "serin-decision";
const STATUS_TOKEN: &str = "token";

fn main() -> ExitCode {
    let mut report = Report::new("workerd");
    if let Err(why) = run_all(&mut report) {
        report.record("all vectors", Err(why));
    }
    report.finish()
}

fn run_all(report: &mut Report) -> Result<(), String> {
    let suites = vector::load()?;
    let upstream = Upstream::start("upstream")?;
    let mut workers = Vec::new();
    for (suite_index, suite) in suites.iter().enumerate() {
        for (latches_index, latches) in distinct_latches(suite).into_iter().enumerate() {
            let mut add = |name: String, exposes: bool| {
                let variables = variables(suite, &upstream, exposes);
                workers.push(WorkerConfig { name, variables, latches: latches.cloned() });
            };
            add(exposing_name(suite_index, latches_index), true);
            if suite.override_keys.is_some() {
                add(plain_name(suite_index, latches_index), false);
            }
        }
    }
    let workerd = Workerd::start(&workers)?;
    for (suite_index, suite) in suites.iter().enumerate() {
        let plan = native::plan(suite)?;
        let latches = distinct_latches(suite);
        // An isolate's clock never goes back: the earliest case comes first, those without a time last.
        let mut cases: Vec<&Case> = suite.cases.iter().collect();
        cases.sort_by_key(|case| case.now.unwrap_or(u64::MAX));
        for case in cases {
            let latches_index = latches.iter().position(|known| *known == case.latches.as_ref());
            let latches_index = latches_index.unwrap_or_default();
            let exposing = workerd.address(&exposing_name(suite_index, latches_index))?;
            let keys = suite.override_keys.as_ref();
            let plain = keys.map(|_| workerd.address(&plain_name(suite_index, latches_index)));
            let to = Addresses { exposing, plain: plain.transpose()? };
            run(suite, &plan, case, to, &upstream, report);
        }
    }
    Ok(())
}

/// The addresses of a suite's Workers.
#[derive(Clone, Copy)]
struct Addresses {
    /// The Worker that exposes the decision in every response.
    exposing: SocketAddr,
    /// The Worker that exposes it only where a token asks for it; present if the suite has keys.
    plain: Option<SocketAddr>,
}

fn exposing_name(suite: usize, latches: usize) -> String {
    format!("suite-{suite}-{latches}")
}

fn plain_name(suite: usize, latches: usize) -> String {
    format!("suite-{suite}-{latches}-plain")
}

/// The distinct latches of a suite's cases. Each needs a Worker, because an isolate never forgets an
/// abort.
fn distinct_latches(suite: &Suite) -> Vec<Option<&Value>> {
    let mut all = Vec::new();
    for case in &suite.cases {
        if !all.contains(&case.latches.as_ref()) {
            all.push(case.latches.as_ref());
        }
    }
    all
}

/// The variables of a Worker: the spec, and the one upstream for every target.
fn variables(suite: &Suite, upstream: &Upstream, exposes: bool) -> Value {
    let origin = format!("http://{}", upstream.address);
    let rollouts = suite.spec.get("rollouts").and_then(Value::as_object);
    let rollouts = rollouts.into_iter().flat_map(|rollouts| rollouts.values());
    let arms = rollouts.filter_map(|rollout| rollout.get("arms").and_then(Value::as_object));
    let named = arms.flat_map(|arms| arms.values()).filter_map(|arm| arm.get("target"));
    let mut targets = json!({"baseline": origin.clone()});
    for target in named.filter_map(Value::as_str) {
        targets[target] = json!(origin);
    }
    json!({
        "SERIN_SPEC": suite.spec.to_string(),
        "SERIN_TARGETS": targets,
        "SERIN_BASELINE": "baseline",
        "SERIN_EXPOSE_DECISION": if exposes { "1" } else { "" },
        "SERIN_STATUS_TOKEN": STATUS_TOKEN,
        "SERIN_OVERRIDE_KEYS": suite.override_keys.as_ref().map(Value::to_string).unwrap_or_default(),
        "SERIN_ID_KEY": suite.id_keys.clone().unwrap_or_default(),
        "SERIN_JWKS": jwt::key_set(),
        "SERIN_JWT_ISSUER": jwt::ISSUER,
    })
}

fn run(
    suite: &Suite,
    plan: &Plan,
    case: &Case,
    to: Addresses,
    upstream: &Upstream,
    report: &mut Report,
) {
    let name = format!("{} / {}", suite.name, case.name);
    if !report.selects(&name) {
        return;
    }
    if let Some(reason) = case.skip.get("worker") {
        return report.skip(&name, reason);
    }
    let outcome = outcome(case, to, upstream).and_then(|actual| {
        let expected = outcome::expected(case, native::revision(suite), plan.digest());
        outcome::differences(&expected, &actual)
    });
    report.record(&name, outcome);
}

/// The outcome of a case: the record of the exposing Worker, all else of the plain one if there is one.
fn outcome(case: &Case, to: Addresses, upstream: &Upstream) -> Result<Outcome, String> {
    let exposed = send(case, to.exposing, upstream)?;
    let Some(plain) = to.plain else {
        return Ok(Outcome { response_decision: None, ..exposed });
    };
    let before = overrides(plain)?;
    let outcome = send(case, plain, upstream)?;
    let overrides = outcome::incremented(&before, &overrides(plain)?);
    Ok(Outcome { record: exposed.record, overrides, ..outcome })
}

/// The counters of tokens on the status page.
fn overrides(of: SocketAddr) -> Result<BTreeMap<String, u64>, String> {
    let request = serde_json::from_value(json!({"path": "/.serin/status"}))
        .map_err(|error| error.to_string())?;
    let authorization = format!("Bearer {STATUS_TOKEN}");
    let page = client::send(of, None, &request, &[("authorization", &authorization)])?;
    let page: Value = serde_json::from_str(&page.text()).map_err(|error| error.to_string())?;
    let counters = page.pointer("/counters/overrides").cloned().unwrap_or_default();
    serde_json::from_value(counters).map_err(|error| error.to_string())
}

fn send(case: &Case, to: SocketAddr, upstream: &Upstream) -> Result<Outcome, String> {
    let mut cf = json!({"test": {"scheme": case.request.scheme}});
    for (name, value) in &case.cf {
        cf[name] = json!(value);
    }
    if let Some(now) = case.now {
        cf["test"]["now"] = json!(now);
    }
    if let Some(entropy) = &case.entropy {
        cf["test"]["entropy"] = json!(entropy);
    }
    let cf = cf.to_string();
    let token = format!("Bearer {}", jwt::token(&case.jwt));
    let name = Upstream::new_case();
    let mut extra =
        vec![(CASE_FIELD, name.as_str()), ("mf-cf-blob", &cf), ("cf-connecting-ip", case.ip())];
    if !case.jwt.is_empty() {
        extra.push(("authorization", &token));
    }
    let response = client::send(to, None, &case.request, &extra)?;
    let fields = upstream.take(&name).ok_or_else(|| {
        let (status, body) = (&response.start, response.text());
        format!("the request did not reach the upstream; the client got {status} {body}")
    })?;
    let response_decision = response.field(RECORD_FIELD);
    Ok(Outcome {
        record: response_decision.clone().unwrap_or_default(),
        upstream: outcome::join_fields(fields),
        set_cookie: response.all("set-cookie"),
        response_decision,
        overrides: None,
    })
}
