//! What vectors cannot say: configurations that are bad from the start or turn bad, and none.

use serde_json::{Value, json};
use serin_conformance::client::{self, Message};
use serin_conformance::envoy::{self, Envoy, bootstrap};
use serin_conformance::overrides;
use serin_conformance::report::Report;
use serin_conformance::upstream::Upstream;
use serin_conformance::vector::Request;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Runs every check, each in an Envoy of its own.
pub(crate) fn run(report: &mut Report) {
    report.check("a bad spec is refused at start, every error named in the log", bad_at_start);
    report.check("a good update takes effect, a bad one leaves the plan in force", updates);
    report.check("without a spec requests go through, without Serin's fields", no_spec);
    report.check("keys by Envoy's environment are used and appear nowhere", keys_of_envoy);
    report.check("bad keys are named in the log, and requests go on", bad_keys);
    report.check("many users at once on two workers get what native decides", many_at_once);
}

/// A canary at this share, on every path; revisions tell plans apart in the record.
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

/// Two mistakes in different places.
fn bad_spec() -> Value {
    let mut spec = spec(9, 5.0);
    spec["rollouts"]["web"]["baseline"] = json!("nobody");
    spec["flags"] =
        json!({"f": {"kind": "ops", "variants": {"on": true}, "defaultVariant": "off"}});
    spec
}

const MISTAKES: [&str; 2] = ["rollouts.web.baseline", "flags.f.defaultVariant"];

fn filter() -> Result<PathBuf, String> {
    envoy::path_from("SERIN_FILTER_WASM")
}

fn bad_at_start() -> Result<(), String> {
    let filter = bootstrap::wasm(&filter()?, &bad_spec().to_string());
    let listener = bootstrap::listener("web", &filter, "upstream");
    let upstream = Upstream::start("upstream")?;
    let config = bootstrap::bootstrap(vec![listener], &[("upstream", upstream.address)]);
    let said = envoy::refused("bad-at-start", &config)?;
    all_named(&said)
}

fn all_named(log: &str) -> Result<(), String> {
    match MISTAKES.iter().find(|path| !log.contains(*path)) {
        Some(path) => Err(format!("the log does not name {path}\n{log}")),
        None => Ok(()),
    }
}

fn updates() -> Result<(), String> {
    let folder = envoy::folder("updates")?;
    let file = folder.join("serin.json");
    let filter = filter()?;
    let deliver = |version: &str, spec: &Value| {
        let config = bootstrap::wasm_config(&filter, &spec.to_string());
        replace(&folder, &file, &bootstrap::discovery(version, &config).to_string())
    };
    deliver("1", &spec(1, 0.0))?;
    let upstream = Upstream::start("upstream")?;
    let listener =
        bootstrap::listener("web", &bootstrap::wasm_from_file(&file, &folder), "upstream");
    let config = bootstrap::bootstrap(vec![listener], &[("upstream", upstream.address)]);
    let envoy = Envoy::start(folder.clone(), &config)?;
    expect_revision(&envoy, 1, "stable")?;
    deliver("2", &spec(2, 100.0))?;
    expect_revision(&envoy, 2, "canary")?;
    deliver("3", &bad_spec())?;
    envoy.wait_for_log(MISTAKES[0])?;
    all_named(&envoy.whole_log())?;
    std::thread::sleep(Duration::from_millis(500));
    for _ in 0..20 {
        expect_revision(&envoy, 2, "canary")?;
    }
    deliver("4", &spec(4, 0.0))?;
    expect_revision(&envoy, 4, "stable")
}

/// A rename, as every tool that updates a configuration under a running server does it.
fn replace(folder: &Path, file: &Path, text: &str) -> Result<(), String> {
    let new = folder.join("serin.json.new");
    envoy::write(&new, text)?;
    std::fs::rename(&new, file).map_err(|error| format!("{}: {error}", file.display()))
}

fn expect_revision(envoy: &Envoy, revision: u64, arm: &str) -> Result<(), String> {
    let wanted = format!("\"revision\":{revision},");
    let mut last = String::new();
    let found = envoy::until(Duration::from_secs(60), || {
        last = ask(envoy, "web", Some("ana")).map_or_else(|why| why, |response| record(&response));
        (last.contains(&wanted) && last.contains(&format!("\"arm\":\"{arm}\""))).then_some(())
    });
    found
        .ok_or_else(|| format!("wanted revision {revision} and {arm}, got {last}\n{}", envoy.log()))
}

fn no_spec() -> Result<(), String> {
    let upstream = Upstream::start("upstream")?;
    let filter = bootstrap::wasm(&filter()?, "");
    let listener = bootstrap::listener("web", &filter, "upstream");
    let config = bootstrap::bootstrap(vec![listener], &[("upstream", upstream.address)]);
    let envoy = Envoy::start(envoy::folder("no-spec")?, &config)?;
    let response = ask(&envoy, "web", Some("ana"))?;
    let seen = upstream.take("this").unwrap_or_default();
    let fields = serin_conformance::outcome::joined(seen);
    let own: Vec<_> =
        fields.keys().filter(|name| serin_conformance::outcome::reserved(name)).collect();
    if response.status() == 200 && own.is_empty() {
        return Ok(());
    }
    Err(format!("{} with {own:?}\n{}", response.start, envoy.log()))
}

