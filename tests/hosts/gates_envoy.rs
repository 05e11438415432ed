//! Gates in real Envoy with two workers, under load: a canary that starts to fail is aborted, a healthy
//! one is promoted. Durations are printed and not checked.

use serde_json::{Value, json};
use serin_conformance::client;
use serin_conformance::envoy::edge::Edge;
use serin_conformance::envoy::{self, Envoy};
use serin_conformance::load::{Exchange, LoadGenerator};
use serin_conformance::report::Report;
use serin_conformance::serin_cli;
use serin_conformance::service::Service;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const USERS: usize = 3000;
/// The probability of a false abort, in per cent. It is small enough that no run sees one.
const ALPHA: f64 = 0.001;

fn main() -> ExitCode {
    let mut report = Report::new("gates in Envoy");
    report.check("a canary that starts to fail is aborted, and stays aborted", failing_canary);
    report.check("a healthy canary is promoted step by step", healthy_canary);
    report.check("truncated responses are errors", truncated_responses);
    report.check("clients that disconnect are not errors", disconnecting_clients);
    report.check("a canary that hangs is aborted by its clients' waiting times", hanging_canary);
    report.check("a slow canary is aborted", slow_canary);
    report.check("a canary without KPI events is aborted", canary_without_kpi);
    report.check("a shadow whose responses differ is counted, and aborts", diverging_shadow);
    report.finish()
}

/// The spec of a shop whose canary has gates.
fn spec(revision: u64, epoch: u64) -> Value {
    json!({
        "formatVersion": 1,
        "revision": revision,
        "units": {"user": [{"header": "x-user-id"}]},
        "cohorts": {"internal": {"attribute": "header.x-team", "exists": true}},
        "flags": {"new-checkout": {
            "kind": "ops",
            "variants": {"on": true, "off": false},
            "defaultVariant": "off",
            "rules": [{"name": "all", "serve": "on"}],
        }},
        "rollouts": {"shop": {
            "unit": "user",
            "arms": {"stable": {"target": "stable"}, "canary": {"target": "canary"}},
            "baseline": "stable",
            "canary": {"rings": [{"cohort": "internal"}], "share": 25},
            "epoch": epoch,
            "gates": {"minRate": 1, "alpha": ALPHA},
            "onAbort": {"disable": ["new-checkout"]},
        }},
    })
}

/// The same spec with other gates.
fn spec_with_gates(gates: Value) -> Value {
    let mut spec = spec(1, 1);
    spec["rollouts"]["shop"]["gates"] = gates;
    spec
}

/// The services and the configuration of one Envoy.
struct Shop {
    stable: Service,
    canary: Service,
    hook: Service,
    state: Service,
    dark: Service,
    edge: Edge,
    token: String,
}

impl Shop {
    fn new(name: &str) -> Result<Self, String> {
        let (secret, token) = serin_cli::secret_and_token("shop=canary")?;
        let state = Service::start("state")?;
        state.set_body("{\"latches\":[]}");
        let variables = json!({
            "SERIN_GATE_TICK_MS": "50",
            "SERIN_WEBHOOK_CLUSTER": "hook",
            "SERIN_WEBHOOK_URL": "http://hook.example/audits",
            "SERIN_STATE_CLUSTER": "state",
            "SERIN_STATE_URL": "http://state.example/latches",
            "SERIN_STATE_SECONDS": "1",
            "SERIN_OVERRIDE_KEYS": json!({"qa": secret}).to_string(),
        });
        Ok(Self {
            stable: Service::start("stable")?,
            canary: Service::start("canary")?,
            hook: Service::start("hook")?,
            dark: Service::start("dark")?,
            state,
            edge: Edge::new(name, variables)?,
            token,
        })
    }

    /// Starts a shop and its Envoy with a spec, and waits until the canary responds. Returns the
    /// address of the listener too.
    fn open(name: &str, spec: &Value) -> Result<(Self, Envoy, SocketAddr), String> {
        let mut shop = Self::new(name)?;
        shop.edge.deliver(spec)?;
        let envoy = shop.start()?;
        let to = envoy.listener("edge")?;
        envoy.wait_until("the canary gets traffic", || canary_responds(to, &[("x-team", "a")]))?;
        Ok((shop, envoy, to))
    }

