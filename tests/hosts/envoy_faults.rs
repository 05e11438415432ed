//! What once blinded gates in real Envoy: pushes, epochs, edits under an abort, clocks, mistakes, silence. Each case
//! prints how many canary requests failed until the abort, and in how many seconds.

use serde_json::{Value, json};
use serin_conformance::client;
use serin_conformance::envoy::Envoy;
use serin_conformance::envoy::edge::Edge;
use serin_conformance::envoy::shifted_clock::ShiftedClock;
use serin_conformance::report::Report;
use serin_conformance::service::Service;
use serin_core::plan::MAX_FLAGS_BYTES;
use std::io::Write;
use std::net::{SocketAddr, TcpStream};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

/// How long a case waits for an abort. A gate that sees half of its canary requests fail needs about three seconds.
const LIMIT: Duration = Duration::from_secs(15);
/// The time between two users, who are all new.
const USER_EVERY: Duration = Duration::from_millis(16);
const HOUR: i64 = 3600;

fn main() -> ExitCode {
    let mut report = Report::new("faults in Envoy");
    report.check("without pushes a failing canary is aborted", || under_pushes(None));
    for ms in [800, 400] {
        report.check(&format!("an unrelated flag is pushed every {ms} ms"), || {
            under_pushes(Some(Duration::from_millis(ms)))
        });
    }
    report.check("an epoch is raised after a promoted step", raised_epoch);
    report.check(
        "gates and rollouts leave the spec under an abort, and return",
        edits_under_an_abort,
    );
    report.check("a clock is set back, then a flag is pushed", clock_back);
    report.check("a clock jumps a day ahead and back", clock_ahead_and_back);
    report.check("an empty spec is refused", empty_spec);
    report.check("six thousand delivered flags lose no request", many_flags);
    report.check("a canary never answers", silent_canary);
    report.check("a gate that waits for the state says so", unknown_state);
    report.check("pushes leave little behind in Envoy", growth_by_pushes);
    report.finish()
}

fn spec(revision: u64, canary: Value) -> Value {
    json!({
        "formatVersion": 1,
        "revision": revision,
        "units": {"user": [{"header": "x-user-id"}]},
        "flags": {"other": {"variants": {"on": true, "off": false}, "defaultVariant": "off"}},
        "rollouts": {"shop": {
            "unit": "user",
            "arms": {"stable": {"target": "stable"}, "canary": {"target": "canary"}},
            "baseline": "stable",
            "canary": canary,
            "epoch": 1,
            "gates": {"minRate": 1},
        }},
    })
}

/// Users who come one after the other, in a thread of their own. Nobody waits for a response.
struct Users {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Users {
    fn come(to: SocketAddr, shop: &str) -> Users {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, shop) = (Arc::clone(&stop), shop.to_owned());
        let thread = std::thread::spawn(move || {
            let mut open: Vec<TcpStream> = Vec::new();
            for user in 0.. {
                if stopped.load(Ordering::Relaxed) {
                    return;
                }
                // A stream is kept so that its client has not left.
                open.extend(send_only(to, &format!("{shop}-{user}")));
                if open.len() > 1500 {
                    open.remove(0);
                }
                std::thread::sleep(USER_EVERY);
            }
        });
        Users { stop, thread: Some(thread) }
    }
}

impl Drop for Users {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn send_only(to: SocketAddr, user: &str) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(to).ok()?;
    let request = format!("GET / HTTP/1.1\r\nhost: shop\r\nx-user-id: {user}\r\n\r\n");
    stream.write_all(request.as_bytes()).ok()?;
    Some(stream)
}

/// An Envoy in front of two services.
struct Shop {
    stable: Service,
    canary: Service,
    state: Service,
    edge: Edge,
    name: String,
}

impl Shop {
    fn new(name: &str, variables: Value) -> Result<Self, String> {
        let state = Service::start("state")?;
        state.set_body("{\"latches\":[]}");
        Ok(Self {
            stable: Service::start("stable")?,
            canary: Service::start("canary")?,
            state,
            edge: Edge::new(&format!("faults-{name}"), variables)?,
            name: name.to_owned(),
        })
    }

