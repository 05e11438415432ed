//! `serin drift` against real hosts: two Envoys, one of which gets patched by hand, and a Worker in
//! workerd.

mod worker_process;

use serde_json::{Value, json};
use serin_conformance::client;
use serin_conformance::envoy::{self, Envoy, bootstrap, path_from_env};
use serin_conformance::report::Report;
use serin_conformance::serin_cli;
use serin_conformance::upstream::Upstream;
use serin_conformance::vector::Request;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use worker_process::{WorkerConfig, Workerd};

const TOKEN: &str = "token";
const WITH_TOKEN: &[(&str, &str)] = &[("SERIN_STATUS_TOKEN", TOKEN)];

/// A filter that accepts any configuration and passes every request.
const OTHER_FILTER: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
    (func (export "proxy_on_context_create") (param i32 i32))
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1)))"#;

/// A filter that sets the gauge of an abort when it is configured, and passes every request.
const ABORT_GAUGE_FILTER: &str = r#"(module
    (import "env" "proxy_define_metric" (func $define (param i32 i32 i32 i32) (result i32)))
    (import "env" "proxy_record_metric" (func $record (param i32 i64) (result i32)))
    (memory (export "memory") 1)
    (data (i32.const 16) "serin.latch.shop.aborted")
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
    (func (export "proxy_on_context_create") (param i32 i32))
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_configure") (param i32 i32) (result i32)
        (drop (call $define (i32.const 1) (i32.const 16) (i32.const 24) (i32.const 8)))
        (drop (call $record (i32.load (i32.const 8)) (i64.const 1)))
        (i32.const 1)))"#;

fn main() -> ExitCode {
    let mut report = Report::new("serin drift");
    match Fleet::start() {
        Ok(fleet) => {
            report.check("two Envoys and a Worker are in sync", || fleet.in_sync());
            report.check("a single difference is reported with its path", || fleet.difference());
            report.check("a spec that the filter refuses is not in force", || fleet.refused_spec());
            report.check("every host is behind a revision that is only in git", || {
                fleet.newer_revision_in_git()
            });
            report.check("a filter that is not Serin's is not in force", || fleet.other_filter());
            report.check("an abort in force is drift", || fleet.abort_in_envoy());
            report.check("a Worker's latches are reported", || fleet.abort_in_worker());
            report.check("a status page over https needs a trusted certificate", || fleet.https());
            report.check("a host that does not respond or refuses is not asked", || {
                fleet.unreachable_hosts()
            });
        }
        Err(why) => report.record("the fleet starts", Err(why)),
    }
    report.finish()
}

/// The hosts and their spec.
struct Fleet {
    spec: Value,
    /// The Envoy with a static configuration.
    fixed: Envoy,
    /// The Envoy whose filter configuration is in a file.
    patched: Envoy,
    workerd: Workerd,
    filter: PathBuf,
    upstream: Upstream,
}

/// The result of `serin drift`.
struct DriftReport {
    code: Option<i32>,
    json: Value,
    text: String,
}

impl Fleet {
    fn start() -> Result<Self, String> {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/envoy/spec.json");
        let text = std::fs::read_to_string(&example).map_err(|error| error.to_string())?;
        let spec: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let filter = path_from_env("SERIN_FILTER_WASM")?;
        let upstream = Upstream::start("upstream")?;
        let clusters = [("upstream", upstream.address)];
        let config = |filter: &Value| {
            let listeners =
                ["web", "api"].map(|name| bootstrap::listener(name, filter, "upstream"));
            bootstrap::bootstrap(listeners.to_vec(), &clusters)
        };
        let fixed = config(&bootstrap::wasm_filter(&filter, &text));
        let fixed = Envoy::start(envoy::create_folder("drift-fixed")?, &fixed)?;
        let folder = envoy::create_folder("drift-patched")?;
        deliver(&folder, &filter, &spec)?;
        let file = folder.join("serin.json");
        let patched = config(&bootstrap::wasm_filter_from_file(&file, &folder));
        let patched = Envoy::start(folder, &patched)?;
        let targets = json!({"shop-stable": format!("http://{}", upstream.address)});
        let variables = json!({
            "SERIN_SPEC": text,
            "SERIN_TARGETS": targets,
            "SERIN_BASELINE": "shop-stable",
            "SERIN_STATUS_TOKEN": TOKEN,
        });
        let aborted = json!({"latches": [{"rollout": "shop", "epoch": 0, "left": [], "abort": {
            "epoch": 0, "at": 1_795_250_000_000_u64, "digest": "0123456789abcdef", "reason": "errors",
        }}]});
        let worker = |name: &str, latches| WorkerConfig {
            name: name.into(),
            variables: variables.clone(),
            latches,
        };
        let workerd = Workerd::start(&[worker("edge", None), worker("aborted", Some(aborted))])?;
        Ok(Fleet { spec, fixed, patched, workerd, filter, upstream })
    }