    fn start(&self) -> Result<Envoy, String> {
        self.edge.start(&[
            ("stable", self.stable.address),
            ("canary", self.canary.address),
            ("hook", self.hook.address),
            ("state", self.state.address),
            ("dark", self.dark.address),
        ])
    }
}

fn failing_canary() -> Result<(), String> {
    let (mut shop, envoy, to) = Shop::open("gates-failing", &spec(1, 1))?;
    let load = LoadGenerator::start(to, USERS);
    wait_for_requests(&envoy, &shop, 300)?;
    if is_aborted(&envoy) {
        return Err("the gate aborted a healthy canary".into());
    }
    let (onset, before) = (Instant::now(), shop.canary.request_count());
    shop.canary.set_error_percent(100);
    envoy.wait_until("the gate aborts", || is_aborted(&envoy))?;
    let aborted = Instant::now();
    wait_for_requests(&envoy, &shop, 500)?;
    let exchanges = load.stop()?;
    let exposed = shop.canary.request_count() - before;
    let last = shop.canary.last_request_at().ok_or("no request reached the canary")?;
    let took = last.saturating_duration_since(onset);
    println!("       {exposed} failing requests; the last {took:?} after the first");
    check_only_canary_failed(&exchanges, &onset)?;
    let is_late = |exchange: &&Exchange| exchange.sent > aborted && exchange.version == "canary";
    let late = exchanges.iter().filter(is_late).count();
    if late > 0 {
        return Err(format!("{late} requests reached the canary after the abort\n{}", envoy.log()));
    }
    check_canary_is_closed(to, &shop)?;
    let audit = logged_audit_record(&envoy)?;
    envoy.wait_until("the webhook gets a record", || !shop.hook.posted().is_empty())?;
    check_webhook(&shop, &audit)?;
    drop(envoy);
    abort_survives_a_restart(&mut shop)
}

/// A new Envoy reads the abort from the state URL; only a raised epoch clears it.
fn abort_survives_a_restart(shop: &mut Shop) -> Result<(), String> {
    shop.state.set_body(&shop.hook.posted()[0]);
    shop.canary.set_error_percent(0);
    let before = shop.canary.request_count();
    let envoy = shop.start()?;
    let to = envoy.listener("edge")?;
    let load = LoadGenerator::start(to, USERS);
    envoy.wait_until("the filter reads the state", || is_aborted(&envoy))?;
    wait_for_requests(&envoy, shop, 200)?;
    check_only_canary_failed(&load.stop()?, &Instant::now())?;
    check_canary_is_closed(to, shop)?;
    if shop.canary.request_count() != before {
        return Err("a request reached the canary after a restart".into());
    }
    shop.edge.deliver(&spec(2, 2))?;
    envoy.wait_until("a raised epoch clears the abort", || {
        canary_responds(to, &[("x-user-id", "ana"), ("x-team", "a")])
    })?;
    envoy.wait_until("the gauge is reset", || !is_aborted(&envoy))
}

