//! `serin export istio`, `argo` and `flagger` for the examples' specs and for random specs. Manifests are
//! checked against the published schemas (Flagger's against types that are generated from its resource
//! definitions), and Istio's routes against the decisions of native Rust.

mod kubernetes_router;

use kubernetes_router::{RoutedRequest, Targets, route_by_http_routes, route_by_virtual_services};
use serde_json::Value;
use serin_conformance::envoy::path_from_env;
use serin_conformance::native;
use serin_conformance::outcome::Outcome;
use serin_conformance::random::{self, Random};
use serin_conformance::report::Report;
use serin_conformance::serin_cli;
use serin_conformance::vector::{Case, Suite};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

/// The number of random specs.
const SPECS: usize = 20;

/// The option sets that each spec is exported with, by name.
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
    report.check("manifests for Istio fit the published schemas", istio_manifests);
    report.check("manifests for Argo Rollouts fit the published schemas", argo_manifests);
    report.check("manifests for Flagger fit the published types", flagger_manifests);
    report.check("bad manifests are found", bad_manifests);
    report.check("requests are routed as native decides", routes_agree_with_native);
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

/// Writes specs to files and returns their paths: the examples' specs, one with every field, and random
/// ones.
fn specs(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let files =
        ["examples/envoy/spec.yaml", "examples/worker/spec.json", "tests/schema/whole_spec.yaml"];
    let mut paths: Vec<PathBuf> = files.iter().map(|file| root().join(file)).collect();
    for (seed, spec) in random::specs_with_rollouts().take(SPECS) {
        paths.push(folder.join(format!("seed-{seed}.json")));
        write(&folder.join(format!("seed-{seed}.json")), &spec.to_string())?;
        paths.push(folder.join(format!("seed-{seed}-mesh.json")));
        write(&folder.join(format!("seed-{seed}-mesh.json")), &for_mesh(spec).to_string())?;
    }
    Ok(paths)
}

/// The spec for callers in a mesh: the hosts of every rollout are services.
fn for_mesh(mut spec: Value) -> Value {
    let rollouts = spec.get_mut("rollouts").and_then(Value::as_object_mut).into_iter().flatten();
    for (index, (_, rollout)) in rollouts.enumerate() {
        let hosts = [format!("service-{index}"), format!("service-{index}.shop")];
        rollout["match"]["hosts"] = hosts.into_iter().collect();
    }
    spec
}

fn istio_manifests() -> Result<(), String> {
    let folder = folder("kubernetes")?;
    let mut refused = Vec::new();
    for spec in specs(&folder)? {
        for (variant, options) in VARIANTS {
            let name = spec.file_name().unwrap_or_default().to_string_lossy().replace('.', "-");
            let out = folder.join(format!("{name}-{variant}"));
            match export_istio(&spec, &out, options) {
                Ok(()) => {}
                // A sidecar needs hosts. Without them the export is refused and nothing is written.
                Err(why) if why.contains(".match.") && !out.exists() => refused.push(why),
                Err(why) => return Err(format!("{}: {why}", spec.display())),
            }
        }
    }
    println!("       {} exports were refused, each with the path in the spec", refused.len());
    validate(&folder)
}

fn argo_manifests() -> Result<(), String> {
    controller_manifests("argo", &["--gateway", "edge/shop"])
}

fn flagger_manifests() -> Result<(), String> {
    controller_manifests("flagger", &["--namespace", "shop", "--port", "8080"])
}

/// Exports specs to a rollout controller, which owns the pods. A spec that it does not support is
/// refused with the path.
fn controller_manifests(target: &str, options: &[&str]) -> Result<(), String> {
    let folder = folder(&format!("kubernetes-{target}"))?;
    let mut specs = specs(&folder)?;
    specs.push(root().join("cli/tests/serin/guarded/spec.yaml"));
    specs.extend(controller_specs(&folder)?);
    let (mut exported, mut refused) = (0, 0);
    for spec in specs {
        let name = spec.file_name().unwrap_or_default().to_string_lossy().replace('.', "-");
        let mut serin = serin_cli::command()?;
        serin.args(["export", target]).arg(&spec).arg("--out").arg(folder.join(name)).args(options);
        let output = serin_cli::run(&mut serin)?;
        let errors = serin_cli::stderr(&output);
        match output.status.code() {
            Some(0) => exported += 1,
            Some(1) if errors.contains("rollouts") => refused += 1,
            _ => return Err(format!("{}: {errors}", spec.display())),
        }
    }
    println!("       {exported} exports; {refused} were refused, each with the path in the spec");
    if exported < SPECS / 2 {
        return Err(format!("{exported} exports are too few"));
    }
    validate(&folder)
}

