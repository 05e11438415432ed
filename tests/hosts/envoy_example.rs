//! `examples/envoy` exactly as people run it: the upstreams, `apply.sh`, Envoy on `envoy.yaml`. Every
//! response must come from the upstream that native Rust names.

use serde_json::{Value, json};
use serin_conformance::client::{self, Message};
use serin_conformance::crowd::{self, NUMBER, PLAIN};
use serin_conformance::envoy::{self, Envoy};
use serin_conformance::native;
use serin_conformance::outcome::Outcome;
use serin_conformance::overrides;
use serin_conformance::report::Report;
use serin_conformance::vector::{Case, Suite};
use serin_core::Plan;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

/// As `envoy.yaml` has it.
const EDGE: ([u8; 4], u16) = ([127, 0, 0, 1], 18000);
const UPSTREAMS: [u16; 2] = [18001, 18002];

fn main() -> ExitCode {
    let mut report = Report::new("Envoy example");
    report.check("spec.yaml and spec.json say the same", same_spec);
    match Example::start() {
        Ok(mut example) => example.checks(&mut report),
        Err(why) => report.ran("the example starts", Err(why)),
    }
    report.finish()
}

/// The example, running.
struct Example {
    envoy: Envoy,
    _upstreams: Guard,
    suite: Suite,
    plan: Plan,
    /// One that forces the canary.
    token: String,
    /// What native Rust decided for each request, by number.
    sent: Vec<Outcome>,
}

/// A child process that ends with its owner.
struct Guard(Child);

