//! `serin drift` against what it is for: two real Envoys, one of which somebody has patched by hand, and
//! a Worker in real workerd.

mod worker_process;

use serde_json::{Value, json};
use serin_conformance::client;
use serin_conformance::envoy::{self, Envoy, bootstrap, path_from};
use serin_conformance::report::Report;
use serin_conformance::upstream::Upstream;
use serin_conformance::vector::Request;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;
use worker_process::{Described, Workerd};

const TOKEN: &str = "token";
const WITH_TOKEN: &[(&str, &str)] = &[("SERIN_STATUS_TOKEN", TOKEN)];

/// Takes any configuration, and lets every request pass.
const OTHER: &str = r#"(module
    (memory (export "memory") 1)
    (func (export "proxy_abi_version_0_2_1"))
    (func (export "proxy_on_memory_allocate") (param i32) (result i32) (i32.const 1024))
    (func (export "proxy_on_context_create") (param i32 i32))
    (func (export "proxy_on_vm_start") (param i32 i32) (result i32) (i32.const 1))
    (func (export "proxy_on_configure") (param i32 i32) (result i32) (i32.const 1)))"#;

/// Sets a gauge when it is configured, and lets every request pass.
const LATCH: &str = r#"(module
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
            report.check("one byte that differs is named by its place", || fleet.one_byte());
            report.check("a spec that the filter refuses is not in force", || fleet.refused());
            report.check("every host is behind a revision that is only in git", || fleet.behind());
            report.check("a filter that is not Serin's is not in force", || fleet.other());
            report.check("an abort in force is drift", || fleet.abort());
            report.check("a Worker tells its latches", || fleet.latch());
            report.check("a status page by https, from whom the system trusts", || fleet.https());
            report.check("a host that does not answer, or not to us", || fleet.silent());
        }
        Err(why) => report.ran("the fleet starts", Err(why)),
    }
    report.finish()
}

/// The hosts, and what they were given.
struct Fleet {
    spec: Value,
    /// Static configuration.
    fixed: Envoy,
    /// Its configuration lies in a file.
    patched: Envoy,
    workerd: Workerd,
    filter: PathBuf,
    upstream: Upstream,
}

/// What `serin drift` said.
struct Said {
    code: Option<i32>,
    json: Value,
    text: String,
}

impl Fleet {
    fn start() -> Result<Self, String> {
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/envoy/spec.json");
        let text = std::fs::read_to_string(&example).map_err(|error| error.to_string())?;
        let spec: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let filter = path_from("SERIN_FILTER_WASM")?;
        let upstream = Upstream::start("upstream")?;
        let clusters = [("upstream", upstream.address)];
        let config = |filter: &Value| {
            let listeners =
                ["web", "api"].map(|name| bootstrap::listener(name, filter, "upstream"));
            bootstrap::bootstrap(listeners.to_vec(), &clusters)
        };
        let fixed = config(&bootstrap::wasm(&filter, &text));
        let fixed = Envoy::start(envoy::folder("drift-fixed")?, &fixed)?;
        let folder = envoy::folder("drift-patched")?;
        deliver(&folder, &filter, &spec)?;
        let file = folder.join("serin.json");
        let patched = config(&bootstrap::wasm_from_file(&file, &folder));
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
        let worker = |name: &str, latches| Described {
            name: name.into(),
            variables: variables.clone(),
            latches,
        };
        let workerd = Workerd::start(&[worker("edge", None), worker("aborted", Some(aborted))])?;
        Ok(Fleet { spec, fixed, patched, workerd, filter, upstream })
    }

    /// Asks all three hosts.
    fn ask(&self, spec: &Value) -> Result<Said, String> {
        let status = format!("http://{}/.serin/status", self.workerd.address("edge")?);
        let admin = |envoy: &Envoy| format!("http://{}", envoy.admin_address());
        let (fixed, patched) = (admin(&self.fixed), admin(&self.patched));
        drift(spec, &["--envoy", &fixed, &patched, "--worker", &status], WITH_TOKEN)
    }

    fn in_sync(&self) -> Result<(), String> {
        let said = self.ask(&self.spec)?;
        said.is(0, &["in-sync"; 3])?;
        said.tells("3 of 3 in sync, 0 in drift, 0 could not be asked")
    }

