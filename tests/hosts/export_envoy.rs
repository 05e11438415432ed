//! `serin export envoy` in real Envoy: the configuration is valid, requests are routed as native Rust
//! decides, copies reach the shadow, and replacing the spec under load loses no request.

use serde_json::{Value, json};
use serin_conformance::client::{self, Message};
use serin_conformance::clock;
use serin_conformance::envoy::{self, Envoy};
use serin_conformance::example_requests;
use serin_conformance::host_entropy::minted_entropy;
use serin_conformance::native;
use serin_conformance::outcome::Outcome;
use serin_conformance::random::{self, Random};
use serin_conformance::report::Report;
use serin_conformance::serin_cli;
use serin_conformance::upstream::{CASE_FIELD, Upstream};
use serin_conformance::vector::{Case, Suite};
use serin_core::Plan;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// The number of random specs.
const SPECS: usize = 8;
/// The number of requests under each spec.
const REQUESTS: usize = 80;

/// The target of requests that belong to no rollout.
const DEFAULT: &str = "elsewhere";

fn main() -> ExitCode {
    let mut report = Report::new("Envoy, exported");
    for (name, spec) in specs() {
        report.check(&format!("{name}: valid, and routed as native decides"), || {
            routes_as_native_decides(&name, spec.as_ref().map_err(String::clone)?)
        });
    }
    report.check("without a plan requests go to the baseline", no_plan_routes_to_baseline);
    report.check("metrics have labels", metrics_have_labels);
    report.check("replacing the spec under load loses no request", replacing_the_spec_under_load);
    report.finish()
}

