//! `serin serve` with the example's spec: the filter in host-sim behind a real socket. Every response
//! must come from the upstream that native Rust decides.

use serde_json::{Value, json};
use serin_conformance::client;
use serin_conformance::envoy::path_from_env;
use serin_conformance::example_requests::{self, N_WITHOUT_COHORT};
use serin_conformance::native;
use serin_conformance::outcome::{self, Outcome};
use serin_conformance::report::Report;
use serin_conformance::serin_cli;
use serin_conformance::upstream::{CASE_FIELD, Upstream};
use serin_conformance::vector::{Case, Suite};
use serin_core::Plan;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    let mut report = Report::new("serin serve");
    match Serve::start() {
        Ok(serve) => {
            report.check("600 requests are decided as by native Rust", || {
                serve.requests_agree_with_native()
            });
            report.check("a token of `serin override` forces the arm", || serve.token_forces_arm());
        }
        Err(why) => report.record("serin serve starts", Err(why)),
    }
    report.check("flag evaluation obeys the aborts that the filter obeys", ofrep_obeys_aborts);
    report.finish()
}

/// A running `serin serve` and its upstreams.
struct Serve {
    child: Child,
    address: SocketAddr,
    stable: Upstream,
    canary: Upstream,
    plan: Plan,
    /// An override token that forces the canary.
    token: String,
}

impl Drop for Serve {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Serve {
    fn start() -> Result<Self, String> {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/envoy");
        let json = std::fs::read(example.join("spec.json")).map_err(|error| error.to_string())?;
        let spec = serde_json::from_slice(&json).map_err(|error| error.to_string())?;
        let suite = Suite::without_cases("example", spec);
        let (stable, canary) = (Upstream::start("stable")?, Upstream::start("canary")?);
        let arm = |name: &str, to: &Upstream| format!("--arm={name}=http://{}", to.address);
        let (secret, token) = serin_cli::secret_and_token("shop=canary")?;
        let mut child = serin_cli::command()?
            .env("SERIN_OVERRIDE_KEYS", serde_json::json!({"qa": secret}).to_string())
            .arg("serve")
            .arg(example.join("spec.yaml"))
            .args([arm("shop-stable", &stable), arm("shop-canary", &canary)])
            .args(["--listen", "127.0.0.1:0", "--workers", "2"])
            .arg("--filter")
            .arg(path_from_env("SERIN_FILTER_WASM")?)
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("serin did not start: {error}"))?;
        let address = read_address(&mut child);
        let plan = native::plan(&suite);
        match (address, plan) {
            (Ok(address), Ok(plan)) => Ok(Self { child, address, stable, canary, plan, token }),
            (address, plan) => {
                let _ = child.kill();
                let _ = child.wait();
                Err(format!("{:?} {:?}", address.err(), plan.err()))
            }
        }
    }

    fn requests_agree_with_native(&self) -> Result<(), String> {
        let mut canaries = 0;
        for (number, case) in example_requests::requests().iter().enumerate() {
            let outcome = self.send(case)?;
            let canary = outcome.upstream.get("x-serin-arm").is_some_and(|arm| arm == "canary");
            canaries += usize::from(number < N_WITHOUT_COHORT && canary);
        }
        let share = 100.0 * canaries as f64 / N_WITHOUT_COHORT as f64;
        println!("       canary: {share} % of {N_WITHOUT_COHORT} users, the spec says 25 %");
        Ok(())
    }

    /// A token counts in a header, a cookie and the query. The response carries the decision; the
    /// upstream gets no token.
    fn token_forces_arm(&self) -> Result<(), String> {
        let token = &self.token;
        let cookie = format!("serin_override={token}");
        for (path, name, value) in [
            ("/", "x-serin-override", token.as_str()),
            ("/", "cookie", &cookie),
            (&format!("/?{cookie}"), "accept", "*/*"),
        ] {
            let case = example_requests::case(path, &[("x-user-id", "user-0"), (name, value)]);
            let response =
                client::send(self.address, None, &case.request, &[(CASE_FIELD, "forced")])?;
            let decision = response.field("serin-decision").unwrap_or_default();
            let fields = outcome::join_fields(self.canary.take("forced").unwrap_or_default());
            let is_forced = response.text() == "canary" && decision.contains("\"override\":\"qa\"");
            if !is_forced || fields.contains_key("x-serin-override") {
                let upstream = response.text();
                return Err(format!("{name}: {upstream} responded, with decision {decision}"));
            }
        }
        Ok(())
    }

    /// Sends a request; the outcome must be native Rust's.
    fn send(&self, case: &Case) -> Result<Outcome, String> {
        let extra = [(CASE_FIELD, case.name.as_str())];
        let response = client::send(self.address, None, &case.request, &extra)?;
        let name = response.text();
        let upstream = if name == "canary" { &self.canary } else { &self.stable };
        let fields = upstream.take(&case.name);
        let fields = fields.ok_or_else(|| format!("{}: {}", case.name, response.start))?;
        let cookies = response.all("set-cookie");
        let id = cookies.first().and_then(|cookie| cookie.strip_prefix("serin_id="));
        let id = id.and_then(|rest| rest.get(..32)).unwrap_or("");
        let mut expected = native::decide_case(&self.plan, case, Case::entropy_of(id));
        let actual = Outcome {
            record: expected.record.clone(),
            upstream: outcome::join_fields(fields),
            set_cookie: cookies,
            response_decision: response.field("serin-decision"),
            overrides: None,
        };
        expected.upstream.retain(|name, _| outcome::is_reserved_field(name));
        let arm = expected.upstream.get("x-serin-arm").map_or("stable", String::as_str);
        if arm != name {
            return Err(format!("{}: native decides {arm}, {name} responded", case.name));
        }
        outcome::differences(&expected, &actual).map_err(|why| format!("{}\n{why}", case.name))?;
        Ok(expected)
    }
}

