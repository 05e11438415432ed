//! What `serin export istio`, `argo` and `flagger` write, for the examples' specs and for specs by chance:
//! against the published schemas of the resources, Flagger's against types that are generated of its
//! definitions, and Istio's routes against what native Rust decides.

mod kubernetes_router;

use kubernetes_router::{Asked, Routed, by_http_routes, by_virtual_services};
use serde_json::Value;
use serin_conformance::envoy::path_from;
use serin_conformance::native;
use serin_conformance::outcome::Outcome;
use serin_conformance::random::{self, Random};
use serin_conformance::report::Report;
use serin_conformance::vector::{Case, Suite};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// Specs by chance.
const SPECS: usize = 20;

/// What the same spec is exported with.
const VARIANTS: [(&str, &[&str]); 6] = [
    ("gateway", &["--gateway", "edge/shop"]),
    (
        "labelled",
        &["--gateway", "shop", "--selector", "app=gateway", "--namespace", "on", "--port", "8080"],
    ),
    ("gateway-api", &["--gateway", "shop", "--routes", "gateway-api"]),
    (
        "traffic-extension",
        &["--gateway", "shop", "--extension", "traffic-extension", "--pull-secret", "registry"],
    ),
    ("sidecar", &["--variant", "sidecar", "--namespace", "shop", "--selector", "app=frontend"]),
    (
        "sidecar-gateway-api",
        &["--variant", "sidecar", "--namespace", "shop", "--routes", "gateway-api"],
    ),
];

const SHA256: &str = "1ef0c9a92b0420cf25f7fe5d481b231464bc88f486ca3b9c83ed5cc21d2f6210";

fn main() -> ExitCode {
    let mut report = Report::new("Kubernetes");
    report.check("every manifest fits the published schemas", manifests);
    report.check("those for Argo Rollouts too", argo);
    report.check("those for Flagger too", flagger);
    report.check("what does not fit is found", bad_manifests);
    report.check("requests are routed as native decides", routed);
    report.finish()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn folder(name: &str) -> Result<PathBuf, String> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).map_err(|why| format!("{}: {why}", folder.display()))?;
    Ok(folder)
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|why| format!("{}: {why}", path.display()))
}

/// Specs in files: of the examples, one with every field, some by chance.
fn specs(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let files =
        ["examples/envoy/spec.yaml", "examples/worker/spec.json", "tests/schema/whole_spec.yaml"];
    let mut paths: Vec<PathBuf> = files.iter().map(|file| root().join(file)).collect();
    let by_chance = (0..).map(|seed| (seed, random::spec(&mut Random::new(seed))));
    let with_routes = by_chance.filter(|(_, spec)| {
        spec["rollouts"].as_object().is_some_and(|rollouts| rollouts.len() > 1)
    });
    for (seed, spec) in with_routes.take(SPECS) {
        paths.push(folder.join(format!("seed-{seed}.json")));
        write(&folder.join(format!("seed-{seed}.json")), &spec.to_string())?;
        // The same as callers in a mesh would see it: every rollout has hosts, and those are services.
        paths.push(folder.join(format!("seed-{seed}-mesh.json")));
        write(&folder.join(format!("seed-{seed}-mesh.json")), &in_mesh(spec).to_string())?;
    }
    Ok(paths)
}

fn in_mesh(mut spec: Value) -> Value {
    let rollouts = spec.get_mut("rollouts").and_then(Value::as_object_mut).into_iter().flatten();
    for (index, (_, rollout)) in rollouts.enumerate() {
        let hosts = [format!("service-{index}"), format!("service-{index}.shop")];
        rollout["match"]["hosts"] = hosts.into_iter().collect();
    }
    spec
}

fn manifests() -> Result<(), String> {
    let folder = folder("kubernetes")?;
    let mut refused = Vec::new();
    for spec in specs(&folder)? {
        for (variant, options) in VARIANTS {
            let name = spec.file_name().unwrap_or_default().to_string_lossy().replace('.', "-");
            let out = folder.join(format!("{name}-{variant}"));
            match export(&spec, &out, options) {
                Ok(()) => {}
                // A sidecar needs to know the hosts; that is said, and nothing is written.
                Err(why) if why.contains(".match.") && !out.exists() => refused.push(why),
                Err(why) => return Err(format!("{}: {why}", spec.display())),
            }
        }
    }
    println!("       {} exports were refused, each with the place in the spec", refused.len());
    validate(&folder)
}

/// `serin export argo`, for specs whose targets are services.
fn argo() -> Result<(), String> {
    owners("argo", &["--gateway", "edge/shop"])
}

