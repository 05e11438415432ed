//! Every vector through the Worker in real workerd: one process, one Worker for each suite and for what its
//! cases know of aborts.

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
use worker_process::{Described, Workerd};

/// The response field that tells the decision, when the variable asks for it.
const RECORD_FIELD: &str = "serin-decision";
const STATUS_TOKEN: &str = "token";

fn main() -> ExitCode {
    let mut report = Report::new("workerd");
    if let Err(why) = vectors(&mut report) {
        report.ran("all vectors", Err(why));
    }
    report.finish()
}

fn vectors(report: &mut Report) -> Result<(), String> {
    let suites = vector::load()?;
    let upstream = Upstream::start("upstream")?;
    let mut workers = Vec::new();
    for (index, suite) in suites.iter().enumerate() {
        for (place, latches) in latches(suite).into_iter().enumerate() {
            let mut add = |name: String, telling: bool| {
                let variables = variables(suite, &upstream, telling);
                workers.push(Described { name, variables, latches: latches.cloned() });
            };
            add(name(index, place), true);
            if suite.override_keys.is_some() {
                add(discreet(index, place), false);
            }
        }
    }
    let workerd = Workerd::start(&workers)?;
    for (index, suite) in suites.iter().enumerate() {
        let plan = native::plan(suite)?;
        let latches = latches(suite);
        // In one isolate time never goes back, so the earliest case comes first, and those that leave
        // the clock alone come last.
        let mut cases: Vec<&Case> = suite.cases.iter().collect();
        cases.sort_by_key(|case| case.now.unwrap_or(u64::MAX));
        for case in cases {
            let place = latches.iter().position(|known| *known == case.latches.as_ref());
            let place = place.unwrap_or_default();
            let telling = workerd.address(&name(index, place))?;
            let keys = suite.override_keys.as_ref();
            let discreet = keys.map(|_| workerd.address(&discreet(index, place)));
            let to = Addresses { telling, discreet: discreet.transpose()? };
            run(suite, &plan, case, to, &upstream, report);
        }
    }
    Ok(())
}

/// Where a suite's Workers listen.
#[derive(Clone, Copy)]
struct Addresses {
    /// Every response tells its decision.
    telling: SocketAddr,
    /// Only where a token asks for it; there where a suite has keys.
    discreet: Option<SocketAddr>,
}

fn name(index: usize, place: usize) -> String {
    format!("suite-{index}-{place}")
}

fn discreet(index: usize, place: usize) -> String {
    format!("suite-{index}-{place}-discreet")
}

/// What a suite's cases know of aborts, each once: an isolate never forgets one.
fn latches(suite: &Suite) -> Vec<Option<&Value>> {
    let mut all = Vec::new();
    for case in &suite.cases {
        if !all.contains(&case.latches.as_ref()) {
            all.push(case.latches.as_ref());
        }
    }
    all
}

/// The spec as a variable, and every target at the one upstream.
fn variables(suite: &Suite, upstream: &Upstream, telling: bool) -> Value {
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
        "SERIN_EXPOSE_DECISION": if telling { "1" } else { "" },
        "SERIN_STATUS_TOKEN": STATUS_TOKEN,
        "SERIN_OVERRIDE_KEYS": suite.override_keys.as_ref().map(Value::to_string).unwrap_or_default(),
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
    if !report.wants(&name) {
        return;
    }
    if let Some(reason) = case.skip.get("worker") {
        return report.skip(&name, reason);
    }
    let outcome = outcome(case, to, upstream).and_then(|seen| {
        let expected = outcome::expected(case, native::revision(suite), plan.digest());
        outcome::differences(&expected, &seen)
    });
    report.ran(&name, outcome);
}

/// What the Worker does; with keys, what the one does that tells no decision unasked.
fn outcome(case: &Case, to: Addresses, upstream: &Upstream) -> Result<Outcome, String> {
    let record = send(case, to.telling, upstream)?;
    let Some(discreet) = to.discreet else { return Ok(Outcome { told: None, ..record }) };
    let before = overrides(discreet)?;
    let seen = send(case, discreet, upstream)?;
    let overrides = outcome::risen(&before, &overrides(discreet)?);
    Ok(Outcome { record: record.record, overrides, ..seen })
}

/// What the status page has counted of tokens.
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
    let mut further =
        vec![(CASE_FIELD, name.as_str()), ("mf-cf-blob", &cf), ("cf-connecting-ip", case.ip())];
    if !case.jwt.is_empty() {
        further.push(("authorization", &token));
    }
    let response = client::send(to, None, &case.request, &further)?;
    let seen = upstream.take(&name).ok_or_else(|| {
        format!("no upstream saw it; the client got {} {}", response.start, response.text())
    })?;
    let told = response.field(RECORD_FIELD);
    Ok(Outcome {
        record: told.clone().unwrap_or_default(),
        upstream: outcome::joined(seen),
        set_cookie: response.all("set-cookie"),
        told,
        overrides: None,
    })
}
