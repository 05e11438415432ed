//! Gates in real Envoy with two workers, under load: a canary that starts to fail is cut off by itself,
//! and one that does not is promoted. Times are printed, never demanded.

use serde_json::{Value, json};
use serin_conformance::client;
use serin_conformance::envoy::edge::Edge;
use serin_conformance::envoy::{self, Envoy};
use serin_conformance::load::{Load, Note};
use serin_conformance::overrides;
use serin_conformance::report::Report;
use serin_conformance::service::Service;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(40);
const USERS: usize = 3000;
/// In per cent: the chance of an abort without a cause, beyond what any number of runs will see.
const ALPHA: f64 = 0.001;

fn main() -> ExitCode {
    let mut report = Report::new("gates in Envoy");
    report.check("a canary that starts to fail is cut off, and stays off", failing);
    report.check("a healthy canary is promoted step by step", healthy);
    report.check("answers that break off are errors", cut_off);
    report.check("clients that go away are none", impatient);
    report.check("a canary that hangs is cut off by how long clients wait", hanging);
    report.check("a canary that is slower is cut off", slow);
    report.check("a canary that sells nothing is cut off", sells_nothing);
    report.check("a shadow that answers otherwise is counted, and aborts", shadow);
    report.finish()
}

/// The spec of a shop whose canary is guarded.
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

/// The same with other gates.
fn guarded(gates: Value) -> Value {
    let mut spec = spec(1, 1);
    spec["rollouts"]["shop"]["gates"] = gates;
    spec
}