    fn one_byte(&self) -> Result<(), String> {
        let mut patched = self.spec.clone();
        patched["rollouts"]["shop"]["canary"]["share"] = json!(26);
        deliver(&self.patched.folder, &self.filter, &patched)?;
        let said = self.until(|said| said.states() == ["in-sync", "drift", "in-sync"])?;
        said.is(1, &["in-sync", "drift", "in-sync"])?;
        let wanted = json!([{"path": "rollouts.shop.canary.share", "git": 25, "host": 26}]);
        let seen = &said.json["hosts"][1]["specs"][0]["differences"];
        if *seen != wanted {
            return Err(format!("{seen} for {wanted}"));
        }
        said.tells("ECDS serin: revision 1 with another digest (")?;
        said.tells("    rollouts.shop.canary.share: 25 → 26\n")
    }

    fn refused(&self) -> Result<(), String> {
        let mut bad = self.spec.clone();
        bad["revision"] = json!(2);
        bad["rollouts"]["shop"]["baseline"] = json!("nobody");
        deliver(&self.patched.folder, &self.filter, &bad)?;
        let said = self.until(|said| said.text.contains("is refused"))?;
        said.tells(
            "ECDS serin: the spec is refused, 1 error, the first: rollouts.shop.baseline: ",
        )?;
        said.tells("revision 1 is still in force, not what ECDS serin has")?;
        deliver(&self.patched.folder, &self.filter, &self.spec)?;
        self.until(|said| said.code == Some(0)).map(drop)
    }

    fn behind(&self) -> Result<(), String> {
        let mut newer = self.spec.clone();
        newer["revision"] = json!(2);
        let said = self.ask(&newer)?;
        said.is(1, &["drift"; 3])?;
        said.tells("listener web, filter serin; listener api, filter serin: revision 1 (")?;
        said.tells("variable: revision 1 (")
    }

    /// The configuration is git's, and whoever got it is another filter.
    fn other(&self) -> Result<(), String> {
        let folder = envoy::folder("drift-other")?;
        let other = folder.join("other.wasm");
        let bytes = wat::parse_str(OTHER).map_err(|error| error.to_string())?;
        std::fs::write(&other, bytes).map_err(|error| error.to_string())?;
        let mut filter = bootstrap::wasm(&other, &self.spec.to_string());
        filter["typed_config"]["config"]["vm_config"]["vm_id"] = json!("other");
        let listener = bootstrap::listener("web", &filter, "upstream");
        let clusters = [("upstream", self.upstream.address)];
        let envoy = Envoy::start(folder, &bootstrap::bootstrap(vec![listener], &clusters))?;
        let admin = format!("http://{}/?a=b", envoy.admin_address());
        let said = drift(&self.spec, &["--envoy", &admin], WITH_TOKEN)?;
        said.is(1, &["drift"])?;
        said.tells("  no revision is in force: the filter does not run")
    }

    /// The gauge is set by a filter of a few lines beside Serin's: what is asked here is how Envoy tells it.
    fn abort(&self) -> Result<(), String> {
        let folder = envoy::folder("drift-abort")?;
        let latch = folder.join("latch.wasm");
        let bytes = wat::parse_str(LATCH).map_err(|error| error.to_string())?;
        std::fs::write(&latch, bytes).map_err(|error| error.to_string())?;
        let mut filter = bootstrap::wasm(&latch, "");
        filter["name"] = json!("latch");
        filter["typed_config"]["config"]["vm_config"]["vm_id"] = json!("latch");
        let serin = bootstrap::wasm(&self.filter, &self.spec.to_string());
        let mut listener = bootstrap::listener("web", &serin, "upstream");
        filters(&mut listener)?.insert(1, filter);
        let clusters = [("upstream", self.upstream.address)];
        let envoy = Envoy::start(folder, &bootstrap::bootstrap(vec![listener], &clusters))?;
        let said = drift(
            &self.spec,
            &["--envoy", &format!("http://{}", envoy.admin_address())],
            WITH_TOKEN,
        )?;
        said.is(1, &["drift"])?;
        said.tells("  rollout shop is aborted\n")
    }