/// A rollout whose abort turns a flag off.
fn spec_with_gates() -> Value {
    json!({
        "formatVersion": 1,
        "units": {"user": [{"header": "x-user-id"}]},
        "flags": {"cart": {
            "kind": "ops",
            "variants": {"on": true, "off": false},
            "defaultVariant": "off",
            "rules": [{"serve": "on"}],
        }},
        "rollouts": {"shop": {
            "unit": "user",
            "arms": {"stable": {"target": "stable"}, "canary": {"target": "canary"}},
            "baseline": "stable",
            "canary": {"share": 50},
            "gates": {},
            "onAbort": {"disable": ["cart"]},
        }},
    })
}

/// The filter reads latches from a URL. The flag that the upstream receives and the flag that OFREP answers
/// must be the same, with and without an abort.
fn ofrep_obeys_aborts() -> Result<(), String> {
    let abort = json!({"epoch": 0, "at": 1_795_250_000_000_u64, "digest": "", "reason": "errors"});
    let spec = Path::new(env!("CARGO_TARGET_TMPDIR")).join("serve-gates.json");
    std::fs::write(&spec, spec_with_gates().to_string()).map_err(|error| error.to_string())?;
    for (latches, field, variant, reason) in [
        (json!([]), "cart=?1", "on", "TARGETING_MATCH"),
        (json!([{"rollout": "shop", "abort": abort}]), "cart=?0", "off", "DISABLED"),
    ] {
        let state = Upstream::start(&json!({"latches": latches}).to_string())?;
        let upstream = Upstream::start("upstream")?;
        let mut child = Command::new(path_from_env("SERIN_BIN")?)
            .envs([("SERIN_STATE_CLUSTER", "state"), ("SERIN_GATE_TICK_MS", "50")])
            .env("SERIN_STATE_URL", "http://state.example/latches")
            // Otherwise the wait for the latches turns the flag off, too.
            .env("SERIN_UNKNOWN_STATE", "proceed")
            .arg("serve")
            .arg(&spec)
            .args(
                ["stable", "canary"].map(|arm| format!("--arm={arm}=http://{}", upstream.address)),
            )
            .arg(format!("--cluster=state=http://{}", state.address))
            .args(["--ofrep", "--listen", "127.0.0.1:0", "--workers", "2"])
            .arg("--filter")
            .arg(path_from_env("SERIN_FILTER_WASM")?)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|error| format!("serin did not start: {error}"))?;
        let seen = read_address(&mut child).and_then(|address| {
            upstream_receives(address, &upstream, field)?;
            evaluated(address)
        });
        let _ = child.kill();
        let _ = child.wait();
        let (seen_variant, seen_reason) = seen?;
        if (seen_variant.as_str(), seen_reason.as_str()) != (variant, reason) {
            return Err(format!(
                "the upstream receives {field}, OFREP answers {seen_variant} ({seen_reason})"
            ));
        }
    }
    Ok(())
}

/// Waits until the upstream receives these flags: the filter reads the latches at its next tick.
fn upstream_receives(address: SocketAddr, upstream: &Upstream, wanted: &str) -> Result<(), String> {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let case = Upstream::new_case();
        let request = example_requests::case("/", &[("x-user-id", "ada")]).request;
        client::send(address, None, &request, &[(CASE_FIELD, &case)])?;
        let fields = outcome::join_fields(upstream.take(&case).unwrap_or_default());
        let flags = fields.get("serin-flags").map_or("", String::as_str);
        if flags == wanted {
            return Ok(());
        }
        if Instant::now() > end {
            return Err(format!("the upstream receives {flags:?}, not {wanted:?}"));
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// The variant and the reason that OFREP answers about the flag.
fn evaluated(address: SocketAddr) -> Result<(String, String), String> {
    let mut request = example_requests::case("/ofrep/v1/evaluate/flags/cart", &[]).request;
    request.method = "POST".to_owned();
    let response = client::send(address, None, &request, &[])?;
    let answer: Value =
        serde_json::from_slice(&response.body).map_err(|error| error.to_string())?;
    let part = |name: &str| answer[name].as_str().unwrap_or_default().to_owned();
    Ok((part("variant"), part("reason")))
}

/// Reads the address from the output of `serin serve`. A thread reads the rest, because a full pipe
/// would block the child.
fn read_address(child: &mut Child) -> Result<SocketAddr, String> {
    let stdout = child.stdout.take().ok_or("serin has no standard output")?;
    let mut lines = BufReader::new(stdout).lines().map_while(Result::ok);
    let line = lines.find(|line| line.contains("listening on http://"));
    std::thread::spawn(move || lines.for_each(drop));
    let line = line.ok_or("serin ended before it listened")?;
    let address = line.split_once("http://").and_then(|(_, rest)| rest.split(' ').next());
    let address = address.and_then(|address| address.parse().ok());
    address.ok_or_else(|| format!("no address in {line:?}"))
}