    /// Compares all three hosts with a spec.
    fn compare(&self, spec: &Value) -> Result<DriftReport, String> {
        let status = format!("http://{}/.serin/status", self.workerd.address("edge")?);
        let admin = |envoy: &Envoy| format!("http://{}", envoy.admin_address());
        let (fixed, patched) = (admin(&self.fixed), admin(&self.patched));
        drift(spec, &["--envoy", &fixed, &patched, "--worker", &status], WITH_TOKEN)
    }

    fn in_sync(&self) -> Result<(), String> {
        let report = self.compare(&self.spec)?;
        report.expect(0, &["in-sync"; 3])?;
        report.expect_text("3 of 3 in sync, 0 in drift, 0 could not be asked")
    }

    fn difference(&self) -> Result<(), String> {
        let mut patched = self.spec.clone();
        patched["rollouts"]["shop"]["canary"]["share"] = json!(26);
        deliver(&self.patched.folder, &self.filter, &patched)?;
        let states = ["in-sync", "drift", "in-sync"];
        let report = self.wait_until(|report| report.states() == states)?;
        report.expect(1, &states)?;
        let expected = json!([{"path": "rollouts.shop.canary.share", "git": 25, "host": 26}]);
        let actual = &report.json["hosts"][1]["specs"][0]["differences"];
        if *actual != expected {
            return Err(format!("expected {expected}, got {actual}"));
        }
        report.expect_text("ECDS serin: revision 1 with another digest (")?;
        report.expect_text("    rollouts.shop.canary.share: 25 → 26\n")
    }

    fn refused_spec(&self) -> Result<(), String> {
        let mut bad = self.spec.clone();
        bad["revision"] = json!(2);
        bad["rollouts"]["shop"]["baseline"] = json!("nobody");
        deliver(&self.patched.folder, &self.filter, &bad)?;
        let report = self.wait_until(|report| report.text.contains("is refused"))?;
        report.expect_text(
            "ECDS serin: the spec is refused, 1 error, the first: rollouts.shop.baseline: ",
        )?;
        report.expect_text("revision 1 is still in force, not what ECDS serin has")?;
        deliver(&self.patched.folder, &self.filter, &self.spec)?;
        self.wait_until(|report| report.code == Some(0)).map(drop)
    }

    fn newer_revision_in_git(&self) -> Result<(), String> {
        let mut newer = self.spec.clone();
        newer["revision"] = json!(2);
        let report = self.compare(&newer)?;
        report.expect(1, &["drift"; 3])?;
        report
            .expect_text("listener web, filter serin; listener api, filter serin: revision 1 (")?;
        report.expect_text("variable: revision 1 (")
    }

    /// The configuration equals git's, but another filter has it.
    fn other_filter(&self) -> Result<(), String> {
        let folder = envoy::create_folder("drift-other")?;
        let other = folder.join("other.wasm");
        let bytes = wat::parse_str(OTHER_FILTER).map_err(|error| error.to_string())?;
        std::fs::write(&other, bytes).map_err(|error| error.to_string())?;
        let mut filter = bootstrap::wasm_filter(&other, &self.spec.to_string());
        filter["typed_config"]["config"]["vm_config"]["vm_id"] = json!("other");
        let listener = bootstrap::listener("web", &filter, "upstream");
        let clusters = [("upstream", self.upstream.address)];
        let envoy = Envoy::start(folder, &bootstrap::bootstrap(vec![listener], &clusters))?;
        let admin = format!("http://{}/?a=b", envoy.admin_address());
        let report = drift(&self.spec, &["--envoy", &admin], WITH_TOKEN)?;
        report.expect(1, &["drift"])?;
        report.expect_text("  no revision is in force: the filter does not run")
    }

