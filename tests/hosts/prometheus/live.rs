//! Real Prometheus scraping two real Envoys while people ask: a canary that fails is told, one that does
//! not is not, and every query of the dashboard has an answer.

use super::{export, program};
use serde_json::{Value, json};
use serin_conformance::client;
use serin_conformance::envoy::edge::Edge;
use serin_conformance::envoy::{self, Envoy, until};
use serin_conformance::load::Load;
use serin_conformance::report::Report;
use serin_conformance::service::Service;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);
/// So many requests of the canary without an alert are a healthy canary.
const ENOUGH: f64 = 500.0;

pub(super) fn checks(report: &mut Report) {
    report.check("two Envoys with a failing canary", failing);
    report.check("two Envoys with a healthy canary", healthy);
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
            // With this alpha nothing is told without a cause.
            "gates": {
                "alpha": 0.001,
                "minRate": 1,
                "maxBaselineErrorRate": 20,
                "errors": {"unit": "request"},
            },
        }},
    })
}

/// Two Envoys with their versions, and a Prometheus that knows both.
struct Fleet {
    canary: Service,
    stable: Service,
    envoys: Vec<Envoy>,
    prometheus: Prometheus,
}

impl Fleet {
    fn start(name: &str) -> Result<Fleet, String> {
        let folder = envoy::folder(&format!("prometheus-{name}"))?;
        for target in ["envoy", "prometheus", "grafana"] {
            let filter = envoy::path_from("SERIN_FILTER_WASM")?.display().to_string();
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

    fn load(&self) -> Result<Vec<Load>, String> {
        self.envoys.iter().map(|envoy| Ok(Load::start(envoy.listener("edge")?, 3000))).collect()
    }
}

fn failing() -> Result<(), String> {
    let fleet = Fleet::start("failing")?;
    fleet.stable.fail(2);
    fleet.canary.fail(30);
    let load = fleet.load()?;
    let told =
        fleet.prometheus.wait("ALERTS{alertname=\"SerinCanaryWorse\",alertstate=\"firing\"}");
    let aborted = fleet.prometheus.wait("min(serin_latch_aborted{serin_rollout=\"shop\"}) == 1");
    for load in load {
        load.stop()?;
    }
    told?;
    aborted?;
    fleet.prometheus.wait("ALERTS{alertname=\"SerinRolloutAborted\",alertstate=\"firing\"}")?;
    agrees(&fleet)?;
    dashboard(&fleet.prometheus)
}

fn healthy() -> Result<(), String> {
    let fleet = Fleet::start("healthy")?;
    fleet.stable.fail(2);
    fleet.canary.fail(2);
    let load = fleet.load()?;
    let enough = format!("sum(serin:gate_canary_requests:sum) > {ENOUGH}");
    let counted = fleet.prometheus.wait(&enough);
    for load in load {
        load.stop()?;
    }
    counted?;
    for query in ["ALERTS", "serin:gate_crossed:nats", "serin_latch_aborted == 1"] {
        let found = fleet.prometheus.query(query)?;
        if !found.is_empty() {
            return Err(format!("{query} has {found:?}"));
        }
    }
    agrees(&fleet)
}

/// What was recorded is what both Envoys count, once they are at rest.
fn agrees(fleet: &Fleet) -> Result<(), String> {
    let recorded =
        "serin:gate_canary_requests:sum{serin_rollout=\"shop\",serin_epoch=\"4\",serin_step=\"0\"}";
    let mut last = (0.0, Vec::new());
    let found = until(PATIENCE, || {
        std::thread::sleep(Duration::from_millis(200));
        last = (counted(fleet).ok()?, fleet.prometheus.query(recorded).ok()?);
        let (counted, recorded) = &last;
        let value = recorded.first()?["value"][1].as_str()?.parse::<f64>().ok()?;
        (*counted > 0.0 && value == *counted).then_some(())
    });
    found.ok_or_else(|| format!("the Envoys count {}, recorded is {:?}", last.0, last.1))
}

/// The canary's requests, by both Envoys' own word.
fn counted(fleet: &Fleet) -> Result<f64, String> {
    let mut counted = 0.0;
    for envoy in &fleet.envoys {
        let text = envoy.admin("/stats/prometheus")?;
        let wanted = "serin_gate_epoch_step_arm_requests{";
        let lines =
            text.lines().filter(|line| line.starts_with(wanted) && line.contains("=\"canary\""));
        let values = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok());
        counted += values.sum::<f64>();
    }
    Ok(counted)
}

/// Every query of the dashboard, but that of a shadow which the spec doesn't have, finds something.
fn dashboard(prometheus: &Prometheus) -> Result<(), String> {
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
            prometheus.wait(&query)?;
        }
    }
    Ok(())
}

/// A running Prometheus with a folder of its own.
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
    /// Scrapes these, and evaluates the rules of the folder, every second. Somebody else may take the port
    /// that was free a moment ago: then another one is tried.
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
        // JSON is YAML.
        envoy::write(&folder.join("prometheus.yml"), &config.to_string())?;
        let mut last = Err(String::new());
        for _ in 0..3 {
            last = listening(&folder);
            if last.is_ok() {
                break;
            }
        }
        last.map(|(child, address)| Prometheus { child, folder, address })
    }

    fn log(&self) -> String {
        log(&self.folder)
    }

    /// What a query finds now.
    fn query(&self, query: &str) -> Result<Vec<Value>, String> {
        let plain = |byte: u8| byte.is_ascii_alphanumeric();
        let escape = |byte: u8| {
            if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }
        };
        let query: String = query.bytes().map(escape).collect();
        let answer = client::get(self.address, &format!("/api/v1/query?query={query}"))?.text();
        let answer: Value = serde_json::from_str(&answer).map_err(|e| format!("{e}: {answer}"))?;
        match (answer["status"].as_str(), answer["data"]["result"].as_array()) {
            (Some("success"), Some(found)) => Ok(found.clone()),
            _ => Err(answer.to_string()),
        }
    }

    /// Waits until a query finds something.
    fn wait(&self, query: &str) -> Result<(), String> {
        let mut last = Ok(Vec::new());
        let found = until(PATIENCE, || {
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

/// A Prometheus that is ready, and where.
fn listening(folder: &Path) -> Result<(Child, SocketAddr), String> {
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
    let ready = until(PATIENCE, || {
        if child.try_wait().is_ok_and(|ended| ended.is_some()) {
            return Some(false);
        }
        let answer = client::get(address, "/-/ready").ok()?;
        (answer.status() == 200).then_some(true)
    });
    if ready == Some(true) {
        return Ok((child, address));
    }
    let _ = child.kill();
    let _ = child.wait();
    Err(log(folder))
}
