//! Checks in Envoy that vectors cannot express: bad configurations at start and later, no configuration,
//! and override keys.

use serde_json::{Value, json};
use serin_conformance::client::{self, Message};
use serin_conformance::envoy::{self, Envoy, bootstrap};
use serin_conformance::http2;
use serin_conformance::report::Report;
use serin_conformance::serin_cli;
use serin_conformance::upstream::{CASE_FIELD, Upstream};
use serin_conformance::vector::Request;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// The case name of every request.
const CASE: &str = "this";

/// Runs every check, each in a new Envoy.
pub(crate) fn run(report: &mut Report) {
    report.check("a bad spec at start is refused, with every error in the log", bad_spec_at_start);
    report.check("a good update takes effect, a bad one leaves the plan in force", updates);
    report.check("a config without a spec is refused at start", no_spec);
    report.check("override keys of Envoy's environment work and never appear", override_keys);
    report.check("bad override keys are logged, and requests pass", bad_override_keys);
    report.check("trailers of HTTP/2 reach the upstream without Serin's fields", trailers);
    report.check("concurrent requests on two workers agree with native", concurrent_requests);
}

/// A spec with a canary at this share on every path. The revision identifies the plan in the record.
fn spec(revision: u64, share: f64) -> Value {
    json!({
        "formatVersion": 1,
        "revision": revision,
        "units": {"user": [{"header": "x-user-id"}]},
        "rollouts": {"web": {
            "unit": "user",
            "arms": {"stable": {"target": "a"}, "canary": {"target": "b"}},
            "baseline": "stable",
            "canary": {"share": share},
        }},
    })
}

/// A spec with an error at each of [`ERROR_PATHS`].
fn bad_spec() -> Value {
    let mut spec = spec(9, 5.0);
    spec["rollouts"]["web"]["baseline"] = json!("nobody");
    spec["flags"] =
        json!({"f": {"kind": "ops", "variants": {"on": true}, "defaultVariant": "off"}});
    spec
}

const ERROR_PATHS: [&str; 2] = ["rollouts.web.baseline", "flags.f.defaultVariant"];

fn filter() -> Result<PathBuf, String> {
    envoy::path_from_env("SERIN_FILTER_WASM")
}

fn bad_spec_at_start() -> Result<(), String> {
    let filter = bootstrap::wasm_filter(&filter()?, &bad_spec().to_string());
    let listener = bootstrap::listener("web", &filter, "upstream");
    let upstream = Upstream::start("upstream")?;
    let config = bootstrap::bootstrap(vec![listener], &[("upstream", upstream.address)]);
    let log = envoy::expect_refusal("bad-at-start", &config)?;
    check_log_names_errors(&log)
}

fn check_log_names_errors(log: &str) -> Result<(), String> {
    match ERROR_PATHS.iter().find(|path| !log.contains(*path)) {
        Some(path) => Err(format!("the log does not name {path}\n{log}")),
        None => Ok(()),
    }
}

fn updates() -> Result<(), String> {
    let folder = envoy::create_folder("updates")?;
    let file = folder.join("serin.json");
    let filter = filter()?;
    let deliver = |version: &str, spec: &Value| {
        let config = bootstrap::wasm_config(&filter, &spec.to_string());
        envoy::replace_file(&file, &bootstrap::discovery_response(version, &config).to_string())
    };
    deliver("1", &spec(1, 0.0))?;
    let upstream = Upstream::start("upstream")?;
    let listener =
        bootstrap::listener("web", &bootstrap::wasm_filter_from_file(&file, &folder), "upstream");
    let config = bootstrap::bootstrap(vec![listener], &[("upstream", upstream.address)]);
    let envoy = Envoy::start(folder.clone(), &config)?;
    expect_revision(&envoy, 1, "stable")?;
    deliver("2", &spec(2, 100.0))?;
    expect_revision(&envoy, 2, "canary")?;
    deliver("3", &bad_spec())?;
    envoy.wait_for_log(ERROR_PATHS[0])?;
    check_log_names_errors(&envoy.whole_log())?;
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..20 {
        expect_revision(&envoy, 2, "canary")?;
    }
    deliver("4", &spec(4, 0.0))?;
    expect_revision(&envoy, 4, "stable")
}