    /// A second filter sets the gauge, because this tests how drift reads it and not how an abort
    /// happens.
    fn abort_in_envoy(&self) -> Result<(), String> {
        let folder = envoy::create_folder("drift-abort")?;
        let latch = folder.join("latch.wasm");
        let bytes = wat::parse_str(ABORT_GAUGE_FILTER).map_err(|error| error.to_string())?;
        std::fs::write(&latch, bytes).map_err(|error| error.to_string())?;
        let mut filter = bootstrap::wasm_filter(&latch, "");
        filter["name"] = json!("latch");
        filter["typed_config"]["config"]["vm_config"]["vm_id"] = json!("latch");
        let serin = bootstrap::wasm_filter(&self.filter, &self.spec.to_string());
        let mut listener = bootstrap::listener("web", &serin, "upstream");
        http_filters(&mut listener)?.insert(1, filter);
        let clusters = [("upstream", self.upstream.address)];
        let envoy = Envoy::start(folder, &bootstrap::bootstrap(vec![listener], &clusters))?;
        let admin = format!("http://{}", envoy.admin_address());
        let report = drift(&self.spec, &["--envoy", &admin], WITH_TOKEN)?;
        report.expect(1, &["drift"])?;
        report.expect_text("  rollout shop is aborted\n")
    }

    fn abort_in_worker(&self) -> Result<(), String> {
        let status = format!("http://{}/.serin/status", self.workerd.address("aborted")?);
        let report = drift(&self.spec, &["--worker", &status], WITH_TOKEN)?;
        report.expect(1, &["drift"])?;
        report.expect_text(
            "  rollout shop is aborted (epoch 0, since 2026-11-21T08:33:20Z): errors\n",
        )?;
        let mut raised = self.spec.clone();
        raised["rollouts"]["shop"]["epoch"] = json!(1);
        self.diff_reports_cleared_abort(&raised)?;
        let report = drift(&raised, &["--worker", &status], WITH_TOKEN)?;
        if report.text.contains("is aborted") {
            return Err(format!("the raised epoch did not clear the abort\n{}", report.text));
        }
        Ok(())
    }

    /// `serin diff --latches` with the Worker's status page reports that a raised epoch clears the
    /// abort.
    fn diff_reports_cleared_abort(&self, raised: &Value) -> Result<(), String> {
        let request = serde_json::from_value(json!({"path": "/.serin/status"}));
        let request: Request = request.map_err(|error| error.to_string())?;
        let authorization = format!("Bearer {TOKEN}");
        let extra = [("authorization", authorization.as_str())];
        let page = client::send(self.workerd.address("aborted")?, None, &request, &extra)?.text();
        let folder = envoy::create_folder("drift-latches")?;
        let file = |name: &str, text: &str| {
            let file = folder.join(name);
            envoy::write_file(&file, text).map(|()| file)
        };
        let mut command = serin_cli::command()?;
        command.arg("diff").arg(file("old.json", &self.spec.to_string())?);
        command.arg(file("new.json", &raised.to_string())?).args(["--units", "1000"]);
        command.arg("--latches").arg(file("status.json", &page)?);
        let output = serin_cli::run(&mut command)?;
        let text = String::from_utf8_lossy(&output.stdout);
        let cleared = "- rollout `shop`: the abort of epoch 0 is cleared (since 2026-11-21T08:33:20Z, `errors`)";
        if text.contains(cleared) && text.contains("| rollout `shop` | everybody |") {
            return Ok(());
        }
        Err(format!("{text}{}", serin_cli::stderr(&output)))
    }