    fn latch(&self) -> Result<(), String> {
        let status = format!("http://{}/.serin/status", self.workerd.address("aborted")?);
        let said = drift(&self.spec, &["--worker", &status], WITH_TOKEN)?;
        said.is(1, &["drift"])?;
        said.tells("  rollout shop is aborted (epoch 0, since 2026-11-21T08:33:20Z): errors\n")?;
        let mut raised = self.spec.clone();
        raised["rollouts"]["shop"]["epoch"] = json!(1);
        self.raised(&raised)?;
        let said = drift(&raised, &["--worker", &status], WITH_TOKEN)?;
        if said.text.contains("is aborted") {
            return Err(format!("a raised epoch clears an abort\n{}", said.text));
        }
        Ok(())
    }

    /// What raising the epoch does, by the latches that the Worker's status page shows.
    fn raised(&self, raised: &Value) -> Result<(), String> {
        let request = serde_json::from_value(json!({"path": "/.serin/status"}));
        let request: Request = request.map_err(|error| error.to_string())?;
        let authorization = format!("Bearer {TOKEN}");
        let further = [("authorization", authorization.as_str())];
        let page = client::send(self.workerd.address("aborted")?, None, &request, &further)?.text();
        let folder = envoy::folder("drift-latches")?;
        let file = |name: &str, text: &str| {
            let file = folder.join(name);
            envoy::write(&file, text).map(|()| file)
        };
        let mut command = Command::new(path_from("SERIN_BIN")?);
        command.arg("diff").arg(file("old.json", &self.spec.to_string())?);
        command.arg(file("new.json", &raised.to_string())?).args(["--units", "1000"]);
        command.arg("--latches").arg(file("status.json", &page)?);
        let output = command.output().map_err(|error| format!("serin did not start: {error}"))?;
        let text = String::from_utf8_lossy(&output.stdout);
        let falls =
            "- rollout `shop`: the abort of epoch 0 falls (since 2026-11-21T08:33:20Z, `errors`)";
        if text.contains(falls) && text.contains("| rollout `shop` | everybody |") {
            return Ok(());
        }
        Err(format!("{text}{}", String::from_utf8_lossy(&output.stderr)))
    }

    /// TLS ends in an Envoy, whose certificate is made for this test.
    fn https(&self) -> Result<(), String> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]);
        let made = made.map_err(|error| error.to_string())?;
        let folder = envoy::folder("drift-https")?;
        let trusted = folder.join("trusted.pem");
        envoy::write(&trusted, &made.cert.pem())?;
        let serin = bootstrap::wasm(&self.filter, &self.spec.to_string());
        let mut listener = bootstrap::listener("web", &serin, "worker");
        // The first would take the token for one of its own.
        filters(&mut listener)?.remove(0);
        listener["filter_chains"][0]["transport_socket"] = json!({
            "name": "tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "common_tls_context": {"tls_certificates": [{
                    "certificate_chain": {"inline_string": made.cert.pem()},
                    "private_key": {"inline_string": made.signing_key.serialize_pem()},
                }]},
            },
        });
        let clusters = [("worker", self.workerd.address("edge")?)];
        let envoy = Envoy::start(folder, &bootstrap::bootstrap(vec![listener], &clusters))?;
        let status = format!("https://localhost:{}/.serin/status", envoy.listener("web")?.port());
        let stranger = drift(&self.spec, &["--worker", &status], WITH_TOKEN)?;
        stranger.is(2, &["not-asked"])?;
        stranger.tells("invalid peer certificate")?;
        let trusted = trusted.to_string_lossy();
        let trust = [("SERIN_STATUS_TOKEN", TOKEN), ("SSL_CERT_FILE", &*trusted)];
        drift(&self.spec, &["--worker", &status], &trust)?.is(0, &["in-sync"])
    }

    fn silent(&self) -> Result<(), String> {
        let fixed = format!("http://{}", self.fixed.admin_address());
        // Nobody listens where a client's connection begins, and nobody else gets that port meanwhile.
        let client = std::net::TcpStream::connect(self.fixed.admin_address());
        let client = client.map_err(|error| error.to_string())?;
        let address = client.local_addr().map_err(|error| error.to_string())?;
        let nowhere = format!("http://{address}");
        let said = drift(&self.spec, &["--envoy", &fixed, &nowhere], WITH_TOKEN)?;
        said.is(2, &["in-sync", "not-asked"])?;
        let status = format!("http://{}/.serin/status", self.workerd.address("edge")?);
        for (arguments, token, why) in [
            (["--worker", &status], "wrong", "/.serin/status: the response is 401 Unauthorized"),
            (["--worker", &status], "", "set SERIN_STATUS_TOKEN"),
            (["--worker", &status], "token\n", "SERIN_STATUS_TOKEN contains a control character"),
            (["--worker", "http://192.0.2.1/s"], TOKEN, "by https only"),
            (["--worker", &fixed], TOKEN, "the response is not JSON"),
            (["--envoy", &status], TOKEN, "/.serin/status/config_dump"),
        ] {
            let said = drift(&self.spec, &arguments, &[("SERIN_STATUS_TOKEN", token)])?;
            said.is(2, &["not-asked"])?;
            said.tells(why)?;
        }
        Ok(())
    }

    /// Envoy takes a file over when it notices it.
    fn until(&self, wanted: impl Fn(&Said) -> bool) -> Result<Said, String> {
        let mut last = String::new();
        let found = envoy::until(Duration::from_secs(60), || {
            let said = self.ask(&self.spec).map_err(|why| last = why).ok()?;
            last.clone_from(&said.text);
            wanted(&said).then_some(said)
        });
        found.ok_or_else(|| format!("it never came to that, at last\n{last}"))
    }
}