fn healthy_canary() -> Result<(), String> {
    let mut shop = Shop::new("gates-healthy")?;
    let mut stepped = spec(1, 1);
    let rollout = &mut stepped["rollouts"]["shop"];
    rollout["canary"] = json!({
        "start": "2020-01-01T00:00:00Z",
        "steps": [{"share": 50, "hold": "1s", "mode": "gate"}, {"share": 100}],
    });
    rollout["gates"] = json!({"minRate": 1, "alpha": ALPHA, "maxBaselineErrorRate": 60, "promotion": {"exclude": 3}});
    shop.edge.deliver(&stepped)?;
    shop.stable.set_error_percent(20);
    shop.canary.set_error_percent(20);
    let envoy = shop.start()?;
    let to = envoy.listener("edge")?;
    let load = LoadGenerator::start(to, USERS);
    let start = Instant::now();
    envoy
        .wait_until("the step ends", || counter(&envoy, "step.1.arm.canary.requests").is_some())?;
    let ended = Instant::now();
    println!("       promoted after {:?}", ended - start);
    wait_for_requests(&envoy, &shop, 300)?;
    let exchanges = load.stop()?;
    check_all_have_responses(&exchanges)?;
    let count = |version: &str| {
        let later = exchanges.iter().filter(|exchange| exchange.sent > ended);
        later.filter(|exchange| exchange.version == version).count()
    };
    let (canary, stable) = (count("canary"), count("stable"));
    if is_aborted(&envoy) || canary == 0 || stable > 0 {
        return Err(format!("{canary} to the canary, {stable} to the baseline\n{}", envoy.log()));
    }
    Ok(())
}

/// The status is 200; only Envoy's response flags report the failure.
fn truncated_responses() -> Result<(), String> {
    let mut shop = Shop::new("gates-cut")?;
    shop.edge.deliver(&spec(1, 1))?;
    let envoy = shop.start()?;
    shop.canary.truncate_responses();
    let load = LoadGenerator::start(envoy.listener("edge")?, USERS);
    let aborted = envoy.wait_until("the gate aborts", || is_aborted(&envoy));
    load.stop()?;
    aborted
}

fn disconnecting_clients() -> Result<(), String> {
    let (shop, envoy, to) = Shop::open("gates-disconnecting", &spec(1, 1))?;
    shop.canary.set_delay_ms(400);
    let count = |what: &str| counter(&envoy, &format!("step.0.arm.canary.{what}"));
    let mut users = 0..;
    envoy.wait_until("the gate counts the requests", || {
        for user in users.by_ref().take(100) {
            let client = send_only(to, user);
            std::thread::sleep(Duration::from_millis(3));
            drop(client);
        }
        count("requests") > Some(100)
    })?;
    println!("       {:?} canary requests, most without a response", count("requests"));
    if is_aborted(&envoy) || count("errors") != Some(0) {
        return Err(format!("{:?} errors\n{}", count("errors"), envoy.log()));
    }
    Ok(())
}

/// All clients disconnect long before the canary responds, so it has neither errors nor slow responses.
fn hanging_canary() -> Result<(), String> {
    const CLIENTS: usize = 8;
    const CLIENT_TIMEOUT: Duration = Duration::from_millis(150);
    let gates = json!({"minRate": 1, "latency": {}});
    let (shop, envoy, to) = Shop::open("gates-hanging", &spec_with_gates(gates))?;
    shop.canary.set_delay_ms(5000);
    let done = AtomicBool::new(false);
    let aborted = std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let done = &done;
            scope.spawn(move || {
                for user in (client..3000).step_by(CLIENTS) {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    let Ok(mut stream) = send_only(to, user) else { continue };
                    let _ = stream.set_read_timeout(Some(CLIENT_TIMEOUT));
                    let _ = stream.read(&mut [0; 64]);
                }
            });
        }
        let aborted = envoy.wait_until("the gate aborts", || is_aborted(&envoy));
        done.store(true, Ordering::Relaxed);
        aborted
    });
    aborted?;
    let reason = logged_audit_record(&envoy)?["reason"].to_string();
    let errors = counter(&envoy, "step.0.arm.canary.errors");
    println!("       {reason}, {errors:?} errors");
    if reason.contains("latency at") && errors == Some(0) { Ok(()) } else { Err(reason) }
}

/// Sends the request of a user without reading the response.
fn send_only(to: SocketAddr, user: usize) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(to)?;
    let request = format!("GET / HTTP/1.1\r\nhost: shop\r\nx-user-id: user-{user}\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    Ok(stream)
}

fn slow_canary() -> Result<(), String> {
    let gates = json!({"minRate": 1, "alpha": ALPHA, "latency": {"tolerate": 19}});
    let reason = abort_reason("gates-slow", gates, |shop| shop.canary.set_delay_ms(60))?;
    if reason.contains("latency at") { Ok(()) } else { Err(reason) }
}