impl Drop for Guard {
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

fn same_spec() -> Result<(), String> {
    let yaml: Value =
        serde_saphyr::from_str(&read("spec.yaml")?).map_err(|error| error.to_string())?;
    let json: Value =
        serde_json::from_str(&read("spec.json")?).map_err(|error| error.to_string())?;
    if yaml == json { Ok(()) } else { Err(format!("spec.yaml {yaml}\nspec.json {json}")) }
}

fn suite(spec: Value) -> Suite {
    Suite {
        name: "example".into(),
        about: String::new(),
        spec,
        override_keys: None,
        cases: Vec::new(),
    }
}

/// Runs `apply.sh` as the documentation says.
fn apply(spec: &str) -> Result<(), String> {
    let output = Command::new("sh")
        .args(["examples/envoy/apply.sh", spec])
        .env("SERIN", envoy::path_from("SERIN_BIN")?)
        .current_dir(root())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("apply.sh did not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    Err(format!("apply.sh ended with {}: {told}{said}", output.status))
}

fn upstreams() -> Result<Guard, String> {
    let mut python = Command::new("python3");
    python.arg("examples/envoy/upstreams.py").current_dir(root());
    python.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let guard = Guard(python.spawn().map_err(|error| format!("python3 did not start: {error}"))?);
    for port in UPSTREAMS {
        let to = SocketAddr::from(([127, 0, 0, 1], port));
        envoy::until(Duration::from_secs(60), || client::get(to, "/").ok())
            .ok_or_else(|| format!("no upstream answers on {to}"))?;
    }
    Ok(guard)
}

impl Example {
    fn start() -> Result<Self, String> {
        let spec = serde_json::from_str(&read("spec.json")?).map_err(|error| error.to_string())?;
        let suite = suite(spec);
        let plan = native::plan(&suite)?;
        let upstreams = upstreams()?;
        apply("examples/envoy/spec.json")?;
        let file = Path::new("examples/envoy/envoy.yaml");
        let (secret, token) = overrides::secret_and_token("shop=canary")?;
        let keys = json!({"qa": secret}).to_string();
        let variables = [("SERIN_OVERRIDE_KEYS", keys.as_str())];
        let envoy = Envoy::run(envoy::folder("example")?, &root(), file, &variables)?;
        Ok(Self { envoy, _upstreams: upstreams, suite, plan, token, sent: Vec::new() })
    }

    fn checks(&mut self, report: &mut Report) {
        report.check("600 requests go where native Rust says", || self.requests());
        report.check("the shares seen are the shares wanted", || self.shares());
        report.check("the counters add up to the requests", || self.metrics());
        report.check("each line of the access log carries its decision", || self.access_log());
        report.check("a tester's token forces an arm, and is counted", || self.forced(1));
        report.check("a new spec takes effect, a bad one does not", || self.update());
        report.check("and the keys are still there", || self.forced(2));
    }

    fn requests(&mut self) -> Result<(), String> {
        crowd::requests().iter().try_for_each(|case| self.ask(case))
    }

    fn ask(&mut self, case: &Case) -> Result<(), String> {
        let response = client::send(EDGE.into(), None, &case.request, &[])?;
        let outcome = self.decided(case, &response);
        let (wanted, seen) = (self.expected_body(&outcome), response.text());
        if wanted != seen || outcome.set_cookie != response.all("set-cookie") {
            let (name, log) = (&case.name, self.envoy.log());
            return Err(format!("{name}\nnative {outcome:?}\nseen {seen}\n{log}"));
        }
        self.sent.push(outcome);
        Ok(())
    }

    /// What native Rust decides, with the id that Envoy's filter minted if it minted one.
    fn decided(&self, case: &Case, response: &Message) -> Outcome {
        let minted = response.field("set-cookie").unwrap_or_default();
        let id = minted.strip_prefix("serin_id=").and_then(|rest| rest.get(..32)).unwrap_or("");
        native::decide_case(&self.plan, case, Case::entropy_of(id))
    }

    /// As `upstreams.py` answers.
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
        let among = self.sent.get(..PLAIN).ok_or("too few requests were sent")?;
        let count =
            |what: &str| among.iter().filter(|outcome| outcome.record.contains(what)).count();
        for (name, wanted, what) in
            [("canary", 25, "\"arm\":\"canary\""), ("theme dark", 50, "\"variant\":\"dark\"")]
        {
            let seen = 100.0 * count(what) as f64 / PLAIN as f64;
            println!("       {name}: {wanted} % wanted, {seen} % of {PLAIN} users seen");
            // Four standard deviations of so many draws.
            if (seen - f64::from(wanted)).abs() > 10.0 {
                return Err(format!("{name}: {wanted} % wanted, {seen} % seen"));
            }
        }
        Ok(())
    }

    fn metrics(&self) -> Result<(), String> {
        let mut wanted: BTreeMap<String, usize> = BTreeMap::new();
        for arm in self.sent.iter().filter_map(|outcome| outcome.upstream.get("x-serin-arm")) {
            *wanted.entry(arm.clone()).or_default() += 1;
        }
        let text = self.envoy.admin("/stats/prometheus")?;
        for (arm, count) in &wanted {
            let line = format!(
                "serin_rollout_arm_requests{{serin_rollout=\"shop\",serin_arm=\"{arm}\"}} {count}"
            );
            if !text.lines().any(|found| found == line) {
                let found: Vec<&str> =
                    text.lines().filter(|line| line.starts_with("serin_")).collect();
                return Err(format!("no line {line}, but\n{}", found.join("\n")));
            }
            println!("       {line}");
        }
        Ok(())
    }

    fn access_log(&self) -> Result<(), String> {
        // Envoy writes its access log once a second.
        let last = format!("{NUMBER}={} ", self.sent.len() - 1);
        envoy::until(Duration::from_secs(60), || self.envoy.output().contains(&last).then_some(()));
        let output = self.envoy.output();
        for (number, outcome) in self.sent.iter().enumerate() {
            let mark = format!("?{NUMBER}={number} 200 {} ", self.target(outcome));
            let line = output.lines().find_map(|line| line.split_once(&mark));
            if line.map(|(_, record)| record) != Some(&outcome.record) {
                return Err(format!("{mark}\nnative {}\nlog {line:?}", outcome.record));
            }
        }
        Ok(())
    }

    /// With a token as the documentation makes it; `count` is how many that makes.
    fn forced(&self, count: usize) -> Result<(), String> {
        let token = [("x-user-id", "user-1"), ("x-serin-override", self.token.as_str())];
        let case = crowd::case("/", &token);
        let response = client::send(EDGE.into(), None, &case.request, &[])?;
        let told = response.field("serin-decision").unwrap_or_default();
        if !response.text().starts_with("shop-canary") || !told.contains("\"override\":\"qa\"") {
            return Err(format!("{} {told}\n{}", response.text(), self.envoy.log()));
        }
        let line = format!("serin_overrides{{serin_outcome=\"applied\"}} {count}");
        let text = self.envoy.admin("/stats/prometheus")?;
        if text.lines().any(|found| found == line) {
            println!("       {line}");
            return Ok(());
        }
        Err(format!("no line {line}"))
    }

    /// What the documentation promises on changes, with the files it names.
    fn update(&mut self) -> Result<(), String> {
        let changed = self.envoy.folder.join("changed.json");
        let path = changed.display().to_string();
        let mut spec = self.suite.spec.clone();
        spec["revision"] = json!(2);
        spec["rollouts"]["shop"]["canary"]["share"] = json!(100);
        envoy::write(&changed, &format!("{spec:#}"))?;
        apply(&path)?;
        let all = envoy::until(Duration::from_secs(60), || {
            let case = crowd::case("/", &[("x-user-id", "user-1")]);
            let response = client::send(EDGE.into(), None, &case.request, &[]).ok()?;
            response.text().starts_with("shop-canary").then_some(())
        });
        all.ok_or_else(|| format!("revision 2 never took effect\n{}", self.envoy.log()))?;
        self.suite = suite(spec.clone());
        self.plan = native::plan(&self.suite)?;
        spec["rollouts"]["shop"]["baseline"] = json!("nobody");
        envoy::write(&changed, &format!("{spec:#}"))?;
        if apply(&path).is_ok() {
            return Err("apply.sh put a bad spec in force".into());
        }
        // Past the check, as somebody in a hurry would.
        let file = root().join("dist/serin.yaml");
        let good = std::fs::read_to_string(&file).map_err(|error| error.to_string())?;
        let new = root().join("dist/serin.new.yaml");
        envoy::write(&new, &good.replace("\"baseline\": \"stable\"", "\"baseline\": \"nobody\""))?;
        std::fs::rename(&new, &file).map_err(|error| error.to_string())?;
        self.envoy.wait_for_log("rollouts.shop.baseline")?;
        std::thread::sleep(Duration::from_millis(300));
        for user in 0..20 {
            self.ask(&crowd::case("/", &[("x-user-id", &format!("user-{user}"))]))?;
        }
        apply("examples/envoy/spec.json")
    }
}