/// Everything around one Envoy.
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
        let (secret, token) = overrides::secret_and_token("shop=canary")?;
        let state = Service::start("state")?;
        state.say("{\"latches\":[]}");
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

    /// With this spec in force and an Envoy whose canary answers, at this address.
    fn open(name: &str, spec: &Value) -> Result<(Self, Envoy, SocketAddr), String> {
        let mut shop = Self::new(name)?;
        shop.edge.deliver(spec)?;
        let envoy = shop.start()?;
        let to = envoy.listener("edge")?;
        until("the canary gets traffic", &envoy, || canary_answers(to, &[("x-team", "a")]))?;
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

fn failing() -> Result<(), String> {
    let (mut shop, envoy, to) = Shop::open("gates-failing", &spec(1, 1))?;
    let load = Load::start(to, USERS);
    more(&envoy, &shop, 300)?;
    if is_aborted(&envoy) {
        return Err("aborted without a cause".into());
    }
    let (onset, asked) = (Instant::now(), shop.canary.asked());
    shop.canary.fail(100);
    until("the gate aborts", &envoy, || is_aborted(&envoy))?;
    let latched = Instant::now();
    more(&envoy, &shop, 500)?;
    let notes = load.stop()?;
    let exposed = shop.canary.asked() - asked;
    let last = shop.canary.last().ok_or("the canary was never asked")?;
    let took = last.saturating_duration_since(onset);
    println!("       exposed after the onset: {exposed} requests; the last came {took:?} after it");
    answered(&notes, &onset)?;
    let late = notes.iter().filter(|note| note.sent > latched && note.version == "canary").count();
    if late > 0 {
        return Err(format!("{late} requests reached the canary after the abort\n{}", envoy.log()));
    }
    nobody_gets_in(to, &shop)?;
    let audit = audit_of_log(&envoy)?;
    until("the webhook is told", &envoy, || !shop.hook.posted().is_empty())?;
    told(&shop, &audit)?;
    drop(envoy);
    restarted(&mut shop)
}

/// The state comes back from its URL, and only a raised epoch clears the abort.
fn restarted(shop: &mut Shop) -> Result<(), String> {
    shop.state.say(&shop.hook.posted()[0]);
    shop.canary.fail(0);
    let asked = shop.canary.asked();
    let envoy = shop.start()?;
    let to = envoy.listener("edge")?;
    let load = Load::start(to, USERS);
    until("the state is read", &envoy, || is_aborted(&envoy))?;
    more(&envoy, shop, 200)?;
    answered(&load.stop()?, &Instant::now())?;
    nobody_gets_in(to, shop)?;
    if shop.canary.asked() != asked {
        return Err("the canary was asked after a restart".into());
    }
    shop.edge.deliver(&spec(2, 2))?;
    until("a raised epoch clears the abort", &envoy, || {
        canary_answers(to, &[("x-user-id", "ana"), ("x-team", "a")])
    })?;
    until("the gauge says so", &envoy, || !is_aborted(&envoy))
}

fn healthy() -> Result<(), String> {
    let mut shop = Shop::new("gates-healthy")?;
    let mut stepped = spec(1, 1);
    let rollout = &mut stepped["rollouts"]["shop"];
    rollout["canary"] = json!({
        "start": "2020-01-01T00:00:00Z",
        "steps": [{"share": 50, "hold": "1s", "mode": "gate"}, {"share": 100}],
    });
    rollout["gates"] = json!({"minRate": 1, "alpha": ALPHA, "maxBaselineErrorRate": 60, "promotion": {"exclude": 3}});
    shop.edge.deliver(&stepped)?;
    shop.stable.fail(20);
    shop.canary.fail(20);
    let envoy = shop.start()?;
    let to = envoy.listener("edge")?;
    let load = Load::start(to, USERS);
    let start = Instant::now();
    until("the step ends", &envoy, || counter(&envoy, "step.1.arm.canary.requests").is_some())?;
    let ended = Instant::now();
    println!("       promoted after {:?}", ended - start);
    more(&envoy, &shop, 300)?;
    let notes = load.stop()?;
    answered_at_all(&notes)?;
    let of = |version: &str| {
        notes.iter().filter(|note| note.sent > ended && note.version == version).count()
    };
    let (canary, stable) = (of("canary"), of("stable"));
    if is_aborted(&envoy) || canary == 0 || stable > 0 {
        return Err(format!("{canary} to the canary, {stable} to the baseline\n{}", envoy.log()));
    }
    Ok(())
}

/// The status is 200: only Envoy's flags tell.
fn cut_off() -> Result<(), String> {
    let mut shop = Shop::new("gates-cut")?;
    shop.edge.deliver(&spec(1, 1))?;
    let envoy = shop.start()?;
    shop.canary.cut();
    let load = Load::start(envoy.listener("edge")?, USERS);
    let aborted = until("the gate aborts", &envoy, || is_aborted(&envoy));
    load.stop()?;
    aborted
}

fn impatient() -> Result<(), String> {
    let (shop, envoy, to) = Shop::open("gates-impatient", &spec(1, 1))?;
    shop.canary.take(400);
    let seen = |what: &str| counter(&envoy, &format!("step.0.arm.canary.{what}"));
    let mut users = 0..;
    until("they are counted", &envoy, || {
        for user in users.by_ref().take(100) {
            let client = visit(to, user);
            std::thread::sleep(Duration::from_millis(3));
            drop(client);
        }
        seen("requests") > Some(100)
    })?;
    println!("       {:?} requests of the canary, most without an answer", seen("requests"));
    if is_aborted(&envoy) || seen("errors") != Some(0) {
        return Err(format!("{:?} errors\n{}", seen("errors"), envoy.log()));
    }
    Ok(())
}

/// Everybody leaves long before the canary answers, so it neither fails nor is it late with an answer.
fn hanging() -> Result<(), String> {
    const CLIENTS: usize = 8;
    const WAITS: Duration = Duration::from_millis(150);
    let gates = json!({"minRate": 1, "latency": {}});
    let (shop, envoy, to) = Shop::open("gates-hanging", &guarded(gates))?;
    shop.canary.take(5000);
    let done = AtomicBool::new(false);
    let aborted = std::thread::scope(|scope| {
        for client in 0..CLIENTS {
            let done = &done;
            scope.spawn(move || {
                for user in (client..3000).step_by(CLIENTS) {
                    if done.load(Ordering::Relaxed) {
                        return;
                    }
                    let Ok(mut answer) = visit(to, user) else { continue };
                    // Until there is an answer, or patience has come to its end.
                    let _ = answer.set_read_timeout(Some(WAITS));
                    let _ = answer.read(&mut [0; 64]);
                }
            });
        }
        let aborted = until("the gate aborts", &envoy, || is_aborted(&envoy));
        done.store(true, Ordering::Relaxed);
        aborted
    });
    aborted?;
    let reason = audit_of_log(&envoy)?["reason"].to_string();
    let errors = counter(&envoy, "step.0.arm.canary.errors");
    println!("       {reason}, {errors:?} errors");
    if reason.contains("latency at") && errors == Some(0) { Ok(()) } else { Err(reason) }
}

/// Asks as a user, and leaves the answer to be read.
fn visit(to: SocketAddr, user: usize) -> std::io::Result<TcpStream> {
    let mut client = TcpStream::connect(to)?;
    let request = format!("GET / HTTP/1.1\r\nhost: shop\r\nx-user-id: user-{user}\r\n\r\n");
    client.write_all(request.as_bytes())?;
    Ok(client)
}

fn slow() -> Result<(), String> {
    let gates = json!({"minRate": 1, "alpha": ALPHA, "latency": {"tolerate": 19}});
    let reason = aborted_by("gates-slow", gates, |shop| shop.canary.take(60))?;
    if reason.contains("latency at") { Ok(()) } else { Err(reason) }
}

fn sells_nothing() -> Result<(), String> {
    let kpi = json!({"methods": ["GET"], "status": ["2xx"], "header": "x-order", "tolerate": 0.95});
    let gates = json!({"minRate": 1, "alpha": ALPHA, "kpi": kpi});
    let reason = aborted_by("gates-kpi", gates, |shop| shop.canary.sell_nothing())?;
    if reason.contains("KPI") { Ok(()) } else { Err(reason) }
}

/// Why a gate has aborted once something has happened, that was at peace before.
fn aborted_by(name: &str, gates: Value, happens: impl Fn(&Shop)) -> Result<String, String> {
    let (shop, envoy, to) = Shop::open(name, &guarded(gates))?;
    let load = Load::start(to, USERS);
    more(&envoy, &shop, 200)?;
    let before = is_aborted(&envoy);
    happens(&shop);
    let aborted = until("the gate aborts", &envoy, || is_aborted(&envoy));
    load.stop()?;
    aborted?;
    let reason = audit_of_log(&envoy)?["reason"].to_string();
    if before { Err(format!("aborted before: {reason}")) } else { Ok(reason) }
}

fn shadow() -> Result<(), String> {
    let mut shop = Shop::new("gates-shadow")?;
    let mut shadowed = spec(1, 1);
    let rollout = &mut shadowed["rollouts"]["shop"];
    rollout["arms"]["dark"] = json!({"target": "dark"});
    rollout["canary"]["arm"] = json!("canary");
    rollout["shadow"] = json!({"arm": "dark", "percent": 50, "compare": "body", "maxInFlight": 4});
    rollout["gates"]["shadow"] = json!({"maxDivergence": 1});
    shop.edge.deliver(&shadowed)?;
    for service in [&shop.stable, &shop.canary, &shop.dark] {
        service.say("day\n");
    }
    let envoy = shop.start()?;
    let to = envoy.listener("edge")?;
    let load = Load::start(to, USERS);
    let shown = |what: &str| counter(&envoy, &format!("serin.shadow.shop.{what}")).unwrap_or(0);
    until("the shadow is compared", &envoy, || shown("compared") > 500)?;
    let (agreed, diverged, aborted) = (shown("compared"), shown("diverged"), is_aborted(&envoy));
    shop.dark.say("night\n");
    until("the gate aborts", &envoy, || is_aborted(&envoy))?;
    // Copies that were under way may still come; of hundreds of requests half would be copied.
    until("no more copies come", &envoy, || {
        let asked = shop.dark.asked();
        more(&envoy, &shop, 200).is_ok() && shop.dark.asked() == asked
    })?;
    answered(&load.stop()?, &Instant::now())?;
    let differing = shown("diverged");
    println!("       {agreed} answers agreed; {differing} that differed were enough");
    let dropped = shown("dropped");
    println!("       {dropped} copies were not sent, because 4 were under way on their worker");
    if diverged > 0 || aborted {
        return Err(format!("{diverged} differed before, aborted {aborted}"));
    }
    Ok(())
}

/// Waits until so many more requests have come to the arms.
fn more(envoy: &Envoy, shop: &Shop, requests: u64) -> Result<(), String> {
    let asked = || shop.stable.asked() + shop.canary.asked();
    let enough = asked() + requests;
    until("requests come in", envoy, || asked() >= enough)
}

fn answered_at_all(notes: &[Note]) -> Result<(), String> {
    let lost = notes.iter().filter(|note| note.status == 0).count();
    println!("       {} requests, {lost} without an answer", notes.len());
    if lost > 0 { Err(format!("{lost} requests got no answer")) } else { Ok(()) }
}

/// Every request has an answer, and none failed that the canary did not fail.
fn answered(notes: &[Note], onset: &Instant) -> Result<(), String> {
    answered_at_all(notes)?;
    let wrong = notes
        .iter()
        .find(|note| note.status != 200 && (note.version != "canary" || note.answered < *onset));
    match wrong {
        Some(note) => Err(format!("user {} got {} of {:?}", note.user, note.status, note.version)),
        None => Ok(()),
    }
}

fn ask(to: SocketAddr, fields: &[(&str, &str)]) -> Result<client::Message, String> {
    let request = json!({"path": "/", "headers": fields});
    let request = serde_json::from_value(request).map_err(|error| error.to_string())?;
    client::send(to, None, &request, &[])
}

fn canary_answers(to: SocketAddr, fields: &[(&str, &str)]) -> bool {
    let answer = ask(to, fields);
    answer.is_ok_and(|answer| answer.field("x-version").as_deref() == Some("canary"))
}

/// Neither by a bucket nor by a ring nor by a token; and the flag that goes with the abort is off.
fn nobody_gets_in(to: SocketAddr, shop: &Shop) -> Result<(), String> {
    let ways: [&[(&str, &str)]; 3] = [
        &[("x-user-id", "ana")],
        &[("x-user-id", "ana"), ("x-team", "a")],
        &[("x-user-id", "ana"), ("x-serin-override", &shop.token)],
    ];
    for way in ways.into_iter().cycle().take(60) {
        let answer = ask(to, way)?;
        let (version, text) = (answer.field("x-version").unwrap_or_default(), answer.text());
        if version != "stable" || !text.contains("new-checkout=?0") {
            return Err(format!("{way:?} got {version}: {text}"));
        }
    }
    Ok(())
}

fn counter(envoy: &Envoy, what: &str) -> Option<u64> {
    let stats = envoy.admin("/stats").ok()?;
    let line =
        stats.lines().find(|line| line.starts_with("wasmcustom.serin") && line.contains(what));
    line?.rsplit_once(": ")?.1.parse().ok()
}

fn is_aborted(envoy: &Envoy) -> bool {
    counter(envoy, "latch.shop.aborted") == Some(1)
}

fn audit_of_log(envoy: &Envoy) -> Result<Value, String> {
    // Envoy writes its log when it has time.
    let found = envoy::until(PATIENCE, || {
        let log = envoy.whole_log();
        let line = log.lines().find_map(|line| line.find("{\"audit\":1").map(|at| &line[at..]))?;
        serde_json::from_str(line).ok()
    });
    let audit: Value = found.ok_or_else(|| format!("no audit in the log\n{}", envoy.log()))?;
    if audit["verdict"] != "abort" || audit["rollout"] != "shop" || audit["epoch"] != 1 {
        return Err(format!("not what was expected: {audit}"));
    }
    println!("       {}", audit["reason"]);
    Ok(audit)
}

/// The webhook's record is the log's, with the latches in force.
fn told(shop: &Shop, audit: &Value) -> Result<(), String> {
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

fn until(what: &str, envoy: &Envoy, mut holds: impl FnMut() -> bool) -> Result<(), String> {
    let found = envoy::until(PATIENCE, || holds().then_some(()));
    found.ok_or_else(|| format!("waited in vain: {what}\n{}", envoy.log()))
}