/// Waits until requests are decided by this revision and go to this arm.
fn expect_revision(envoy: &Envoy, revision: u64, arm: &str) -> Result<(), String> {
    let to = envoy.listener("web")?;
    let parts = [format!("\"revision\":{revision},"), format!("\"arm\":\"{arm}\"")];
    let mut last = String::new();
    let found = envoy::poll(|| {
        last = send(to, "ana").map_or_else(|why| why, |response| record(&response));
        parts.iter().all(|part| last.contains(part)).then_some(())
    });
    found.ok_or_else(|| {
        format!("expected revision {revision} and {arm}, got {last}\n{}", envoy.log())
    })
}

fn no_spec() -> Result<(), String> {
    let upstream = Upstream::start("upstream")?;
    for blank in ["", " \n"] {
        let filter = bootstrap::wasm_filter(&filter()?, blank);
        let listener = bootstrap::listener("web", &filter, "upstream");
        let config = bootstrap::bootstrap(vec![listener], &[("upstream", upstream.address)]);
        let log = envoy::expect_refusal("no-spec", &config)?;
        if !log.contains("the document is empty") {
            return Err(format!("the log does not say why\n{log}"));
        }
    }
    Ok(())
}

/// An Envoy with override keys in its environment, and its upstream.
fn start_with_keys(name: &str, keys: &str) -> Result<(Envoy, Upstream), String> {
    let upstream = Upstream::start("upstream")?;
    let mut filter = bootstrap::wasm_filter(&filter()?, &spec(1, 0.0).to_string());
    bootstrap::pass_override_keys(&mut filter);
    let listener = bootstrap::listener("web", &filter, "upstream");
    let config = bootstrap::bootstrap(vec![listener], &[("upstream", upstream.address)]);
    let variables = [("SERIN_OVERRIDE_KEYS", keys)];
    Ok((Envoy::start_with(envoy::create_folder(name)?, &config, &variables)?, upstream))
}

fn override_keys() -> Result<(), String> {
    let (secret, token) = serin_cli::secret_and_token("web=canary")?;
    let (envoy, _upstream) = start_with_keys("keys", &json!({"qa": secret}).to_string())?;
    let to = envoy.listener("web")?;
    let plain = record(&send(to, "ana")?);
    let fields = [(CASE_FIELD, CASE), ("x-serin-override", token.as_str())];
    let response = client::send(to, None, &request("ana")?, &fields)?;
    let (forced, decision) = (record(&response), response.field("serin-decision"));
    if !plain.contains("\"arm\":\"stable\"") || response.status() != 200 {
        return Err(format!("{} {plain}\n{}", response.start, envoy.log()));
    }
    if !forced.contains("\"override\":\"qa\"") || !forced.contains("\"arm\":\"canary\"") {
        return Err(format!("the arm is not forced: {forced}\n{}", envoy.log()));
    }
    if decision.as_deref() != Some(&*forced) {
        return Err(format!("the response carries {decision:?}"));
    }
    let outputs = [envoy.whole_log(), envoy.admin("/config_dump")?, envoy.output()];
    if outputs.iter().any(|text| text.contains(&secret)) {
        return Err("the secret appears in Envoy's log or configuration".into());
    }
    Ok(())
}

fn bad_override_keys() -> Result<(), String> {
    let (secret, token) = serin_cli::secret_and_token("web=canary")?;
    let keys = json!({"qa": secret, "ci": {"secret": "short"}}).to_string();
    let (envoy, _upstream) = start_with_keys("bad-keys", &keys)?;
    let fields = [("x-serin-override", token.as_str())];
    let response = client::send(envoy.listener("web")?, None, &request("ana")?, &fields)?;
    let record = record(&response);
    if !record.contains("\"arm\":\"stable\"") || response.status() != 200 {
        return Err(format!("{} {record}\n{}", response.start, envoy.log()));
    }
    for line in ["KEYS: ci: grants nothing", "KEYS: ci.secret: is not", "overrides are off"] {
        envoy.wait_for_log(line)?;
    }
    let log = envoy.whole_log();
    if log.contains(&secret) { Err("the secret is in the log".into()) } else { Ok(()) }
}

