//! What `serin export envoy` writes, in real Envoy: it is valid, every request goes where native Rust
//! says, copies reach the shadow, and a spec that is swapped under load costs no request.

use serde_json::{Value, json};
use serin_conformance::client::{self, Message};
use serin_conformance::crowd;
use serin_conformance::envoy::{self, Envoy};
use serin_conformance::native;
use serin_conformance::outcome::Outcome;
use serin_conformance::random::{self, Random};
use serin_conformance::report::Report;
use serin_conformance::upstream::{CASE_FIELD, Upstream};
use serin_conformance::vector::{Case, Suite};
use serin_core::Plan;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Specs by chance, and requests for each.
const SPECS: usize = 8;
const REQUESTS: usize = 80;

/// The target of requests that belong to no rollout.
const DEFAULT: &str = "elsewhere";

const PATIENCE: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let mut report = Report::new("Envoy, exported");
    for (name, spec) in specs() {
        report.check(&format!("{name}: valid, and requests go where native says"), || {
            decided(&name, spec.as_ref().map_err(String::clone)?)
        });
    }
    report.check("without a plan every request goes to its rollout's baseline", undecided);
    report.check("the labels are on the metrics", labels);
    report.check("a spec swapped under load costs no request", swapped);
    report.finish()
}

/// Those of the examples, one with every field, and some by chance.
fn specs() -> Vec<(String, Result<Value, String>)> {
    let files =
        ["examples/envoy/spec.yaml", "examples/worker/spec.json", "tests/schema/whole_spec.yaml"];
    let mut specs: Vec<_> = files.map(|file| (file.to_owned(), read(file))).into();
    let by_chance = (0..).map(|seed| (seed, random::spec(&mut Random::new(seed))));
    let with_routes = by_chance.filter(|(_, spec)| {
        spec["rollouts"].as_object().is_some_and(|rollouts| rollouts.len() > 1)
    });
    specs.extend(with_routes.take(SPECS).map(|(seed, spec)| (format!("seed {seed}"), Ok(spec))));
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

/// A spec with all that stands around it: its upstreams, and the folder it is exported to.
struct Edge {
    spec: Value,
    plan: Plan,
    folder: PathBuf,
    upstreams: BTreeMap<String, Upstream>,
}

impl Edge {
    fn new(name: &str, spec: &Value) -> Result<Edge, String> {
        let suite = Suite {
            name: name.into(),
            about: String::new(),
            spec: spec.clone(),
            override_keys: None,
            cases: Vec::new(),
        };
        let plan = native::plan(&suite)?;
        let rollouts = spec["rollouts"].as_object().cloned().unwrap_or_default();
        let arms = rollouts.values().filter_map(|rollout| rollout["arms"].as_object());
        let targets = arms.flat_map(|arms| arms.values()).filter_map(|arm| arm["target"].as_str());
        let targets: BTreeSet<&str> = targets.chain([DEFAULT]).collect();
        let upstream = |target: &str| Ok((target.to_owned(), Upstream::start(target)?));
        let upstreams = targets.into_iter().map(upstream).collect::<Result<_, String>>()?;
        let folder = envoy::folder(&format!("export-{}", name.replace(['/', ' '], "-")))?;
        Ok(Edge { spec: spec.clone(), plan, folder, upstreams })
    }

    /// Runs `serin export envoy` on the spec, into the folder.
    fn export(&self, further: &[&str]) -> Result<(), String> {
        let spec = self.folder.join("spec.json");
        envoy::write(&spec, &self.spec.to_string())?;
        let mut serin = Command::new(envoy::path_from("SERIN_BIN")?);
        serin.args(["export", "envoy"]).arg(&spec).arg("--out").arg(&self.folder);
        serin.arg("--filter").arg(envoy::path_from("SERIN_FILTER_WASM")?);
        serin.args(["--default", DEFAULT, "--bootstrap"]);
        serin.args(["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"]);
        for (target, upstream) in &self.upstreams {
            serin.arg("--upstream").arg(format!("{target}={}", upstream.address));
        }
        let output = serin.args(further).stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("serin did not start: {error}"))?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// The target that a request's decision names, and what its copy goes to.
    fn routed(&self, outcome: &Outcome) -> (String, Option<String>) {
        let field = |name: &str| outcome.upstream.get(name).cloned();
        let target =
            field("x-serin-rollout").zip(field("x-serin-arm")).and_then(|(rollout, arm)| {
                self.spec["rollouts"][rollout]["arms"][arm]["target"].as_str().map(str::to_owned)
            });
        (target.unwrap_or_else(|| DEFAULT.into()), field("x-serin-shadow"))
    }

    /// Where a request goes that Serin said nothing about.
    fn baseline(&self, outcome: &Outcome) -> String {
        let Some(name) = outcome.upstream.get("x-serin-rollout") else { return DEFAULT.into() };
        let rollout = &self.spec["rollouts"][name];
        let baseline = rollout["baseline"].as_str().unwrap_or_default();
        rollout["arms"][baseline]["target"].as_str().unwrap_or_default().into()
    }
}

/// Envoy's own check of a configuration.
fn validate(file: &Path) -> Result<(), String> {
    let mut envoy = Command::new(envoy::path_from("SERIN_ENVOY")?);
    let output = envoy.args(["--mode", "validate", "-c"]).arg(file).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("Envoy did not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
}

/// Requests as an edge gets them: from this machine, without a verified token. What Envoy itself answers
/// (a redirect of escaped slashes) or respells before the filter sees it is not Serin's to decide.
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

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or_default()
}

/// What native decides with the ids that Envoy's filter has minted, before and after the request: a
/// step may begin in between.
fn native(edge: &Edge, case: &mut Case, before: u64, response: &Message) -> [Outcome; 2] {
    let ids: Vec<[u8; 16]> =
        response.all("set-cookie").iter().filter_map(|line| id(line)).collect();
    [before, now()].map(|moment| {
        case.now = Some(moment);
        let entropy = |at: usize| ids.get(at).copied().unwrap_or_default();
        native::decide_minting(&edge.plan, case, entropy).into()
    })
}

fn id(line: &str) -> Option<[u8; 16]> {
    let id = line.split_once('=')?.1.split(';').next()?;
    let whole = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    whole.then(|| Case::entropy_of(id))
}

fn decided(name: &str, spec: &Value) -> Result<(), String> {
    let edge = Edge::new(name, spec)?;
    let ecds = edge.file("ecds.yaml");
    edge.export(&["--ecds", &ecds.display().to_string()])?;
    validate(&edge.file("envoy.yaml"))?;
    edge.export(&[])?;
    validate(&edge.file("envoy.yaml"))?;
    let envoy = Envoy::run(edge.folder.clone(), Path::new("/"), &edge.file("envoy.yaml"), &[])?;
    let to = envoy.listener("edge")?;
    let mut copies = 0;
    let mut decided = BTreeMap::<String, usize>::new();
    let mut gone = Vec::new();
    for mut case in requests(1) {
        let before = now();
        let response = client::send(to, None, &case.request, &[(CASE_FIELD, &case.name)])?;
        let outcomes = native(&edge, &mut case, before, &response);
        let routed = outcomes.each_ref().map(|outcome| edge.routed(outcome));
        let seen = |(target, _): &&(String, Option<String>)| {
            let upstream = edge.upstreams.get(target);
            upstream.and_then(|upstream| upstream.take(&case.name)).is_some()
        };
        let Some((target, shadow)) = routed.iter().find(seen) else {
            let [outcome, _] = &outcomes;
            let said = (&response.start, response.text());
            return Err(format!("{}\nnative {outcome:?}\n{said:?}\n{}", case.name, envoy.log()));
        };
        *decided.entry(target.clone()).or_default() += 1;
        let copied = shadow.as_ref().filter(|shadow| *shadow != target);
        copies += usize::from(copied.is_some());
        gone.push((case.name, copied.cloned()));
    }
    for (case, copied) in gone {
        for (target, upstream) in &edge.upstreams {
            if copied.as_ref() == Some(target) {
                let seen = envoy::until(PATIENCE, || upstream.take(&case));
                seen.ok_or_else(|| format!("{case}: no copy reached {target}"))?;
            } else if upstream.take(&case).is_some() && copied.is_none() {
                return Err(format!("{case}: nobody asked for a copy to {target}"));
            }
        }
    }
    println!("       {name}: {decided:?}, {copies} copies");
    Ok(())
}

/// The filter as exported but for its spec, which it has not got.
fn undecided() -> Result<(), String> {
    for (name, spec) in specs() {
        let edge = Edge::new(&name, &spec?)?;
        edge.export(&[])?;
        let text =
            std::fs::read_to_string(edge.file("envoy.yaml")).map_err(|why| why.to_string())?;
        let mut config: Value = serde_saphyr::from_str(&text).map_err(|why| why.to_string())?;
        let listener = &mut config["static_resources"]["listeners"][0];
        let manager = &mut listener["filter_chains"][0]["filters"][0]["typed_config"];
        let configuration =
            &mut manager["http_filters"][0]["typed_config"]["config"]["configuration"];
        if !configuration["value"].is_string() {
            return Err(format!("{name}: no spec in {text}"));
        }
        configuration["value"] = "".into();
        let envoy = Envoy::start(edge.folder.clone(), &config)?;
        let to = envoy.listener("edge")?;
        // Escapes have one spelling for Serin; without it Envoy compares paths as they are sent.
        for case in requests(2).into_iter().filter(|case| !case.request.path.contains('%')) {
            let response = client::send(to, None, &case.request, &[(CASE_FIELD, &case.name)])?;
            let outcome = native::decide_case(&edge.plan, &case, case.entropy());
            let target = edge.baseline(&outcome);
            let seen = edge.upstreams.get(&target).and_then(|upstream| upstream.take(&case.name));
            if seen.is_none() {
                let said = (&response.start, response.text());
                return Err(format!("{name}: {} should go to {target}: {said:?}", case.name));
            }
        }
    }
    Ok(())
}

fn labels() -> Result<(), String> {
    let mut spec = canary(1, 50);
    spec["rollouts"]["web"]["gates"] = json!({});
    let edge = Edge::new("labels", &spec)?;
    edge.export(&[])?;
    let envoy = Envoy::run(edge.folder.clone(), Path::new("/"), &edge.file("envoy.yaml"), &[])?;
    let to = envoy.listener("edge")?;
    let answers = [ask(to)?, ask(to)?, ask(to)?];
    let arm = if answers[0] == "web-v2" { "canary" } else { "stable" };
    let gate =
        format!("serin_rollout=\"web\",serin_epoch=\"0\",serin_step=\"0\",serin_arm=\"{arm}\"");
    let lines = [
        format!("serin_rollout_arm_requests{{serin_rollout=\"web\",serin_arm=\"{arm}\"}} 3"),
        format!("serin_gate_epoch_step_arm_requests{{{gate}}} 3"),
        format!("serin_gate_epoch_step_arm_errors{{{gate}}} 0"),
        "serin_latch_aborted{serin_rollout=\"web\"} 0".to_owned(),
    ];
    let mut text = String::new();
    // What gates count is handed over once in a while.
    let found = envoy::until(PATIENCE, || {
        text = envoy.admin("/stats/prometheus").unwrap_or_default();
        lines.iter().all(|line| text.lines().any(|found| found == line)).then_some(())
    });
    found.ok_or_else(|| {
        let found: Vec<&str> = text.lines().filter(|line| line.contains("serin")).collect();
        format!("not all of\n{}\nin\n{}", lines.join("\n"), found.join("\n"))
    })
}

/// A canary at this share.
fn canary(revision: u64, share: u64) -> Value {
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

/// Which upstream answers.
fn ask(to: SocketAddr) -> Result<String, String> {
    let case = crowd::case("/", &[("x-user-id", "ana")]);
    let response = client::send(to, None, &case.request, &[])?;
    if response.status() == 200 { Ok(response.text()) } else { Err(response.start) }
}

/// `serin export` over a file that Envoy watches, back and forth, while three clients ask on.
fn swapped() -> Result<(), String> {
    const SWAPS: u64 = 20;
    let mut edge = Edge::new("swapped", &canary(1, 0))?;
    let ecds = edge.file("ecds.yaml").display().to_string();
    edge.export(&["--ecds", &ecds])?;
    let envoy = Envoy::run(edge.folder.clone(), Path::new("/"), &edge.file("envoy.yaml"), &[])?;
    let to = envoy.listener("edge")?;
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let client = || {
        let mut lost = Vec::new();
        while !done.load(Ordering::Relaxed) {
            asked.fetch_add(1, Ordering::Relaxed);
            match ask(to) {
                Ok(name) if name == "web-v1" || name == "web-v2" => {}
                Ok(other) => lost.push(format!("{other} answered")),
                Err(why) => lost.push(why),
            }
        }
        lost
    };
    let (swaps, lost) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..3).map(|_| scope.spawn(client)).collect();
        let swaps = (2..SWAPS + 2).try_for_each(|revision| {
            let odd = revision % 2 == 1;
            edge.spec = canary(revision, if odd { 0 } else { 100 });
            edge.export(&["--ecds", &ecds, "--only", "ecds.yaml"])?;
            let wanted = if odd { "web-v1" } else { "web-v2" };
            let found = envoy::until(PATIENCE, || (ask(to).as_deref() == Ok(wanted)).then_some(()));
            found.ok_or_else(|| format!("revision {revision} never took effect\n{}", envoy.log()))
        });
        done.store(true, Ordering::Relaxed);
        let lost = clients.into_iter().flat_map(|client| client.join().unwrap_or_default());
        (swaps, lost.collect::<Vec<String>>())
    });
    swaps?;
    let asked = asked.load(Ordering::Relaxed);
    println!("       {SWAPS} swaps under {asked} requests, {} lost", lost.len());
    if asked < 200 {
        return Err(format!("{asked} requests are no load"));
    }
    if lost.is_empty() {
        Ok(())
    } else {
        Err(format!("{} lost, the first: {}", lost.len(), lost[0]))
    }
}