    /// An Envoy in front of the Worker terminates TLS with a self-signed certificate.
    fn https(&self) -> Result<(), String> {
        let generated = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let generated = generated.map_err(|error| error.to_string())?;
        let folder = envoy::create_folder("drift-https")?;
        let trusted = folder.join("trusted.pem");
        envoy::write_file(&trusted, &generated.cert.pem())?;
        let serin = bootstrap::wasm_filter(&self.filter, &self.spec.to_string());
        let mut listener = bootstrap::listener("web", &serin, "worker");
        // The first filter verifies JWTs and would refuse the status token.
        http_filters(&mut listener)?.remove(0);
        listener["filter_chains"][0]["transport_socket"] = json!({
            "name": "tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {"tls_certificates": [{
                    "certificate_chain": {"inline_string": generated.cert.pem()},
                    "private_key": {"inline_string": generated.signing_key.serialize_pem()},
                }]},
            },
        });
        let clusters = [("worker", self.workerd.address("edge")?)];
        let envoy = Envoy::start(folder, &bootstrap::bootstrap(vec![listener], &clusters))?;
        let status = format!("https://localhost:{}/.serin/status", envoy.listener("web")?.port());
        let untrusted = drift(&self.spec, &["--worker", &status], WITH_TOKEN)?;
        untrusted.expect(2, &["not-asked"])?;
        untrusted.expect_text("invalid peer certificate")?;
        let trusted = trusted.to_string_lossy();
        let trust = [("SERIN_STATUS_TOKEN", TOKEN), ("SSL_CERT_FILE", &*trusted)];
        drift(&self.spec, &["--worker", &status], &trust)?.expect(0, &["in-sync"])
    }

    fn unreachable_hosts(&self) -> Result<(), String> {
        let fixed = format!("http://{}", self.fixed.admin_address());
        // The local port of an open connection: nothing listens there, and no other process gets it.
        let client = std::net::TcpStream::connect(self.fixed.admin_address());
        let client = client.map_err(|error| error.to_string())?;
        let address = client.local_addr().map_err(|error| error.to_string())?;
        let closed = format!("http://{address}");
        let report = drift(&self.spec, &["--envoy", &fixed, &closed], WITH_TOKEN)?;
        report.expect(2, &["in-sync", "not-asked"])?;
        let status = format!("http://{}/.serin/status", self.workerd.address("edge")?);
        for (arguments, token, why) in [
            (["--worker", &status], "wrong", "/.serin/status: the response is 401 Unauthorized"),
            (["--worker", &status], "", "set SERIN_STATUS_TOKEN"),
            (["--worker", &status], "token\n", "SERIN_STATUS_TOKEN contains a control character"),
            (["--worker", "http://192.0.2.1/s"], TOKEN, "only by https"),
            (["--worker", &fixed], TOKEN, "the response is not JSON"),
            (["--envoy", &status], TOKEN, "/.serin/status/config_dump"),
        ] {
            let report = drift(&self.spec, &arguments, &[("SERIN_STATUS_TOKEN", token)])?;
            report.expect(2, &["not-asked"])?;
            report.expect_text(why)?;
        }
        Ok(())
    }

    /// Compares until the report is as expected: Envoy reads a new file with a delay.
    fn wait_until(&self, expected: impl Fn(&DriftReport) -> bool) -> Result<DriftReport, String> {
        let mut last = String::new();
        let found = envoy::poll(|| {
            let report = self.compare(&self.spec).map_err(|why| last = why).ok()?;
            last.clone_from(&report.text);
            expected(&report).then_some(report)
        });
        found.ok_or_else(|| format!("timed out; the last report was\n{last}"))
    }
}

impl DriftReport {
    fn states(&self) -> Vec<&str> {
        let hosts = self.json["hosts"].as_array().map(Vec::as_slice).unwrap_or_default();
        hosts.iter().filter_map(|host| host["state"].as_str()).collect()
    }

    fn expect(&self, code: i32, states: &[&str]) -> Result<(), String> {
        if self.code == Some(code) && self.states() == states {
            return Ok(());
        }
        Err(format!("exit code {:?}, {:?}\n{}", self.code, self.states(), self.text))
    }

    fn expect_text(&self, text: &str) -> Result<(), String> {
        if self.text.contains(text) {
            return Ok(());
        }
        Err(format!("the output does not contain {text:?}:\n{}", self.text))
    }
}

fn http_filters(listener: &mut Value) -> Result<&mut Vec<Value>, String> {
    let filters = listener.pointer_mut("/filter_chains/0/filters/0/typed_config/http_filters");
    filters.and_then(Value::as_array_mut).ok_or_else(|| "the listener has no filters".into())
}

/// Runs `serin drift` twice, for its text and for its JSON; both exit codes must be equal.
fn drift(
    spec: &Value,
    arguments: &[&str],
    variables: &[(&str, &str)],
) -> Result<DriftReport, String> {
    let file = envoy::create_folder("drift-spec")?.join("spec.json");
    envoy::write_file(&file, &spec.to_string())?;
    let run = |format: &[&str]| {
        let mut command = serin_cli::command()?;
        command.arg("drift").arg(&file).args(arguments).args(format);
        command.envs(variables.iter().copied()).env("NO_PROXY", "*");
        let output = serin_cli::run(&mut command)?;
        let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok::<_, String>((output.status.code(), stdout, serin_cli::stderr(&output)))
    };
    let (code, text, errors) = run(&[])?;
    let (json_code, json, _) = run(&["--json"])?;
    let json = serde_json::from_str(&json).map_err(|error| format!("{error}: {json}{errors}"))?;
    if code != json_code {
        // A host may have changed between the two runs; callers that wait try again.
        return Err(format!("exit code {code:?} as text, {json_code:?} as JSON\n{text}"));
    }
    Ok(DriftReport { code, json, text })
}

/// Writes a spec to the file that the patched Envoy watches.
fn deliver(folder: &Path, filter: &Path, spec: &Value) -> Result<(), String> {
    let version = spec.to_string().len().to_string();
    let config = bootstrap::wasm_config(filter, &spec.to_string());
    let response = bootstrap::discovery_response(&version, &config);
    envoy::replace_file(&folder.join("serin.json"), &response.to_string())
}