fn canary_without_kpi() -> Result<(), String> {
    let kpi = json!({"methods": ["GET"], "status": ["2xx"], "header": "x-order", "tolerate": 0.95});
    let gates = json!({"minRate": 1, "alpha": ALPHA, "kpi": kpi});
    let reason = abort_reason("gates-kpi", gates, |shop| shop.canary.omit_order_field())?;
    if reason.contains("KPI") { Ok(()) } else { Err(reason) }
}

/// Breaks a healthy canary under load and waits for the abort; returns its reason.
fn abort_reason(name: &str, gates: Value, break_canary: impl Fn(&Shop)) -> Result<String, String> {
    let (shop, envoy, to) = Shop::open(name, &spec_with_gates(gates))?;
    let load = LoadGenerator::start(to, USERS);
    wait_for_requests(&envoy, &shop, 200)?;
    let is_false_abort = is_aborted(&envoy);
    break_canary(&shop);
    let aborted = envoy.wait_until("the gate aborts", || is_aborted(&envoy));
    load.stop()?;
    aborted?;
    let reason = logged_audit_record(&envoy)?["reason"].to_string();
    if is_false_abort {
        Err(format!("the gate aborted a healthy canary: {reason}"))
    } else {
        Ok(reason)
    }
}

fn diverging_shadow() -> Result<(), String> {
    let mut shop = Shop::new("gates-shadow")?;
    let mut shadowed = spec(1, 1);
    let rollout = &mut shadowed["rollouts"]["shop"];
    rollout["arms"]["dark"] = json!({"target": "dark"});
    rollout["canary"]["arm"] = json!("canary");
    rollout["shadow"] = json!({"arm": "dark", "percent": 50, "compare": "body", "maxInFlight": 4});
    rollout["gates"]["shadow"] = json!({"maxDivergence": 1});
    shop.edge.deliver(&shadowed)?;
    for service in [&shop.stable, &shop.canary, &shop.dark] {
        service.set_body("day\n");
    }
    let envoy = shop.start()?;
    let to = envoy.listener("edge")?;
    let load = LoadGenerator::start(to, USERS);
    let shadow_counter =
        |what: &str| counter(&envoy, &format!("serin.shadow.shop.{what}")).unwrap_or(0);
    envoy.wait_until("the shadow is compared", || shadow_counter("compared") > 500)?;
    let (equal, false_divergences, is_false_abort) =
        (shadow_counter("compared"), shadow_counter("diverged"), is_aborted(&envoy));
    shop.dark.set_body("night\n");
    envoy.wait_until("the gate aborts", || is_aborted(&envoy))?;
    // Pending copies may still arrive. Without the abort half of 200 requests would be copied.
    envoy.wait_until("no more copies arrive", || {
        let copies = shop.dark.request_count();
        wait_for_requests(&envoy, &shop, 200).is_ok() && shop.dark.request_count() == copies
    })?;
    check_only_canary_failed(&load.stop()?, &Instant::now())?;
    let diverged = shadow_counter("diverged");
    println!("       {equal} equal responses, then {diverged} different ones until the abort");
    let dropped = shadow_counter("dropped");
    println!("       {dropped} copies were dropped, because 4 were in flight on their worker");
    if false_divergences > 0 || is_false_abort {
        return Err(format!("before: {false_divergences} diverged, aborted {is_false_abort}"));
    }
    Ok(())
}

/// Waits until the arms have got this many more requests.
fn wait_for_requests(envoy: &Envoy, shop: &Shop, requests: u64) -> Result<(), String> {
    let count = || shop.stable.request_count() + shop.canary.request_count();
    let expected = count() + requests;
    envoy.wait_until("the arms get requests", || count() >= expected)
}

fn check_all_have_responses(exchanges: &[Exchange]) -> Result<(), String> {
    let lost = exchanges.iter().filter(|exchange| exchange.status == 0).count();
    println!("       {} requests, {lost} without a response", exchanges.len());
    if lost > 0 { Err(format!("{lost} requests got no response")) } else { Ok(()) }
}