    /// Starts Envoy with a spec and waits until the plan is in force.
    fn open(&mut self, spec: &Value) -> Result<(Envoy, SocketAddr), String> {
        self.edge.deliver(spec)?;
        let clusters = [
            ("stable", self.stable.address),
            ("canary", self.canary.address),
            ("state", self.state.address),
        ];
        let envoy =
            self.edge.start_with(&format!("faults-{}", self.name), &clusters, &json!({}))?;
        let to = envoy.listener("edge")?;
        envoy.wait_until("a plan is in force", || metric(&envoy, "serin.revision").is_some())?;
        Ok((envoy, to))
    }

    /// Waits for the abort of an epoch while users come, and prints what it took. `meanwhile` is called all the time.
    fn until_abort(
        &mut self,
        envoy: &Envoy,
        to: SocketAddr,
        mut meanwhile: impl FnMut(&mut Self) -> Result<(), String>,
    ) -> Result<(), String> {
        let (start, before) = (Instant::now(), self.canary.request_count());
        let users = Users::come(to, &self.name);
        let mut looked = Instant::now();
        let mut is_aborted = false;
        while !is_aborted && start.elapsed() < LIMIT {
            meanwhile(self)?;
            std::thread::sleep(Duration::from_millis(20));
            if looked.elapsed() > Duration::from_millis(100) {
                looked = Instant::now();
                is_aborted = metric(envoy, "latch.shop.aborted") == Some(1);
            }
        }
        drop(users);
        let requests = self.canary.request_count() - before;
        let seconds = start.elapsed().as_secs_f64();
        let what = if is_aborted { "until the abort" } else { "without an abort" };
        println!("       {requests} canary requests in {seconds:.1} s {what}");
        if is_aborted { Ok(()) } else { Err(format!("no abort\n{}", envoy.log())) }
    }
}

/// The value of the first metric of Serin whose name contains `part`.
fn metric(envoy: &Envoy, part: &str) -> Option<u64> {
    let stats = envoy.admin("/stats").ok()?;
    let is_wanted = |line: &&str| line.starts_with("wasmcustom.serin") && line.contains(part);
    stats.lines().find(is_wanted)?.rsplit_once(": ")?.1.parse().ok()
}

fn get(to: SocketAddr, user: &str) -> Result<client::Message, String> {
    let request = json!({"path": "/", "headers": [["x-user-id", user]]});
    let request = serde_json::from_value(request).map_err(|error| error.to_string())?;
    client::send(to, None, &request, &[])
}

/// How many of these users get the canary.
fn on_canary(to: SocketAddr, users: u32) -> Result<u32, String> {
    let mut count = 0;
    for user in 0..users {
        let response = get(to, &format!("user-{user}"))?;
        count += u32::from(response.field("x-version").as_deref() == Some("canary"));
    }
    Ok(count)
}

fn expect<T: PartialEq + std::fmt::Debug>(what: &str, seen: T, expected: T) -> Result<(), String> {
    if seen == expected { Ok(()) } else { Err(format!("{what}: {seen:?}, expected {expected:?}")) }
}

/// A tick of one second, as by default, and a push more often than that.
fn under_pushes(every: Option<Duration>) -> Result<(), String> {
    let name = format!("pushes-{}", every.map_or(0, |every| every.as_millis()));
    let mut shop = Shop::new(&name, state_variables())?;
    let mut pushed = spec(1, json!({"share": 50}));
    let (envoy, to) = shop.open(&pushed)?;
    envoy.wait_until("the state is read", || shop.state.request_count() > 0)?;
    shop.canary.set_error_percent(50);
    let mut last = Instant::now();
    let reads = shop.state.request_count();
    shop.until_abort(&envoy, to, |shop| {
        if every.is_none_or(|every| last.elapsed() < every) {
            return Ok(());
        }
        last = Instant::now();
        pushed["revision"] = json!(pushed["revision"].as_u64().unwrap_or_default() + 1);
        let default = pushed["flags"]["other"]["defaultVariant"] == "on";
        pushed["flags"]["other"]["defaultVariant"] = json!(if default { "off" } else { "on" });
        shop.edge.deliver(&pushed)
    })?;
    let reads = shop.state.request_count() - reads;
    println!("       {reads} reads of the state URL meanwhile");
    if reads > 0 { Ok(()) } else { Err("the state URL is not read".into()) }
}

fn state_variables() -> Value {
    json!({
        "SERIN_STATE_CLUSTER": "state",
        "SERIN_STATE_URL": "http://state.example/latches",
        "SERIN_STATE_SECONDS": "1",
    })
}