fn flagger() -> Result<(), String> {
    owners("flagger", &["--namespace", "shop", "--port", "8080"])
}

/// Exports to a tool that owns pods; what it can't have is refused with its place.
fn owners(target: &str, options: &[&str]) -> Result<(), String> {
    let folder = folder(&format!("kubernetes-{target}"))?;
    let mut specs = specs(&folder)?;
    specs.push(root().join("cli/tests/serin/guarded/spec.yaml"));
    specs.extend(owned(&folder)?);
    let (mut exported, mut refused) = (0, 0);
    for spec in specs {
        let name = spec.file_name().unwrap_or_default().to_string_lossy().replace('.', "-");
        let mut serin = Command::new(path_from("SERIN_BIN")?);
        serin.args(["export", target]).arg(&spec).arg("--out").arg(folder.join(name)).args(options);
        let output = serin.stdin(Stdio::null()).output();
        let output = output.map_err(|error| format!("serin did not start: {error}"))?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => exported += 1,
            Some(1) if said.contains("rollouts") => refused += 1,
            _ => return Err(format!("{}: {said}", spec.display())),
        }
    }
    println!("       {exported} exports, and {refused} refused, each with the place in the spec");
    if exported < SPECS / 2 {
        return Err("too few".into());
    }
    validate(&folder)
}

/// Specs by chance as tools that own pods take them: each rollout has a host and two services of its own.
fn owned(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let canary = |spec: &Value| {
        let mut rollouts = spec["rollouts"].as_object().into_iter().flat_map(|all| all.values());
        rollouts.any(|rollout| rollout["canary"].is_object())
    };
    let by_chance = (0..).map(|seed| (seed, random::spec(&mut Random::new(seed))));
    let mut paths = Vec::new();
    for (seed, mut spec) in by_chance.filter(|(_, spec)| canary(spec)).take(SPECS) {
        let rollouts =
            spec.get_mut("rollouts").and_then(Value::as_object_mut).into_iter().flatten();
        for (index, (_, rollout)) in rollouts.enumerate() {
            rollout["match"]["hosts"] = [format!("host-{index}.test")].into_iter().collect();
            let baseline = rollout["baseline"].clone();
            let arms = rollout.get_mut("arms").and_then(Value::as_object_mut).into_iter().flatten();
            for (name, arm) in arms {
                let role = if baseline == name.as_str() { "primary" } else { "canary" };
                arm["target"] = format!("service-{index}-{role}").into();
            }
        }
        let path = folder.join(format!("seed-{seed}-owned.json"));
        write(&path, &spec.to_string())?;
        paths.push(path);
    }
    Ok(paths)
}

