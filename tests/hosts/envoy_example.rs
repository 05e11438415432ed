//! `examples/envoy` as the documentation runs it: the upstreams, `apply.sh`, and Envoy with `envoy.yaml`.
//! Every response must come from the upstream that native Rust decides.

use serde_json::{Value, json};
use serin_conformance::client::{self, Message};
use serin_conformance::envoy::{self, Envoy};
use serin_conformance::example_requests::{self, N_WITHOUT_COHORT, NUMBER_PARAMETER};
use serin_conformance::native;
use serin_conformance::outcome::Outcome;
use serin_conformance::report::Report;
use serin_conformance::serin_cli;
use serin_conformance::vector::{Case, Suite};
use serin_core::Plan;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// The listener of `envoy.yaml`.
const EDGE: ([u8; 4], u16) = ([127, 0, 0, 1], 18000);
/// The ports of `upstreams.py`.
const UPSTREAMS: [u16; 2] = [18001, 18002];

fn main() -> ExitCode {
    let mut report = Report::new("Envoy example");
    report.check("spec.yaml and spec.json are equal", yaml_equals_json);
    match Example::start() {
        Ok(mut example) => example.checks(&mut report),
        Err(why) => report.record("the example starts", Err(why)),
    }
    report.finish()
}

/// The running example.
struct Example {
    envoy: Envoy,
    _upstreams: ChildGuard,
    suite: Suite,
    plan: Plan,
    /// An override token that forces the canary.
    token: String,
    /// Native Rust's outcome of each request so far, by number.
    outcomes: Vec<Outcome>,
}

/// A child process that ends when it is dropped.
struct ChildGuard(Child);

impl Drop for ChildGuard {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> Result<String, String> {
    let path = root().join("examples/envoy").join(file);
    std::fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))
}

fn yaml_equals_json() -> Result<(), String> {
    let yaml: Value =
        serde_saphyr::from_str(&read("spec.yaml")?).map_err(|error| error.to_string())?;
    let json: Value =
        serde_json::from_str(&read("spec.json")?).map_err(|error| error.to_string())?;
    if yaml == json { Ok(()) } else { Err(format!("spec.yaml {yaml}\nspec.json {json}")) }
}