impl Said {
    fn states(&self) -> Vec<&str> {
        let hosts = self.json["hosts"].as_array().map(Vec::as_slice).unwrap_or_default();
        hosts.iter().filter_map(|host| host["state"].as_str()).collect()
    }

    fn is(&self, code: i32, states: &[&str]) -> Result<(), String> {
        if self.code == Some(code) && self.states() == states {
            return Ok(());
        }
        Err(format!("exit code {:?}, {:?}\n{}", self.code, self.states(), self.text))
    }

    fn tells(&self, text: &str) -> Result<(), String> {
        if self.text.contains(text) {
            return Ok(());
        }
        Err(format!("it does not say {text:?}:\n{}", self.text))
    }
}

/// A listener's HTTP filters.
fn filters(listener: &mut Value) -> Result<&mut Vec<Value>, String> {
    let filters = listener.pointer_mut("/filter_chains/0/filters/0/typed_config/http_filters");
    filters.and_then(Value::as_array_mut).ok_or_else(|| "the listener has no filters".into())
}

/// Runs it twice, for people and for tools; both end alike.
fn drift(spec: &Value, arguments: &[&str], variables: &[(&str, &str)]) -> Result<Said, String> {
    let file = envoy::folder("drift-spec")?.join("spec.json");
    envoy::write(&file, &spec.to_string())?;
    let run = |more: &[&str]| {
        let mut command = Command::new(path_from("SERIN_BIN")?);
        command.arg("drift").arg(&file).args(arguments).args(more);
        command.envs(variables.iter().copied()).env("NO_PROXY", "*").stdin(Stdio::null());
        let output = command.output().map_err(|error| format!("serin did not start: {error}"))?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok::<_, String>((output.status.code(), text(&output.stdout), text(&output.stderr)))
    };
    let (code, text, errors) = run(&[])?;
    let (again, json, _) = run(&["--json"])?;
    let json = serde_json::from_str(&json).map_err(|error| format!("{error}: {json}{errors}"))?;
    if code != again {
        // A host may have changed in between; whoever waits asks again.
        return Err(format!("{code:?} and then {again:?}\n{text}"));
    }
    Ok(Said { code, json, text })
}

/// A new file in the place of the old one, as tools do that write under a running server.
fn deliver(folder: &Path, filter: &Path, spec: &Value) -> Result<(), String> {
    let version = spec.to_string().len().to_string();
    let config = bootstrap::wasm_config(filter, &spec.to_string());
    let (file, new) = (folder.join("serin.json"), folder.join("serin.json.new"));
    envoy::write(&new, &bootstrap::discovery(&version, &config).to_string())?;
    std::fs::rename(&new, &file).map_err(|error| format!("{}: {error}", file.display()))
}