/// Seconds since 1970.
fn now() -> u64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    since.map(|since| since.as_secs()).unwrap_or_default()
}

/// A time of day, this many seconds ago.
fn ago(seconds: u64) -> String {
    let total = now() - seconds;
    let (days, rest) = (total / 86_400, total % 86_400);
    // Howard Hinnant's calendar of days, for the years that tests are run in.
    let era_days = days + 719_468;
    let (era, day) = (era_days / 146_097, era_days % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let (day, month) =
        (day - (153 * month + 2) / 5 + 1, if month < 10 { month + 3 } else { month - 9 });
    let year = year + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

fn raised_epoch() -> Result<(), String> {
    let mut shop = Shop::new("epoch", state_variables())?;
    // Another host has let the first step end.
    let ended =
        json!({"latches": [{"rollout": "shop", "epoch": 1, "left": [[0, (now() - 60) * 1000]]}]});
    shop.state.set_body(&ended.to_string());
    let steps = json!([{"share": 20, "hold": "1s", "mode": "gate"}, {"share": 50}]);
    let mut stepped = spec(1, json!({"start": ago(600), "steps": steps}));
    let (envoy, to) = shop.open(&stepped)?;
    envoy.wait_until("the second step is in force", || {
        on_canary(to, 60).is_ok_and(|count| count > 20)
    })?;
    shop.canary.set_error_percent(50);
    shop.until_abort(&envoy, to, |_| Ok(()))?;
    expect("users on the aborted canary", on_canary(to, 100)?, 0)?;
    (stepped["revision"], stepped["rollouts"]["shop"]["epoch"]) = (json!(2), json!(2));
    shop.edge.deliver(&stepped)?;
    envoy.wait_until("the epoch is raised", || {
        metric(&envoy, "serin.revision") == Some(2)
            && metric(&envoy, "latch.shop.aborted") == Some(0)
    })?;
    shop.until_abort(&envoy, to, |_| Ok(()))
}

/// Without a state URL. An abort stays until the epoch is raised.
fn edits_under_an_abort() -> Result<(), String> {
    let mut shop = Shop::new("edits", json!({}))?;
    let guarded = spec(1, json!({"share": 50}));
    let (envoy, to) = shop.open(&guarded)?;
    shop.canary.set_error_percent(50);
    shop.until_abort(&envoy, to, |_| Ok(()))?;
    let mut bare = spec(2, json!({"share": 50}));
    bare["rollouts"]["shop"].as_object_mut().and_then(|rollout| rollout.remove("gates"));
    let mut without = spec(3, json!({"share": 50}));
    without["rollouts"] = json!({});
    let mut back = guarded.clone();
    back["revision"] = json!(4);
    for (what, pushed) in [("gates out", bare), ("rollout out", without), ("all back", back)] {
        shop.edge.deliver(&pushed)?;
        let revision = pushed["revision"].as_u64();
        envoy.wait_until("the push arrives", || metric(&envoy, "serin.revision") == revision)?;
        let count = on_canary(to, 400)?;
        println!("       {what}: {count} of 400 requests to the aborted canary");
        expect(what, count, 0)?;
    }
    Ok(())
}

/// The steps end by the clock. An hour ago none had begun.
fn clock_back() -> Result<(), String> {
    let clock = ShiftedClock::new("clock-back")?;
    let mut shop = Shop::new("back", json!({}))?;
    shop.edge.set_process_variables(clock.variables());
    let steps = json!([{"share": 36, "hold": "10h"}, {"share": 100}]);
    let mut timed = spec(1, json!({"start": ago(1800), "steps": steps}));
    let (envoy, to) = shop.open(&timed)?;
    let before = on_canary(to, 200)?;
    clock.set(-HOUR)?;
    std::thread::sleep(Duration::from_secs(1));
    let behind = on_canary(to, 200)?;
    timed["revision"] = json!(2);
    timed["flags"]["other"]["defaultVariant"] = json!("on");
    shop.edge.deliver(&timed)?;
    envoy.wait_until("the push arrives", || metric(&envoy, "serin.revision") == Some(2))?;
    let after = on_canary(to, 200)?;
    println!(
        "       of 200 users {before} on the canary; {behind} an hour back; {after} after a push"
    );
    expect("users before and after", (before, before), (behind, after))?;
    envoy.wait_for_log("behind the latest decision")?;
    // Gates, which count durations, go on.
    shop.canary.set_error_percent(50);
    shop.until_abort(&envoy, to, |_| Ok(()))
}

fn clock_ahead_and_back() -> Result<(), String> {
    let clock = ShiftedClock::new("clock-ahead")?;
    let mut shop = Shop::new("ahead", state_variables())?;
    shop.edge.set_process_variables(clock.variables());
    let steps = json!([{"share": 36, "hold": "10h"}, {"share": 100}]);
    let (envoy, to) = shop.open(&spec(1, json!({"start": ago(1800), "steps": steps})))?;
    envoy.wait_until("the state is read", || shop.state.request_count() > 0)?;
    envoy.wait_until("the canary gets users", || on_canary(to, 60).is_ok_and(|count| count > 0))?;
    let before = on_canary(to, 200)?;
    clock.set(24 * HOUR)?;
    std::thread::sleep(Duration::from_secs(3));
    let ahead = on_canary(to, 200)?;
    clock.set(0)?;
    std::thread::sleep(Duration::from_secs(1));
    let reads = shop.state.request_count();
    std::thread::sleep(Duration::from_secs(5));
    let reads = shop.state.request_count() - reads;
    let after = on_canary(to, 200)?;
    println!(
        "       of 200 users {before} on the canary; {ahead} a day ahead; {after} after it, with {reads} reads of the state in 5 s"
    );
    expect("users on the canary", (ahead, after), (before, before))?;
    expect("whether the state is read", reads >= 3, true)?;
    shop.canary.set_error_percent(50);
    shop.until_abort(&envoy, to, |_| Ok(()))
}

fn empty_spec() -> Result<(), String> {
    let mut shop = Shop::new("empty", json!({}))?;
    let (envoy, to) = shop.open(&spec(7, json!({"share": 50})))?;
    let before = on_canary(to, 100)?;
    for text in ["", " \n"] {
        let rejected = rejections(&envoy);
        shop.edge.deliver_text(text)?;
        let wait = Instant::now();
        while rejections(&envoy) == rejected && wait.elapsed() < Duration::from_secs(3) {
            std::thread::sleep(Duration::from_millis(50));
        }
        let (count, flags) = (on_canary(to, 100)?, get(to, "a")?.text().contains("serin-flags"));
        println!(
            "       {text:?}: {count} of {before} users still on the canary, flags delivered: {flags}"
        );
        expect("users and flags", (count, flags), (before, true))?;
        expect("whether Envoy counts a rejection", rejections(&envoy) > rejected, true)?;
    }
    expect("revision", metric(&envoy, "serin.revision"), Some(7))
}

/// How many configs of the filter Envoy has rejected.
fn rejections(envoy: &Envoy) -> u64 {
    let stats = envoy.admin("/stats?filter=extension_config_discovery").unwrap_or_default();
    let lines = stats
        .lines()
        .filter(|line| line.contains("config_fail") || line.contains("update_rejected"));
    lines.filter_map(|line| line.rsplit_once(": ")?.1.parse::<u64>().ok()).sum()
}

fn many_flags() -> Result<(), String> {
    let mut shop = Shop::new("flags", json!({}))?;
    let (_envoy, to) = shop.open(&spec(1, json!({"share": 50})))?;
    let mut large = spec(2, json!({"share": 50}));
    for number in 0..6000 {
        large["flags"][format!("a-flag-of-a-long-name-{number}")] =
            json!({"variants": {"on": true, "off": false}, "defaultVariant": "off"});
    }
    shop.edge.deliver(&large)?;
    std::thread::sleep(Duration::from_secs(3));
    let (mut lost, mut bytes) = (0, 0);
    for user in 0..50 {
        let response = get(to, &format!("user-{user}"))?;
        lost += u32::from(response.status() != 200);
        bytes = bytes.max(response.text().len());
    }
    println!("       {lost} of 50 requests lost; the arm got up to {bytes} bytes of flags");
    // Arms that take more are rare: a server's limit for a whole header block is 8 to 64 KiB.
    expect("whether the flags fit", bytes <= MAX_FLAGS_BYTES, true)?;
    expect("lost requests", lost, 0)
}

/// The route has no timeout.
fn silent_canary() -> Result<(), String> {
    let mut shop = Shop::new("silent", json!({}))?;
    shop.edge.remove_route_timeout();
    shop.canary.set_delay_ms(600_000);
    let mut guarded = spec(1, json!({"share": 50}));
    guarded["rollouts"]["shop"]["gates"]["errors"] = json!({"timeout": "2s"});
    let (envoy, to) = shop.open(&guarded)?;
    shop.until_abort(&envoy, to, |_| Ok(()))
}

fn unknown_state() -> Result<(), String> {
    let mut shop = Shop::new("unknown", state_variables())?;
    shop.state.set_error_percent(100);
    let (envoy, to) = shop.open(&spec(1, json!({"share": 50})))?;
    envoy.wait_until("the state is asked for", || shop.state.request_count() > 1)?;
    let (waiting, count) = (metric(&envoy, "gate.waiting"), on_canary(to, 100)?);
    println!("       {count} of 100 users on the canary, rollouts that wait: {waiting:?}");
    expect("while it is unknown", (waiting, count), (Some(1), 0))?;
    shop.state.set_error_percent(0);
    let is_known = || metric(&envoy, "gate.waiting") == Some(0);
    envoy.wait_until("the gauge says that it is known", is_known)?;
    expect("whether the canary gets users", on_canary(to, 100)? > 0, true)
}

/// How many pushes warm Envoy up, and how many are measured.
const WARM_UP: u32 = 60;
const PUSHES: u32 = 300;
/// How many bytes a push with gates may leave behind in Envoy, with two workers. Envoy keeps about 800 bytes of each
/// push, and a timer for each context that has ticked, in each worker and in the main thread.
const MAX_BYTES_PER_PUSH: u64 = 2_700;

/// Pushes two specs by turns, and looks at what Envoy has allocated.
fn growth_by_pushes() -> Result<(), String> {
    let mut shop = Shop::new("growth", json!({}))?;
    let with_gates = spec(1, json!({"share": 50}));
    let mut without = with_gates.clone();
    without["rollouts"]["shop"].as_object_mut().and_then(|rollout| rollout.remove("gates"));
    let (envoy, _) = shop.open(&without)?;
    let mut growth = |spec: &Value| {
        push(&mut shop, &envoy, spec, WARM_UP)?;
        let before = allocated(&envoy)?;
        push(&mut shop, &envoy, spec, PUSHES)?;
        Ok::<u64, String>(allocated(&envoy)?.saturating_sub(before) / u64::from(PUSHES))
    };
    let (without, with_gates) = (growth(&without)?, growth(&with_gates)?);
    println!("       {with_gates} bytes for each push with gates, {without} without");
    if with_gates <= MAX_BYTES_PER_PUSH {
        return Ok(());
    }
    Err(format!("{with_gates} bytes for each push, at most {MAX_BYTES_PER_PUSH} are allowed"))
}

/// Pushes a spec a number of times, each time with another default of its flag, and waits until each is in force.
fn push(shop: &mut Shop, envoy: &Envoy, spec: &Value, count: u32) -> Result<(), String> {
    let mut pushed = spec.clone();
    for number in 0..count {
        let before = reloads(envoy)?;
        pushed["flags"]["other"]["defaultVariant"] =
            json!(if number % 2 == 0 { "on" } else { "off" });
        shop.edge.deliver(&pushed)?;
        let deadline = Instant::now() + LIMIT;
        while reloads(envoy)? == before {
            if Instant::now() > deadline {
                return Err(format!("push {number} does not arrive\n{}", envoy.log()));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    // What was deferred is deleted.
    std::thread::sleep(Duration::from_secs(2));
    Ok(())
}

/// How many configs of the filter Envoy has taken.
fn reloads(envoy: &Envoy) -> Result<u64, String> {
    let stats = envoy.admin("/stats?filter=config_reload$")?;
    let count = stats.lines().find_map(|line| line.rsplit_once(": ")?.1.parse().ok());
    count.ok_or_else(|| format!("no count of configs: {stats}"))
}

/// The bytes that Envoy has allocated.
fn allocated(envoy: &Envoy) -> Result<u64, String> {
    let memory = envoy.admin("/memory")?;
    let memory: Value = serde_json::from_str(&memory).map_err(|error| error.to_string())?;
    let bytes = memory["allocated"].as_str().and_then(|bytes| bytes.parse().ok());
    bytes.ok_or_else(|| format!("no number of bytes: {memory}"))
}
