//! Real Prometheus that scrapes two real Envoys under load: a failing canary raises an alert, a healthy
//! one does not, and every query of the dashboard has a result.

use super::{export, program};
use serde_json::{Value, json};
use serin_conformance::client;
use serin_conformance::envoy::edge::Edge;
use serin_conformance::envoy::{self, Envoy, poll};
use serin_conformance::load::LoadGenerator;
use serin_conformance::report::Report;
use serin_conformance::service::Service;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// The number of canary requests after which a healthy canary must not have an alert.
const MIN_REQUESTS: f64 = 500.0;

pub(super) fn checks(report: &mut Report) {
    report.check("a failing canary behind two Envoys raises an alert", failing_canary);
    report.check("a healthy canary behind two Envoys raises no alert", healthy_canary);
}

fn spec() -> Value {
    json!({
        "formatVersion": 1,
        "revision": 9,
        "units": {"user": [{"header": "x-user-id"}]},
        "rollouts": {"shop": {
            "unit": "user",
            "arms": {"stable": {"target": "stable"}, "canary": {"target": "canary"}},
            "baseline": "stable",
            "canary": {"share": 25},
            "epoch": 4,
            // So small an alpha excludes false alerts.
            "gates": {
                "alpha": 0.001,
                "minRate": 1,
                "maxBaselineErrorRate": 20,
                "errors": {"unit": "request"},
            },
        }},
    })
}

/// Two Envoys in front of both versions, and a Prometheus that scrapes them.
struct Fleet {
    canary: Service,
    stable: Service,
    envoys: Vec<Envoy>,
    prometheus: Prometheus,
}

impl Fleet {
    fn start(name: &str) -> Result<Fleet, String> {
        let folder = envoy::create_folder(&format!("prometheus-{name}"))?;
        for target in ["envoy", "prometheus", "grafana"] {
            let filter = envoy::path_from_env("SERIN_FILTER_WASM")?.display().to_string();
            let options: &[&str] = match target {
                "envoy" => &["--filter", &filter],
                "prometheus" => &["--interval", "1s"],
                _ => &[],
            };
            export(target, &spec(), &folder, options)?;
        }
        let stats =
            std::fs::read_to_string(folder.join("stats.yaml")).map_err(|e| e.to_string())?;
        let stats: Value = serde_saphyr::from_str(&stats).map_err(|error| error.to_string())?;
        let (stable, canary) = (Service::start("stable")?, Service::start("canary")?);
        let envoys = ["one", "two"].map(|host| {
            let mut edge = Edge::new(
                &format!("prometheus-{name}-{host}"),
                json!({"SERIN_GATE_TICK_MS": "50"}),
            )?;
            edge.deliver(&spec())?;
            let clusters = [("stable", stable.address), ("canary", canary.address)];
            edge.start_with(&format!("{name}-{host}"), &clusters, &stats)
        });
        let envoys = envoys.into_iter().collect::<Result<Vec<_>, String>>()?;
        let targets = envoys.iter().map(Envoy::admin_address).collect();
        let prometheus = Prometheus::start(folder, targets)?;
        Ok(Fleet { canary, stable, envoys, prometheus })
    }

    fn start_load(&self) -> Result<Vec<LoadGenerator>, String> {
        self.envoys
            .iter()
            .map(|envoy| Ok(LoadGenerator::start(envoy.listener("edge")?, 3000)))
            .collect()
    }
}

fn failing_canary() -> Result<(), String> {
    let fleet = Fleet::start("failing")?;
    fleet.stable.set_error_percent(2);
    fleet.canary.set_error_percent(30);
    let load = fleet.start_load()?;
    let alert =
        fleet.prometheus.wait_for("ALERTS{alertname=\"SerinCanaryWorse\",alertstate=\"firing\"}");
    let aborted =
        fleet.prometheus.wait_for("min(serin_latch_aborted{serin_rollout=\"shop\"}) == 1");
    for load in load {
        load.stop()?;
    }
    alert?;
    aborted?;
    fleet.prometheus.wait_for("ALERTS{alertname=\"SerinRolloutAborted\",alertstate=\"firing\"}")?;
    check_recorded_requests(&fleet)?;
    check_dashboard(&fleet.prometheus)
}

fn healthy_canary() -> Result<(), String> {
    let fleet = Fleet::start("healthy")?;
    fleet.stable.set_error_percent(2);
    fleet.canary.set_error_percent(2);
    let load = fleet.start_load()?;
    let counted =
        fleet.prometheus.wait_for(&format!("sum(serin:gate_canary_requests:sum) > {MIN_REQUESTS}"));
    for load in load {
        load.stop()?;
    }
    counted?;
    for query in ["ALERTS", "serin:gate_crossed:nats", "serin_latch_aborted == 1"] {
        let found = fleet.prometheus.query(query)?;
        if !found.is_empty() {
            return Err(format!("{query} finds {found:?}"));
        }
    }
    check_recorded_requests(&fleet)
}