/// Checks that every request has a response, and that none failed except by the canary after `onset`.
fn check_only_canary_failed(exchanges: &[Exchange], onset: &Instant) -> Result<(), String> {
    check_all_have_responses(exchanges)?;
    let is_wrong = |exchange: &&Exchange| {
        let by_canary = exchange.version == "canary" && exchange.answered >= *onset;
        exchange.status != 200 && !by_canary
    };
    match exchanges.iter().find(is_wrong) {
        Some(Exchange { user, status, version, .. }) => {
            Err(format!("user {user} got {status} from {version:?}"))
        }
        None => Ok(()),
    }
}

fn send(to: SocketAddr, fields: &[(&str, &str)]) -> Result<client::Message, String> {
    let request = json!({"path": "/", "headers": fields});
    let request = serde_json::from_value(request).map_err(|error| error.to_string())?;
    client::send(to, None, &request, &[])
}

fn canary_responds(to: SocketAddr, fields: &[(&str, &str)]) -> bool {
    let response = send(to, fields);
    response.is_ok_and(|response| response.field("x-version").as_deref() == Some("canary"))
}

/// Checks that no bucket, ring or token leads to the canary, and that the flag of `onAbort` is off.
fn check_canary_is_closed(to: SocketAddr, shop: &Shop) -> Result<(), String> {
    let requests: [&[(&str, &str)]; 3] = [
        &[("x-user-id", "ana")],
        &[("x-user-id", "ana"), ("x-team", "a")],
        &[("x-user-id", "ana"), ("x-serin-override", &shop.token)],
    ];
    for fields in requests.into_iter().cycle().take(60) {
        let response = send(to, fields)?;
        let (version, body) = (response.field("x-version").unwrap_or_default(), response.text());
        if version != "stable" || !body.contains("new-checkout=?0") {
            return Err(format!("{fields:?} got {version}: {body}"));
        }
    }
    Ok(())
}

/// The value of the first metric of Serin whose name contains `part`.
fn counter(envoy: &Envoy, part: &str) -> Option<u64> {
    let stats = envoy.admin("/stats").ok()?;
    let line =
        stats.lines().find(|line| line.starts_with("wasmcustom.serin") && line.contains(part));
    line?.rsplit_once(": ")?.1.parse().ok()
}

fn is_aborted(envoy: &Envoy) -> bool {
    counter(envoy, "latch.shop.aborted") == Some(1)
}

/// Waits for the audit record of the abort in the log.
fn logged_audit_record(envoy: &Envoy) -> Result<Value, String> {
    let found = envoy::poll(|| {
        let log = envoy.whole_log();
        let line = log.lines().find_map(|line| line.find("{\"audit\":2").map(|at| &line[at..]))?;
        serde_json::from_str(line).ok()
    });
    let audit: Value = found.ok_or_else(|| format!("no audit record in\n{}", envoy.log()))?;
    if audit["verdict"] != "abort" || audit["rollout"] != "shop" || audit["epoch"] != 1 {
        return Err(format!("not an abort of shop in epoch 1: {audit}"));
    }
    println!("       {}", audit["reason"]);
    Ok(audit)
}

/// Checks that the webhook's record is the log's, plus the latches.
fn check_webhook(shop: &Shop, audit: &Value) -> Result<(), String> {
    let posted = shop.hook.posted();
    let mut record: Value =
        serde_json::from_str(&posted[0]).map_err(|error| format!("{error}: {}", posted[0]))?;
    let latches = record.as_object_mut().and_then(|record| record.remove("latches"));
    if posted.len() != 1 || record != *audit {
        return Err(format!("{} records; log {audit}\nwebhook {record}", posted.len()));
    }
    match latches.as_ref().map(|latches| &latches[0]["abort"]["epoch"]) {
        Some(epoch) if *epoch == 1 => Ok(()),
        _ => Err(format!("no abort in {latches:?}")),
    }
}