/// A request over HTTP/2 with trailers, some of them under Serin's names, to an upstream that gets trailers.
fn trailers() -> Result<(), String> {
    let upstream = Upstream::start("upstream")?;
    let filter = bootstrap::wasm_filter(&filter()?, &spec(1, 0.0).to_string());
    let listener = bootstrap::listener("web", &filter, "upstream");
    let mut config = bootstrap::bootstrap(vec![listener], &[("upstream", upstream.address)]);
    bootstrap::enable_trailers(&mut config["static_resources"]["clusters"][0]);
    let envoy = Envoy::start(envoy::create_folder("trailers")?, &config)?;
    let to = envoy.listener("web")?;
    let fields = [("x-user-id", "ana"), (CASE_FIELD, CASE), ("x-serin-arm", "canary")];
    let trailers = [
        ("serin-flags", "f=?1"),
        ("x-checksum", "abc"),
        ("x-serin-arm", "canary"),
        ("x-serin_rollout", "web"),
        ("x-serin-override", "token"),
        ("x-last", "1"),
    ];
    let _connection = http2::post(to, &fields, b"body", &trailers).map_err(|e| e.to_string())?;
    let request = envoy::poll(|| upstream.take_request(CASE));
    let request = request.ok_or_else(|| format!("no request arrived\n{}", envoy.log()))?;
    let names: Vec<&str> = request.trailers.iter().map(|(name, _)| name.as_str()).collect();
    if request.body != b"body" || names != ["x-checksum", "x-last"] {
        return Err(format!("the upstream got {:?} and the trailers {names:?}", request.text()));
    }
    match request.field("x-serin-arm").as_deref() {
        Some("stable") => Ok(()),
        other => Err(format!("the upstream got the arm {other:?}")),
    }
}

fn concurrent_requests() -> Result<(), String> {
    let spec = spec(3, 50.0);
    let upstream = Upstream::start("upstream")?;
    let filter = bootstrap::wasm_filter(&filter()?, &spec.to_string());
    let listener = bootstrap::listener("web", &filter, "upstream");
    let config = bootstrap::bootstrap(vec![listener], &[("upstream", upstream.address)]);
    let envoy = Envoy::start(envoy::create_folder("many")?, &config)?;
    let plan = serin_core::Plan::from_json(spec.to_string().as_bytes());
    let plan = plan.map_err(|errors| errors.to_string())?;
    let to = envoy.listener("web")?;
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            std::thread::spawn(move || {
                let users = (0..50).map(move |number| format!("user-{thread}-{number}"));
                users.map(|user| (user.clone(), send(to, &user))).collect::<Vec<_>>()
            })
        })
        .collect();
    for thread in threads {
        let responses = thread.join().map_err(|_| "a client panicked".to_string())?;
        for (user, response) in responses {
            let (native, envoy) = (native_record(&plan, &user), record(&response?));
            if native != envoy {
                return Err(format!("{user}: native {native}\nEnvoy {envoy}"));
            }
        }
    }
    Ok(())
}

fn native_record(plan: &serin_core::Plan, user: &str) -> String {
    let pairs =
        [(&b":path"[..], &b"/"[..]), (b":authority", b"a"), (b"x-user-id", user.as_bytes())];
    let facts = serin_core::Facts::gather(plan, pairs);
    let mut decision = serin_core::Decision::new(plan);
    serin_core::decide(plan, &facts, &mut decision);
    decision.record(plan)
}

fn request(user: &str) -> Result<Request, String> {
    let request = json!({"path": "/", "headers": [["x-user-id", user]]});
    serde_json::from_value(request).map_err(|error| error.to_string())
}

/// Sends a request of a user, as the case [`CASE`].
fn send(to: SocketAddr, user: &str) -> Result<Message, String> {
    client::send(to, None, &request(user)?, &[(CASE_FIELD, CASE)])
}

/// The decision record in a response.
fn record(response: &Message) -> String {
    response.field(bootstrap::RECORD_FIELD).unwrap_or_default()
}