/// Writes random specs that rollout controllers support: each rollout has one host and two services.
fn controller_specs(folder: &Path) -> Result<Vec<PathBuf>, String> {
    let has_canary = |spec: &Value| {
        let mut rollouts = spec["rollouts"].as_object().into_iter().flat_map(|all| all.values());
        rollouts.any(|rollout| rollout["canary"].is_object())
    };
    let specs = (0..).map(|seed| (seed, random::spec(&mut Random::new(seed))));
    let mut paths = Vec::new();
    for (seed, mut spec) in specs.filter(|(_, spec)| has_canary(spec)).take(SPECS) {
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
        let path = folder.join(format!("seed-{seed}-controller.json"));
        write(&path, &spec.to_string())?;
        paths.push(path);
    }
    Ok(paths)
}

fn export_istio(spec: &Path, out: &Path, options: &[&str]) -> Result<(), String> {
    let mut serin = serin_cli::command()?;
    serin.args(["export", "istio"]).arg(spec).arg("--out").arg(out).args(options);
    serin.args(["--url", "oci://registry.example/serin-filter:1", "--sha256", SHA256]);
    serin_cli::stdout(serin.args(["--default", "elsewhere"])).map(drop)
}

/// Validates all manifests below a folder with `kubernetes/validate.mjs`.
fn validate(folder: &Path) -> Result<(), String> {
    let mut node = Command::new(path_from_env("SERIN_NODE")?);
    let tools = path_from_env("SERIN_KUBERNETES_PACKAGE")?;
    let tools = tools.parent().unwrap_or(Path::new(".")).to_owned();
    node.arg(root().join("tests/kubernetes/validate.mjs")).arg(folder);
    let output = node.env("SERIN_KUBERNETES_TOOLS", tools).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("node did not start: {error}"))?;
    let stdout = String::from_utf8_lossy(&output.stdout);
    if output.status.success() {
        print!("{stdout}");
        return Ok(());
    }
    Err(format!("{stdout}{}", serin_cli::stderr(&output)))
}

/// Validation must fail for bad values, fields and names, and for YAML that 1.1 reads differently.
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
        // Flagger's Canary: at its top level, nested, and in a list. And its MetricTemplate.
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
    for (name, text, expected) in cases {
        let folder = folder(&format!("kubernetes-{name}"))?;
        std::fs::create_dir_all(folder.join("one")).map_err(|why| why.to_string())?;
        write(&folder.join("one/bad.yaml"), &text)?;
        match validate(&folder) {
            Ok(()) => return Err(format!("the bad manifest {name} is accepted")),
            Err(why) if why.contains(expected) => {}
            Err(why) => return Err(format!("{name}: expected {expected:?}, got {why}")),
        }
    }
    Ok(())
}

/// A valid Canary with its MetricTemplates.
fn exported_canary() -> Result<String, String> {
    let mut serin = serin_cli::command()?;
    serin.args(["export", "flagger", "--only", "checkout.yaml"]);
    serin.arg(root().join("cli/tests/serin/guarded/spec.yaml"));
    serin_cli::stdout(&mut serin)
}

