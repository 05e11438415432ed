//! Every vector through the Worker in real workerd: one process, one Worker a suite.

mod worker_process;

use serde_json::{Value, json};
use serin_conformance::outcome::{self, Outcome};
use serin_conformance::report::Report;
use serin_conformance::upstream::{CASE_FIELD, Upstream};
use serin_conformance::vector::{self, Case, Suite};
use serin_conformance::{client, native};
use serin_core::Plan;
use std::net::SocketAddr;
use std::process::ExitCode;
use worker_process::{Described, Workerd};

/// The response field that tells the decision, when the variable asks for it.
const RECORD_FIELD: &str = "serin-decision";

/// Why no case with a token runs.
const NO_TOKENS: &str = "the Worker verifies no tokens, so a claim is never there";
/// Why no case with keys for overrides runs.
const NO_OVERRIDES: &str = "the Worker does not read overrides yet";

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
    let workers = suites.iter().enumerate();
    let workers = workers.map(|(index, suite)| described(index, suite, &upstream));
    let workerd = Workerd::start(&workers.collect::<Vec<_>>())?;
    for (index, suite) in suites.iter().enumerate() {
        let plan = native::plan(suite)?;
        let to = workerd.address(&name(index))?;
        for case in &suite.cases {
            run(suite, &plan, case, to, &upstream, report);
        }
    }
    Ok(())
}

fn name(index: usize) -> String {
    format!("suite-{index}")
}

/// The spec as a variable, and every target at the one upstream.
fn described(index: usize, suite: &Suite, upstream: &Upstream) -> Described {
    let origin = format!("http://{}", upstream.address);
    let rollouts = suite.spec.get("rollouts").and_then(Value::as_object);
    let rollouts = rollouts.into_iter().flat_map(|rollouts| rollouts.values());
    let arms = rollouts.filter_map(|rollout| rollout.get("arms").and_then(Value::as_object));
    let named = arms.flat_map(|arms| arms.values()).filter_map(|arm| arm.get("target"));
    let mut targets = json!({"baseline": origin.clone()});
    for target in named.filter_map(Value::as_str) {
        targets[target] = json!(origin);
    }
    let variables = json!({
        "SERIN_SPEC": suite.spec.to_string(),
        "SERIN_TARGETS": targets,
        "SERIN_BASELINE": "baseline",
        "SERIN_EXPOSE_DECISION": "1",
    });
    Described { name: name(index), variables }
}

fn run(
    suite: &Suite,
    plan: &Plan,
    case: &Case,
    to: SocketAddr,
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
    if !case.jwt.is_empty() {
        return report.skip(&name, NO_TOKENS);
    }
    if case.override_keys.is_some() {
        return report.skip(&name, NO_OVERRIDES);
    }
    let outcome = send(case, to, upstream).and_then(|seen| {
        let expected = outcome::expected(case, native::revision(suite), plan.digest());
        outcome::differences(&expected, &seen)
    });
    report.ran(&name, outcome);
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
    let further = [(CASE_FIELD, "this"), ("mf-cf-blob", &cf), ("cf-connecting-ip", case.ip())];
    let response = client::send(to, None, &case.request, &further)?;
    let seen = upstream.take("this").ok_or_else(|| {
        format!("no upstream saw it; the client got {} {}", response.start, response.text())
    })?;
    Ok(Outcome {
        record: response.field(RECORD_FIELD).unwrap_or_default(),
        upstream: outcome::joined(seen),
        set_cookie: response.all("set-cookie"),
        told: None,
        overrides: None,
    })
}