/// An Envoy that was given keys.
fn with_keys(name: &str, keys: &str) -> Result<(Envoy, Upstream), String> {
    let upstream = Upstream::start("upstream")?;
    let mut filter = bootstrap::wasm(&filter()?, &spec(1, 0.0).to_string());
    bootstrap::let_have_keys(&mut filter);
    let listener = bootstrap::listener("web", &filter, "upstream");
    let config = bootstrap::bootstrap(vec![listener], &[("upstream", upstream.address)]);
    let variables = [("SERIN_OVERRIDE_KEYS", keys)];
    Ok((Envoy::start_with(envoy::folder(name)?, &config, &variables)?, upstream))
}

/// With a secret and a token that the command makes.
fn keys_of_envoy() -> Result<(), String> {
    let (secret, token) = overrides::secret_and_token("web=canary")?;
    let (envoy, _upstream) = with_keys("keys", &json!({"qa": secret}).to_string())?;
    let to = envoy.listener("web")?;
    let plain = record(&send(to, Some("ana"))?);
    let case = serin_conformance::upstream::CASE_FIELD;
    let request = request(Some("ana"))?;
    let fields = [(case, "this"), ("x-serin-override", token.as_str())];
    let response = client::send(to, None, &request, &fields)?;
    let (forced, told) = (record(&response), response.field("serin-decision"));
    if !plain.contains("\"arm\":\"stable\"") || response.status() != 200 {
        return Err(format!("{} {plain}\n{}", response.start, envoy.log()));
    }
    if !forced.contains("\"override\":\"qa\"") || !forced.contains("\"arm\":\"canary\"") {
        return Err(format!("the arm is not forced: {forced}\n{}", envoy.log()));
    }
    if told.as_deref() != Some(&*forced) {
        return Err(format!("the response tells {told:?}"));
    }
    let places = [envoy.whole_log(), envoy.admin("/config_dump")?, envoy.output()];
    if places.iter().any(|text| text.contains(&secret)) {
        return Err("the secret appears in Envoy's log or configuration".into());
    }
    Ok(())
}

fn bad_keys() -> Result<(), String> {
    let (secret, token) = overrides::secret_and_token("web=canary")?;
    let keys = json!({"qa": secret, "ci": {"secret": "short"}}).to_string();
    let (envoy, _upstream) = with_keys("bad-keys", &keys)?;
    let fields = [("x-serin-override", token.as_str())];
    let response = client::send(envoy.listener("web")?, None, &request(Some("ana"))?, &fields)?;
    let seen = record(&response);
    if !seen.contains("\"arm\":\"stable\"") || response.status() != 200 {
        return Err(format!("{} {seen}\n{}", response.start, envoy.log()));
    }
    for wanted in ["KEYS: ci: grants nothing", "KEYS: ci.secret: is not", "there are no overrides"]
    {
        envoy.wait_for_log(wanted)?;
    }
    let log = envoy.whole_log();
    if log.contains(&secret) { Err("the secret is in the log".into()) } else { Ok(()) }
}

fn many_at_once() -> Result<(), String> {
    let spec = spec(3, 50.0);
    let upstream = Upstream::start("upstream")?;
    let filter = bootstrap::wasm(&filter()?, &spec.to_string());
    let listener = bootstrap::listener("web", &filter, "upstream");
    let config = bootstrap::bootstrap(vec![listener], &[("upstream", upstream.address)]);
    let envoy = Envoy::start(envoy::folder("many")?, &config)?;
    let plan = serin_core::Plan::from_json(spec.to_string().as_bytes());
    let plan = plan.map_err(|errors| errors.to_string())?;
    let to = envoy.listener("web")?;
    let threads: Vec<_> = (0..8)
        .map(|thread| {
            std::thread::spawn(move || {
                let users = (0..50).map(move |number| format!("user-{thread}-{number}"));
                users.map(|user| (user.clone(), send(to, Some(&user)))).collect::<Vec<_>>()
            })
        })
        .collect();
    for thread in threads {
        let answers = thread.join().map_err(|_| "a client panicked".to_string())?;
        for (user, response) in answers {
            let native = native_record(&plan, &user);
            let seen = record(&response?);
            if native != seen {
                return Err(format!("{user}: native {native}\nEnvoy {seen}"));
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

fn ask(envoy: &Envoy, listener: &str, user: Option<&str>) -> Result<Message, String> {
    send(envoy.listener(listener)?, user)
}

fn request(user: Option<&str>) -> Result<Request, String> {
    serde_json::from_value(json!({
        "path": "/",
        "headers": user.iter().map(|user| ["x-user-id", user]).collect::<Vec<_>>(),
    }))
    .map_err(|error| error.to_string())
}

fn send(to: std::net::SocketAddr, user: Option<&str>) -> Result<Message, String> {
    let request = request(user)?;
    let case = serin_conformance::upstream::CASE_FIELD;
    client::send(to, None, &request, &[(case, "this")])
}

fn record(response: &Message) -> String {
    response.field(bootstrap::RECORD_FIELD).unwrap_or_default()
}