/// The examples' specs, one with every field, and random ones, each with a name.
fn specs() -> Vec<(String, Result<Value, String>)> {
    let files =
        ["examples/envoy/spec.yaml", "examples/worker/spec.json", "tests/schema/whole_spec.yaml"];
    let mut specs: Vec<_> = files.map(|file| (file.to_owned(), read(file))).into();
    let random = random::specs_with_rollouts().take(SPECS);
    specs.extend(random.map(|(seed, spec)| (format!("seed {seed}"), Ok(spec))));
    specs
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(file: &str) -> Result<Value, String> {
    let text =
        std::fs::read_to_string(root().join(file)).map_err(|why| format!("{file}: {why}"))?;
    serde_saphyr::from_str(&text).map_err(|why| format!("{file}: {why}"))
}

/// A spec with its upstreams and the folder of its export.
struct ExportedEdge {
    spec: Value,
    plan: Plan,
    folder: PathBuf,
    upstreams: BTreeMap<String, Upstream>,
}

impl ExportedEdge {
    fn new(name: &str, spec: &Value) -> Result<ExportedEdge, String> {
        let plan = native::plan(&Suite::without_cases(name, spec.clone()))?;
        let rollouts = spec["rollouts"].as_object().cloned().unwrap_or_default();
        let arms = rollouts.values().filter_map(|rollout| rollout["arms"].as_object());
        let targets = arms.flat_map(|arms| arms.values()).filter_map(|arm| arm["target"].as_str());
        let targets: BTreeSet<&str> = targets.chain([DEFAULT]).collect();
        let upstream = |target: &str| Ok((target.to_owned(), Upstream::start(target)?));
        let upstreams = targets.into_iter().map(upstream).collect::<Result<_, String>>()?;
        let folder = envoy::create_folder(&format!("export-{}", name.replace(['/', ' '], "-")))?;
        Ok(ExportedEdge { spec: spec.clone(), plan, folder, upstreams })
    }

    /// Runs `serin export envoy` with the spec and further options.
    fn export(&self, options: &[&str]) -> Result<(), String> {
        let spec = self.folder.join("spec.json");
        envoy::write_file(&spec, &self.spec.to_string())?;
        let mut serin = serin_cli::command()?;
        serin.args(["export", "envoy"]).arg(&spec).arg("--out").arg(&self.folder);
        serin.arg("--filter").arg(envoy::path_from_env("SERIN_FILTER_WASM")?);
        serin.args(["--default", DEFAULT, "--bootstrap"]);
        serin.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        for (target, upstream) in &self.upstreams {
            serin.arg("--upstream").arg(format!("{target}={}", upstream.address));
        }
        serin_cli::stdout(serin.args(options)).map(drop)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The target of a decided request, and the target of its copy, if any.
    fn targets(&self, outcome: &Outcome) -> (String, Option<String>) {
        let field = |name: &str| outcome.upstream.get(name).cloned();
        let target =
            field("x-serin-rollout").zip(field("x-serin-arm")).and_then(|(rollout, arm)| {
                self.spec["rollouts"][rollout]["arms"][arm]["target"].as_str().map(str::to_owned)
            });
        (target.unwrap_or_else(|| DEFAULT.into()), field("x-serin-shadow"))
    }

    /// The target of a request without a decision.
    fn baseline_target(&self, outcome: &Outcome) -> String {
        let Some(name) = outcome.upstream.get("x-serin-rollout") else { return DEFAULT.into() };
        let rollout = &self.spec["rollouts"][name];
        let baseline = rollout["baseline"].as_str().unwrap_or_default();
        rollout["arms"][baseline]["target"].as_str().unwrap_or_default().into()
    }
}

/// Lets Envoy validate a configuration file.
fn validate(file: &Path) -> Result<(), String> {
    let mut envoy = Command::new(envoy::path_from_env("SERIN_ENVOY")?);
    let output = envoy.args(["--mode", "validate", "-c"]).arg(file).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("Envoy did not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
}

/// Random requests from loopback without a verified token. Paths that Envoy redirects (escaped slashes)
/// or rewrites before the filter are left out.
fn requests(seed: u64) -> Vec<Case> {
    let mut random = Random::new(seed);
    let mut cases = Vec::new();
    while cases.len() < REQUESTS {
        let mut case = random::request(&mut random);
        let path = case.request.path.to_ascii_lowercase();
        if path.contains("//") || path.contains("%2f") {
            continue;
        }
        case.ip = Some("127.0.0.1".into());
        case.jwt.clear();
        case.request.scheme = "http".into();
        case.name = format!("{} {} {}", cases.len(), case.request.authority, case.request.path);
        cases.push(case);
    }
    cases
}

/// Native Rust's outcomes at the times before and after the request, because a step may start in
/// between. The ids are those that Envoy's filter minted.
fn native_outcomes(
    edge: &ExportedEdge,
    case: &mut Case,
    before: u64,
    response: &Message,
) -> [Outcome; 2] {
    let minted = minted_entropy(&response.all("set-cookie"));
    [before, clock::unix_ms()].map(|now| {
        case.now = Some(now);
        let entropy = |index: usize| minted.get(index).copied().unwrap_or_default();
        native::decide_minting(&edge.plan, case, entropy).into()
    })
}

fn routes_as_native_decides(name: &str, spec: &Value) -> Result<(), String> {
    let edge = ExportedEdge::new(name, spec)?;
    let ecds = edge.file("ecds.yaml");
    edge.export(&["--ecds", &ecds.display().to_string()])?;
    validate(&edge.file("envoy.yaml"))?;
    edge.export(&[])?;
    validate(&edge.file("envoy.yaml"))?;
    let envoy =
        Envoy::start_from_file(edge.folder.clone(), Path::new("/"), &edge.file("envoy.yaml"), &[])?;
    let to = envoy.listener("edge")?;
    let mut copies = 0;
    let mut routed = BTreeMap::<String, usize>::new();
    let mut sent = Vec::new();
    for mut case in requests(1) {
        let before = clock::unix_ms();
        let response = client::send(to, None, &case.request, &[(CASE_FIELD, &case.name)])?;
        let outcomes = native_outcomes(&edge, &mut case, before, &response);
        let targets = outcomes.each_ref().map(|outcome| edge.targets(outcome));
        let was_reached = |(target, _): &&(String, Option<String>)| {
            let upstream = edge.upstreams.get(target);
            upstream.and_then(|upstream| upstream.take(&case.name)).is_some()
        };
        let Some((target, shadow)) = targets.iter().find(was_reached) else {
            let [outcome, _] = &outcomes;
            let response = (&response.start, response.text());
            let log = envoy.log();
            return Err(format!("{}\nnative {outcome:?}\nresponse {response:?}\n{log}", case.name));
        };
        *routed.entry(target.clone()).or_default() += 1;
        let copied = shadow.as_ref().filter(|shadow| *shadow != target);
        copies += usize::from(copied.is_some());
        sent.push((case.name, copied.cloned()));
    }
    for (case, copied) in sent {
        for (target, upstream) in &edge.upstreams {
            if copied.as_ref() == Some(target) {
                envoy::poll(|| upstream.take(&case))
                    .ok_or_else(|| format!("{case}: no copy reached {target}"))?;
            } else if upstream.take(&case).is_some() && copied.is_none() {
                return Err(format!("{case}: an unexpected copy reached {target}"));
            }
        }
    }
    println!("       {name}: {routed:?}, {copies} copies");
    Ok(())
}

/// Removes the spec from the exported configuration.
fn no_plan_routes_to_baseline() -> Result<(), String> {
    for (name, spec) in specs() {
        let edge = ExportedEdge::new(&name, &spec?)?;
        edge.export(&[])?;
        let text =
            std::fs::read_to_string(edge.file("envoy.yaml")).map_err(|why| why.to_string())?;
        let mut config: Value = serde_saphyr::from_str(&text).map_err(|why| why.to_string())?;
        let listener = &mut config["static_resources"]["listeners"][0];
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        let plugin = &mut manager["http_filters"][0]["typed_config"]["config"];
        if !plugin["configuration"]["value"].is_string() {
            return Err(format!("{name}: no spec in {text}"));
        }
        // The filter refuses that, and Envoy goes on without it.
        plugin["configuration"]["value"] = "".into();
        plugin["failure_policy"] = "FAIL_OPEN".into();
        let envoy = Envoy::start(edge.folder.clone(), &config)?;
        let to = envoy.listener("edge")?;
        // Serin normalises escapes, Envoy's routes do not.
        for case in requests(2).into_iter().filter(|case| !case.request.path.contains('%')) {
            let response = client::send(to, None, &case.request, &[(CASE_FIELD, &case.name)])?;
            let outcome = native::decide_case(&edge.plan, &case, case.entropy());
            let target = edge.baseline_target(&outcome);
            let upstream = edge.upstreams.get(&target);
            if upstream.and_then(|upstream| upstream.take(&case.name)).is_none() {
                let response = (&response.start, response.text());
                return Err(format!("{name}: {} should go to {target}: {response:?}", case.name));
            }
        }
    }
    Ok(())
}

fn metrics_have_labels() -> Result<(), String> {
    let mut spec = canary_spec(1, 50);
    spec["rollouts"]["web"]["gates"] = json!({});
    let edge = ExportedEdge::new("labels", &spec)?;
    edge.export(&[])?;
    let envoy =
        Envoy::start_from_file(edge.folder.clone(), Path::new("/"), &edge.file("envoy.yaml"), &[])?;
    let to = envoy.listener("edge")?;
    let targets = [send(to)?, send(to)?, send(to)?];
    let arm = if targets[0] == "web-v2" { "canary" } else { "stable" };
    let gate =
        format!("serin_rollout=\"web\",serin_epoch=\"0\",serin_step=\"0\",serin_arm=\"{arm}\"");
    let lines = [
        format!("serin_rollout_arm_requests{{serin_rollout=\"web\",serin_arm=\"{arm}\"}} 3"),
        format!("serin_gate_epoch_step_arm_requests{{{gate}}} 3"),
        format!("serin_gate_epoch_step_arm_errors{{{gate}}} 0"),
        "serin_latch_aborted{serin_rollout=\"web\"} 0".to_owned(),
    ];
    let mut text = String::new();
    // Workers report the gates' counters with a delay.
    let found = envoy::poll(|| {
        text = envoy.admin("/stats/prometheus").unwrap_or_default();
        lines.iter().all(|line| text.lines().any(|found| found == line)).then_some(())
    });
    found.ok_or_else(|| {
        let found: Vec<&str> = text.lines().filter(|line| line.contains("serin")).collect();
        format!("not all of\n{}\nin\n{}", lines.join("\n"), found.join("\n"))
    })
}

/// A spec with a canary at this share, in per cent.
fn canary_spec(revision: u64, share: u64) -> Value {
    json!({
        "formatVersion": 1,
        "revision": revision,
        "units": {"user": [{"header": "x-user-id"}]},
        "rollouts": {"web": {
            "arms": {"stable": {"target": "web-v1"}, "canary": {"target": "web-v2"}},
            "baseline": "stable",
            "canary": {"share": share},
        }},
    })
}

/// Sends a request; returns the name of the upstream that responds.
fn send(to: SocketAddr) -> Result<String, String> {
    let case = example_requests::case("/", &[("x-user-id", "ana")]);
    let response = client::send(to, None, &case.request, &[])?;
    if response.status() == 200 { Ok(response.text()) } else { Err(response.start) }
}

/// `serin export` replaces a file that Envoy watches, while three clients send requests.
fn replacing_the_spec_under_load() -> Result<(), String> {
    const REPLACEMENTS: u64 = 20;
    let mut edge = ExportedEdge::new("replaced", &canary_spec(1, 0))?;
    let ecds = edge.file("ecds.yaml").display().to_string();
    edge.export(&["--ecds", &ecds])?;
    let envoy =
        Envoy::start_from_file(edge.folder.clone(), Path::new("/"), &edge.file("envoy.yaml"), &[])?;
    let to = envoy.listener("edge")?;
    let (done, sent) = (AtomicBool::new(false), AtomicUsize::new(0));
    let client = || {
        let mut lost = Vec::new();
        while !done.load(Ordering::Relaxed) {
            sent.fetch_add(1, Ordering::Relaxed);
            match send(to) {
                Ok(name) if name == "web-v1" || name == "web-v2" => {}
                Ok(other) => lost.push(format!("{other} responded")),
                Err(why) => lost.push(why),
            }
        }
        lost
    };
    let (replaced, lost) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3).map(|_| scope.spawn(client)).collect();
        let replaced = (2..REPLACEMENTS + 2).try_for_each(|revision| {
            let is_odd = revision % 2 == 1;
            edge.spec = canary_spec(revision, if is_odd { 0 } else { 100 });
            edge.export(&["--ecds", &ecds, "--only", "ecds.yaml"])?;
            let expected = if is_odd { "web-v1" } else { "web-v2" };
            envoy.wait_until(&format!("revision {revision} takes effect"), || {
                send(to).as_deref() == Ok(expected)
            })
        });
        done.store(true, Ordering::Relaxed);
        let lost = clients.into_iter().flat_map(|client| client.join().unwrap_or_default());
        (replaced, lost.collect::<Vec<String>>())
    });
    replaced?;
    let sent = sent.load(Ordering::Relaxed);
    println!("       {REPLACEMENTS} new specs under {sent} requests, {} lost", lost.len());
    if sent < 200 {
        return Err(format!("{sent} requests are too small a load"));
    }
    if lost.is_empty() {
        Ok(())
    } else {
        Err(format!("{} lost, the first: {}", lost.len(), lost[0]))
    }
}