/// Runs `apply.sh` as in the documentation.
fn apply(spec: &str) -> Result<(), String> {
    let output = Command::new("sh")
        .args(["examples/envoy/apply.sh", spec])
        .env("SERIN", envoy::path_from_env("SERIN_BIN")?)
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("apply.sh did not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let stdout = String::from_utf8_lossy(&output.stdout);
    Err(format!("apply.sh ended with {}: {stdout}{}", output.status, serin_cli::stderr(&output)))
}

fn start_upstreams() -> Result<ChildGuard, String> {
    let mut python = Command::new("python3");
    python.arg("examples/envoy/upstreams.py").current_dir(root());
    python.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let child = python.spawn().map_err(|error| format!("python3 did not start: {error}"))?;
    let guard = ChildGuard(child);
    for port in UPSTREAMS {
        let to = SocketAddr::from(([127, 0, 0, 1], port));
        envoy::poll(|| client::get(to, "/").ok())
            .ok_or_else(|| format!("no upstream responds on {to}"))?;
    }
    Ok(guard)
}

impl Example {
    fn start() -> Result<Self, String> {
        let spec = serde_json::from_str(&read("spec.json")?).map_err(|error| error.to_string())?;
        let suite = Suite::without_cases("example", spec);
        let plan = native::plan(&suite)?;
        let upstreams = start_upstreams()?;
        apply("examples/envoy/spec.json")?;
        let file = Path::new("examples/envoy/envoy.yaml");
        let (secret, token) = serin_cli::secret_and_token("shop=canary")?;
        let keys = json!({"qa": secret}).to_string();
        let variables = [("SERIN_OVERRIDE_KEYS", keys.as_str())];
        let envoy =
            Envoy::start_from_file(envoy::create_folder("example")?, &root(), file, &variables)?;
        Ok(Self { envoy, _upstreams: upstreams, suite, plan, token, outcomes: Vec::new() })
    }

    fn checks(&mut self, report: &mut Report) {
        report.check("600 requests are decided as by native Rust", || self.requests());
        report.check("the shares are those of the spec", || self.shares());
        report.check("the counters add up to the requests", || self.metrics());
        report.check("each line of the access log carries its decision", || self.access_log());
        report.check("a tester's token forces an arm, and is counted", || self.token(1));
        report.check("a new spec takes effect, a bad one does not", || self.update());
        report.check("the override keys are still in force after the update", || self.token(2));
    }

    fn requests(&mut self) -> Result<(), String> {
        example_requests::requests().iter().try_for_each(|case| self.send(case))
    }

    fn send(&mut self, case: &Case) -> Result<(), String> {
        let response = client::send(EDGE.into(), None, &case.request, &[])?;
        let outcome = self.native_outcome(case, &response);
        let (expected, actual) = (self.expected_body(&outcome), response.text());
        if expected != actual || outcome.set_cookie != response.all("set-cookie") {
            let (name, log) = (&case.name, self.envoy.log());
            return Err(format!("{name}\nnative {outcome:?}\nresponse {actual}\n{log}"));
        }
        self.outcomes.push(outcome);
        Ok(())
    }

    /// Native Rust's outcome, with the id that Envoy's filter minted, if any.
    fn native_outcome(&self, case: &Case, response: &Message) -> Outcome {
        let minted = response.field("set-cookie").unwrap_or_default();
        let id = minted.strip_prefix("serin_id=").and_then(|rest| rest.get(..32)).unwrap_or("");
        native::decide_case(&self.plan, case, Case::entropy_of(id))
    }

    /// The response body of `upstreams.py`.
    fn expected_body(&self, outcome: &Outcome) -> String {
        let mut body = format!("{}\n", self.target(outcome));
        for field in ["x-serin-rollout", "x-serin-arm", "serin-flags"] {
            if let Some(value) = outcome.upstream.get(field) {
                body.push_str(&format!("  {field}: {value}\n"));
            }
        }
        body
    }

    fn target(&self, outcome: &Outcome) -> &str {
        let arm = outcome.upstream.get("x-serin-arm").map_or("stable", String::as_str);
        self.suite.spec["rollouts"]["shop"]["arms"][arm]["target"].as_str().unwrap_or_default()
    }

    fn shares(&self) -> Result<(), String> {
        let outcomes =
            self.outcomes.get(..N_WITHOUT_COHORT).ok_or("the requests were not all sent")?;
        let count =
            |part: &str| outcomes.iter().filter(|outcome| outcome.record.contains(part)).count();
        for (name, expected, part) in
            [("canary", 25, "\"arm\":\"canary\""), ("theme dark", 50, "\"variant\":\"dark\"")]
        {
            let share = 100.0 * count(part) as f64 / N_WITHOUT_COHORT as f64;
            println!(
                "       {name}: {share} % of {N_WITHOUT_COHORT} users, the spec says {expected} %"
            );
            // 10 % are four standard deviations.
            if (share - f64::from(expected)).abs() > 10.0 {
                return Err(format!("{name}: {share} %, the spec says {expected} %"));
            }
        }
        Ok(())
    }

    fn metrics(&self) -> Result<(), String> {
        let mut expected: BTreeMap<String, usize> = BTreeMap::new();
        for arm in self.outcomes.iter().filter_map(|outcome| outcome.upstream.get("x-serin-arm")) {
            *expected.entry(arm.clone()).or_default() += 1;
        }
        let text = self.envoy.admin("/stats/prometheus")?;
        for (arm, count) in &expected {
            let line = format!(
                "serin_rollout_arm_requests{{serin_rollout=\"shop\",serin_arm=\"{arm}\"}} {count}"
            );
            if !text.lines().any(|found| found == line) {
                let found: Vec<&str> =
                    text.lines().filter(|line| line.starts_with("serin_")).collect();
                return Err(format!("no line {line} in\n{}", found.join("\n")));
            }
            println!("       {line}");
        }
        Ok(())
    }

    fn access_log(&self) -> Result<(), String> {
        // Envoy writes its access log once a second.
        let last = format!("{NUMBER_PARAMETER}={} ", self.outcomes.len() - 1);
        envoy::poll(|| self.envoy.output().contains(&last).then_some(()));
        let output = self.envoy.output();
        for (number, outcome) in self.outcomes.iter().enumerate() {
            let start = format!("?{NUMBER_PARAMETER}={number} 200 {} ", self.target(outcome));
            let line = output.lines().find_map(|line| line.split_once(&start));
            if line.map(|(_, record)| record) != Some(&outcome.record) {
                return Err(format!("{start}\nnative {}\nlog {line:?}", outcome.record));
            }
        }
        Ok(())
    }

    /// Sends a token; `count` is the expected counter of applied tokens after it.
    fn token(&self, count: usize) -> Result<(), String> {
        let token = [("x-user-id", "user-1"), ("x-serin-override", self.token.as_str())];
        let case = example_requests::case("/", &token);
        let response = client::send(EDGE.into(), None, &case.request, &[])?;
        let (body, decision) = (response.text(), response.field("serin-decision"));
        let decision = decision.unwrap_or_default();
        if !body.starts_with("shop-canary") || !decision.contains("\"override\":\"qa\"") {
            return Err(format!("{body} {decision}\n{}", self.envoy.log()));
        }
        let line = format!("serin_overrides{{serin_outcome=\"applied\"}} {count}");
        let text = self.envoy.admin("/stats/prometheus")?;
        if text.lines().any(|found| found == line) {
            println!("       {line}");
            return Ok(());
        }
        Err(format!("no line {line}"))
    }

    /// Updates the spec with the files of the documentation.
    fn update(&mut self) -> Result<(), String> {
        let changed = self.envoy.folder.join("changed.json");
        let path = changed.display().to_string();
        let mut spec = self.suite.spec.clone();
        spec["revision"] = json!(2);
        spec["rollouts"]["shop"]["canary"]["share"] = json!(100);
        envoy::write_file(&changed, &format!("{spec:#}"))?;
        apply(&path)?;
        self.envoy.wait_until("revision 2 takes effect", || {
            let case = example_requests::case("/", &[("x-user-id", "user-1")]);
            let response = client::send(EDGE.into(), None, &case.request, &[]);
            response.is_ok_and(|response| response.text().starts_with("shop-canary"))
        })?;
        self.suite = Suite::without_cases("example", spec.clone());
        self.plan = native::plan(&self.suite)?;
        spec["rollouts"]["shop"]["baseline"] = json!("nobody");
        envoy::write_file(&changed, &format!("{spec:#}"))?;
        if apply(&path).is_ok() {
            return Err("apply.sh applied a bad spec".into());
        }
        // The same spec without the check of apply.sh.
        let file = root().join("dist/serin.yaml");
        let good = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let bad = good.replace("\"baseline\": \"stable\"", "\"baseline\": \"nobody\"");
        envoy::replace_file(&file, &bad)?;
        self.envoy.wait_for_log("rollouts.shop.baseline")?;
        std::thread::sleep(Duration::from_millis(300));
        for user in 0..20 {
            self.send(&example_requests::case("/", &[("x-user-id", &format!("user-{user}"))]))?;
        }
        apply("examples/envoy/spec.json")
    }
}