/// Waits until the recorded requests are those that both Envoys count.
fn check_recorded_requests(fleet: &Fleet) -> Result<(), String> {
    let recorded =
        "serin:gate_canary_requests:sum{serin_rollout=\"shop\",serin_epoch=\"4\",serin_step=\"0\"}";
    let mut last = (0.0, Vec::new());
    let found = poll(|| {
        std::thread::sleep(Duration::from_millis(200));
        last = (counted_requests(fleet).ok()?, fleet.prometheus.query(recorded).ok()?);
        let (counted, recorded) = &last;
        let value = recorded.first()?["value"][1].as_str()?.parse::<f64>().ok()?;
        (*counted > 0.0 && value == *counted).then_some(())
    });
    found.ok_or_else(|| format!("the Envoys count {}, Prometheus recorded {:?}", last.0, last.1))
}

/// The canary's requests by the counters of both Envoys.
fn counted_requests(fleet: &Fleet) -> Result<f64, String> {
    let mut counted = 0.0;
    for envoy in &fleet.envoys {
        let text = envoy.admin("/stats/prometheus")?;
        let name = "serin_gate_epoch_step_arm_requests{";
        let lines =
            text.lines().filter(|line| line.starts_with(name) && line.contains("=\"canary\""));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        counted += values.sum::<f64>();
    }
    Ok(counted)
}

/// Checks that every query of the dashboard has a result, except for the shadow, which the spec lacks.
fn check_dashboard(prometheus: &Prometheus) -> Result<(), String> {
    let file = prometheus.folder.join("serin.dashboard.json");
    let text = std::fs::read_to_string(file).map_err(|error| error.to_string())?;
    let dashboard: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
    let panels = dashboard["panels"].as_array().cloned().unwrap_or_default();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let queries: Vec<&str> = targets.filter_map(|target| target["expr"].as_str()).collect();
    if queries.len() < 8 {
        return Err(format!("{queries:?} are too few"));
    }
    for query in queries {
        let query = query.replace("$rollout", "shop");
        if query.contains("shadow") {
            prometheus.query(&query)?;
        } else {
            prometheus.wait_for(&query)?;
        }
    }
    Ok(())
}

/// A running Prometheus; its folder is deleted when it is dropped.
struct Prometheus {
    child: Child,
    folder: PathBuf,
    address: SocketAddr,
}

impl Drop for Prometheus {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Prometheus {
    /// Starts a Prometheus that every second scrapes the targets and evaluates the rules of the folder.
    /// It tries three ports, because another process may take one before Prometheus does.
    fn start(folder: PathBuf, targets: Vec<SocketAddr>) -> Result<Prometheus, String> {
        let targets: Vec<String> = targets.iter().map(ToString::to_string).collect();
        let config = json!({
            "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
            "rule_files": ["serin.rules.yaml"],
            "scrape_configs": [{
                "job_name": "envoy",
                "metrics_path": "/stats/prometheus",
                "static_configs": [{"targets": targets}],
            }],
        });
        // JSON is valid YAML.
        envoy::write_file(&folder.join("prometheus.yml"), &config.to_string())?;
        let mut last = Err(String::new());
        for _ in 0..3 {
            last = try_start(&folder);
            if last.is_ok() {
                break;
            }
        }
        last.map(|(child, address)| Prometheus { child, folder, address })
    }

    fn log(&self) -> String {
        log(&self.folder)
    }

    /// The current result of a query.
    fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let escape = |byte: u8| match byte.is_ascii_alphanumeric() {
            true => char::from(byte).to_string(),
            false => format!("%{byte:02X}"),
        };
        let query: String = query.bytes().map(escape).collect();
        let body = client::get(self.address, &format!("/api/v1/query?query={query}"))?.text();
        let body: Value =
            serde_json::from_str(&body).map_err(|error| format!("{error}: {body}"))?;
        match (body["status"].as_str(), body["data"]["result"].as_array()) {
            (Some("success"), Some(found)) => Ok(found.clone()),
            _ => Err(body.to_string()),
        }
    }

    /// Waits until a query has a result that is not empty.
    fn wait_for(&self, query: &str) -> Result<(), String> {
        let mut last = Ok(Vec::new());
        let found = poll(|| {
            std::thread::sleep(Duration::from_millis(200));
            last = self.query(query);
            last.as_ref().is_ok_and(|found| !found.is_empty()).then_some(())
        });
        found.ok_or_else(|| {
            let levels = self.query("{__name__=~\"serin:.*\"}");
            format!("{query} finds {last:?}\n{levels:?}\n{}", self.log())
        })
    }
}

fn log(folder: &Path) -> String {
    std::fs::read_to_string(folder.join("log")).unwrap_or_default()
}

/// Starts Prometheus on a free port and waits until it is ready.
fn try_start(folder: &Path) -> Result<(Child, SocketAddr), String> {
    let free = TcpListener::bind("127.0.0.1:0").map_err(|error| error.to_string())?;
    let address = free.local_addr().map_err(|error| error.to_string())?;
    drop(free);
    let output = std::fs::File::create(folder.join("log")).map_err(|error| error.to_string())?;
    let mut child = Command::new(program("prometheus")?)
        .arg(format!("--config.file={}", folder.join("prometheus.yml").display()))
        .arg(format!("--storage.tsdb.path={}", folder.join("data").display()))
        .arg(format!("--web.listen-address={address}"))
        .arg("--log.level=warn")
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(output)
        .spawn()
        .map_err(|error| format!("Prometheus did not start: {error}"))?;
    let ready = poll(|| {
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return Some(false);
        }
        let response = client::get(address, "/-/ready").ok()?;
        (response.status() == 200).then_some(true)
    });
    if ready == Some(true) {
        return Ok((child, address));
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(log(folder))
}