fn export(spec: &Path, out: &Path, options: &[&str]) -> Result<(), String> {
    let mut serin = Command::new(path_from("SERIN_BIN")?);
    serin.args(["export", "istio"]).arg(spec).arg("--out").arg(out).args(options);
    serin.args(["--url", "oci://registry.example/serin-filter:1", "--sha256", SHA256]);
    // No target is a subset by itself; the same goes for HTTPRoutes, which have none.
    let output = serin.args(["--default", "elsewhere"]).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("serin did not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr)))
}

fn validate(folder: &Path) -> Result<(), String> {
    let mut node = Command::new(path_from("SERIN_NODE")?);
    let tools = path_from("SERIN_KUBERNETES_PACKAGE")?;
    let tools = tools.parent().unwrap_or(Path::new(".")).to_owned();
    node.arg(root().join("tests/kubernetes/validate.mjs")).arg(folder);
    let output = node.env("SERIN_KUBERNETES_TOOLS", tools).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("node did not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    if output.status.success() {
        print!("{said}");
        return Ok(());
    }
    Err(format!("{said}{}", String::from_utf8_lossy(&output.stderr)))
}

/// The check itself has to be able to fail: on values, on fields, on names, on YAML 1.1.
fn bad_manifests() -> Result<(), String> {
    let head = "apiVersion: extensions.istio.io/v1alpha1\nkind: WasmPlugin\nmetadata:\n  name: x\n  \
                annotations: { serin/digest: d, serin/revision: r }\nspec:\n  url: oci://x\n";
    let canary = exported_canary()?;
    let without = |line: &str| canary.replacen(line, "", 1);
    let cases = [
        ("value", format!("{head}  phase: LATER\n"), "phase"),
        ("field", format!("{head}  failStrategie: FAIL_RELOAD\n"), "failStrategie"),
        ("yaml", format!("{head}  pluginConfig: {{ default: off }}\n"), "YAML 1.1"),
        ("mark", head.replace("serin/digest", "digest"), "serin/digest"),
        ("name", head.replace("name: x", "name: X_"), "\"X_\" is no name"),
        ("nameless", head.replace("name: x", "name: \"\""), "\"\" is no name"),
        ("twice", format!("{head}---\n{head}"), "is there twice"),
        (
            "extension",
            head.replace("WasmPlugin", "TrafficExtension"),
            "TrafficExtension: url: not there",
        ),
        // Of Flagger's Canary, at its top, deep inside and in a list; and of its MetricTemplate.
        (
            "flagger-field",
            canary.replace("    threshold:", "    treshold:"),
            ".spec.analysis.treshold is no",
        ),
        (
            "flagger-in-list",
            canary.replace("templateRef:", "templateReference:"),
            "metrics[0].templateReference",
        ),
        ("flagger-top", format!("spek: {{}}\n{canary}"), ".spek is no field"),
        ("flagger-type", canary.replace("port: 80", "port: http"), "invalid type: string \"http\""),
        ("flagger-enum", canary.replace("type: rollback", "type: rolback"), "rolback"),
        (
            "flagger-missing",
            without("  targetRef:\n").replace("    kind: Deployment\n", ""),
            "targetRef",
        ),
        (
            "flagger-template",
            without("    type: prometheus\n"),
            "MetricTemplate: missing field `type`",
        ),
        ("flagger-kind", canary.replace("kind: MetricTemplate", "kind: Metric"), "no type of"),
    ];
    for (name, text, wanted) in cases {
        let folder = folder(&format!("kubernetes-{name}"))?;
        std::fs::create_dir_all(folder.join("one")).map_err(|why| why.to_string())?;
        write(&folder.join("one/bad.yaml"), &text)?;
        match validate(&folder) {
            Ok(()) => return Err(format!("{name} was taken for good")),
            Err(said) if said.contains(wanted) => {}
            Err(said) => return Err(format!("{name}: {said}")),
        }
    }
    Ok(())
}

/// A Canary with its MetricTemplates, to plant mistakes in.
fn exported_canary() -> Result<String, String> {
    let mut serin = Command::new(path_from("SERIN_BIN")?);
    serin.args(["export", "flagger", "--only", "checkout.yaml"]);
    serin.arg(root().join("cli/tests/serin/guarded/spec.yaml"));
    let output = serin.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("serin did not start: {error}"))?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// How a spec's routes are exported, and how a router reads them.
type Exported = (&'static [&'static str], fn(&[Value], &Asked<'_>) -> Option<Routed>, bool);

const ROUTES: [Exported; 4] = [
    (
        &["--gateway", "shop", "--default", DEFAULT, "--only", "virtual-services.yaml"],
        by_virtual_services,
        false,
    ),
    (
        &[
            "--gateway",
            "shop",
            "--default",
            DEFAULT,
            "--routes",
            "gateway-api",
            "--only",
            "http-routes.yaml",
        ],
        by_http_routes,
        false,
    ),
    (
        &["--variant", "sidecar", "--namespace", "shop", "--only", "virtual-services.yaml"],
        by_virtual_services,
        true,
    ),
    (
        &[
            "--variant",
            "sidecar",
            "--namespace",
            "shop",
            "--routes",
            "gateway-api",
            "--only",
            "http-routes.yaml",
        ],
        by_http_routes,
        true,
    ),
];

/// Specs by chance, requests for each, and the target of those that belong to no rollout.
const ROUTED_SPECS: u64 = 60;
const REQUESTS: usize = 60;
const DEFAULT: &str = "elsewhere";

fn routed() -> Result<(), String> {
    let folder = folder("kubernetes-routes")?;
    let (mut arms, mut copies, mut none) = (0, 0, 0);
    for seed in 0..ROUTED_SPECS {
        let given = random::spec(&mut Random::new(seed));
        for (options, router, mesh) in ROUTES {
            let spec = if mesh { in_mesh(given.clone()) } else { given.clone() };
            let resources = routes(&folder, &spec, options)?;
            let suite = Suite {
                name: format!("seed {seed}"),
                about: String::new(),
                spec,
                override_keys: None,
                cases: Vec::new(),
            };
            let plan = native::plan(&suite)?;
            for case in requests(seed, mesh) {
                let outcome = native::decide_case(&plan, &case, case.entropy());
                let field = |name: &str| outcome.upstream.get(name).map(String::as_str);
                let names = ["x-serin-rollout", "x-serin-arm", "x-serin-shadow"];
                let said: Vec<(&str, &str)> =
                    names.iter().filter_map(|name| Some((*name, field(name)?))).collect();
                for headers in [&said[..], &[]] {
                    let host = host(&case, mesh);
                    let path = case.request.path.split('?').next().unwrap_or_default();
                    let seen = router(&resources, &Asked { host: &host, path, headers });
                    // HTTPRoutes name a service and its namespace apart.
                    let seen = seen.map(|(service, copy)| (label(&service), copy));
                    let wanted = wanted(&suite.spec, &outcome, !headers.is_empty())
                        .unwrap_or_else(|| (label(&no_rollout(&suite.spec, &host, mesh)), None));
                    // A host that no rollout names is not this export's to route.
                    let ours = seen.is_some() || field("x-serin-rollout").is_some();
                    if ours && seen.as_ref() != Some(&wanted) {
                        let asked = format!("{host}{path} with {headers:?}");
                        return Err(format!(
                            "seed {seed} {options:?}: {asked} goes to {seen:?}, not {wanted:?}"
                        ));
                    }
                    arms += usize::from(ours && !headers.is_empty());
                    copies += usize::from(wanted.1.is_some());
                    none += usize::from(ours && headers.is_empty());
                }
            }
        }
    }
    println!("       {arms} requests with an arm ({copies} copied), {none} without");
    if arms < 1000 || copies < 100 || none < 1000 {
        return Err("so few prove little".into());
    }
    Ok(())
}

/// The resources that a spec's routes are.
fn routes(folder: &Path, spec: &Value, options: &[&str]) -> Result<Vec<Value>, String> {
    let file = folder.join("spec.json");
    write(&file, &spec.to_string())?;
    let mut serin = Command::new(path_from("SERIN_BIN")?);
    serin.args(["export", "istio"]).arg(&file).args(["--url", "oci://r.example/f:1"]);
    let output = serin.args(options).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("serin did not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if said.contains("istio has no file") {
        // A spec without rollouts has no routes.
        return Ok(Vec::new());
    }
    if !output.status.success() {
        return Err(format!("{}: {said}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let document =
        |text: &str| serde_saphyr::from_str(text).map_err(|why| format!("{why}\n{text}"));
    text.split("\n---\n").map(document).collect()
}

/// What every router takes as it is: paths without escapes, doubled slashes or dots, hosts without a
/// closing dot.
fn requests(seed: u64, mesh: bool) -> Vec<Case> {
    let mut random = Random::new(seed);
    let mut cases = Vec::new();
    while cases.len() < REQUESTS {
        let mut case = random::request(&mut random);
        let respelt = ["%", "//", "/."].iter().any(|part| case.request.path.contains(part));
        if respelt || case.request.authority.ends_with('.') {
            continue;
        }
        if mesh {
            let names = ["service-0", "service-1.shop", "service-1", "service-2", "service-3.shop"];
            case.request.authority = (*random.pick(&names)).into();
        }
        cases.push(case);
    }
    cases
}

/// The host as a router knows it: a sidecar knows services by their full names.
fn host(case: &Case, sidecar: bool) -> String {
    let host = case.request.authority.to_ascii_lowercase();
    let host = host.split(':').next().unwrap_or_default();
    if sidecar {
        let service = host.split('.').next().unwrap_or_default();
        return format!("{service}.shop.svc.cluster.local");
    }
    host.into()
}

fn label(host: &str) -> String {
    host.split('.').next().unwrap_or_default().to_owned()
}

/// Where a request of a rollout goes.
fn wanted(spec: &Value, outcome: &Outcome, decided: bool) -> Option<Routed> {
    let field = |name: &str| outcome.upstream.get(name).cloned();
    let rollout = &spec["rollouts"][field("x-serin-rollout")?];
    let arm = field("x-serin-arm").filter(|_| decided);
    let arm = arm.or_else(|| rollout["baseline"].as_str().map(str::to_owned)).unwrap_or_default();
    let target = rollout["arms"][arm]["target"].as_str().unwrap_or_default();
    Some((target.into(), field("x-serin-shadow").filter(|_| decided)))
}

/// Where any other goes: to the default; in a mesh, where none is given, to the baselines' target if there
/// is just one, or to the service that was called.
fn no_rollout(spec: &Value, host: &str, mesh: bool) -> String {
    if !mesh {
        return DEFAULT.into();
    }
    let rollouts = spec["rollouts"].as_object().into_iter().flat_map(|rollouts| rollouts.values());
    let baseline = |rollout: &Value| {
        let name = rollout["baseline"].as_str().unwrap_or_default();
        rollout["arms"][name]["target"].as_str().unwrap_or_default().to_owned()
    };
    let targets: BTreeSet<String> = rollouts.map(baseline).collect();
    match (targets.len(), targets.first()) {
        (1, Some(target)) => target.clone(),
        _ => host.to_owned(),
    }
}