/// The options of an export of routes, the router that reads them, and whether it is a mesh.
type RouteExport =
    (&'static [&'static str], fn(&[Value], &RoutedRequest<'_>) -> Option<Targets>, bool);

const ROUTE_EXPORTS: [RouteExport; 4] = [
    (
        &["--gateway", "shop", "--default", DEFAULT, "--only", "virtual-services.yaml"],
        route_by_virtual_services,
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
        route_by_http_routes,
        false,
    ),
    (
        &["--variant", "sidecar", "--namespace", "shop", "--only", "virtual-services.yaml"],
        route_by_virtual_services,
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
        route_by_http_routes,
        true,
    ),
];

/// The number of random specs whose routes are compared.
const ROUTED_SPECS: u64 = 60;
/// The number of requests under each spec.
const REQUESTS: usize = 60;
/// The target of requests that belong to no rollout.
const DEFAULT: &str = "elsewhere";

fn routes_agree_with_native() -> Result<(), String> {
    let folder = folder("kubernetes-routes")?;
    let (mut decided, mut copied, mut undecided) = (0, 0, 0);
    for seed in 0..ROUTED_SPECS {
        let random_spec = random::spec(&mut Random::new(seed));
        for (options, router, mesh) in ROUTE_EXPORTS {
            let spec = if mesh { for_mesh(random_spec.clone()) } else { random_spec.clone() };
            let resources = export_routes(&folder, &spec, options)?;
            let suite = Suite::without_cases(&format!("seed {seed}"), spec);
            let plan = native::plan(&suite)?;
            for case in requests(seed, mesh) {
                let outcome = native::decide_case(&plan, &case, case.entropy());
                let field = |name: &str| outcome.upstream.get(name).map(String::as_str);
                let names = ["x-serin-rollout", "x-serin-arm", "x-serin-shadow"];
                let own: Vec<(&str, &str)> =
                    names.iter().filter_map(|name| Some((*name, field(name)?))).collect();
                // With the filter's fields, and without them.
                for headers in [&own[..], &[]] {
                    let host = host(&case, mesh);
                    let path = case.request.path.split('?').next().unwrap_or_default();
                    let request = RoutedRequest { host: &host, path, headers };
                    // HTTPRoutes name a service without its namespace, VirtualServices with it.
                    let actual =
                        router(&resources, &request).map(|(service, copy)| (label(&service), copy));
                    let expected = expected_targets(&suite.spec, &outcome, !headers.is_empty())
                        .unwrap_or_else(|| {
                            (label(&default_target(&suite.spec, &host, mesh)), None)
                        });
                    // The export does not route hosts that no rollout names.
                    let is_routed = actual.is_some() || field("x-serin-rollout").is_some();
                    if is_routed && actual.as_ref() != Some(&expected) {
                        return Err(format!(
                            "seed {seed} {options:?}: {host}{path} with {headers:?} goes to \
                             {actual:?}, expected {expected:?}"
                        ));
                    }
                    decided += usize::from(is_routed && !headers.is_empty());
                    copied += usize::from(expected.1.is_some());
                    undecided += usize::from(is_routed && headers.is_empty());
                }
            }
        }
    }
    println!("       {decided} requests with an arm ({copied} copied), {undecided} without");
    if decided < 1000 || copied < 100 || undecided < 1000 {
        return Err("too few requests were routed".into());
    }
    Ok(())
}

/// Exports the routes of a spec; returns their resources.
fn export_routes(folder: &Path, spec: &Value, options: &[&str]) -> Result<Vec<Value>, String> {
    let file = folder.join("spec.json");
    write(&file, &spec.to_string())?;
    let mut serin = serin_cli::command()?;
    serin.args(["export", "istio"]).arg(&file).args(["--url", "oci://r.example/f:1"]);
    let output = serin_cli::run(serin.args(options))?;
    let errors = serin_cli::stderr(&output);
    if errors.contains("istio has no file") {
        // A spec without rollouts has no routes.
        return Ok(Vec::new());
    }
    if !output.status.success() {
        return Err(format!("{}: {errors}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let document =
        |text: &str| serde_saphyr::from_str(text).map_err(|why| format!("{why}\n{text}"));
    text.split("\n---\n").map(document).collect()
}

/// Random requests that routers do not normalise: paths without escapes, double slashes and dot
/// segments, hosts without a final dot.
fn requests(seed: u64, mesh: bool) -> Vec<Case> {
    let mut random = Random::new(seed);
    let mut cases = Vec::new();
    while cases.len() < REQUESTS {
        let mut case = random::request(&mut random);
        let is_normalised = !["%", "//", "/."].iter().any(|part| case.request.path.contains(part));
        if !is_normalised || case.request.authority.ends_with('.') {
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

/// The host in a router's configuration. A sidecar uses the full names of services.
fn host(case: &Case, sidecar: bool) -> String {
    let host = case.request.authority.to_ascii_lowercase();
    let host = host.split(':').next().unwrap_or_default();
    if sidecar {
        let service = host.split('.').next().unwrap_or_default();
        return format!("{service}.shop.svc.cluster.local");
    }
    host.into()
}

/// The first label of a host name.
fn label(host: &str) -> String {
    host.split('.').next().unwrap_or_default().to_owned()
}

/// The targets of a request that belongs to a rollout. Without the filter's fields it goes to the
/// baseline.
fn expected_targets(spec: &Value, outcome: &Outcome, decided: bool) -> Option<Targets> {
    let field = |name: &str| outcome.upstream.get(name).cloned();
    let rollout = &spec["rollouts"][field("x-serin-rollout")?];
    let arm = field("x-serin-arm").filter(|_| decided);
    let arm = arm.or_else(|| rollout["baseline"].as_str().map(str::to_owned)).unwrap_or_default();
    let target = rollout["arms"][arm]["target"].as_str().unwrap_or_default();
    Some((target.into(), field("x-serin-shadow").filter(|_| decided)))
}

/// The target of a request that belongs to no rollout: the default. A mesh has none; there it is the
/// target of all baselines if they have the same, else the called service.
fn default_target(spec: &Value, host: &str, mesh: bool) -> String {
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
