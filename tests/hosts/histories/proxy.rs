//! One simulated Envoy: two workers and a main thread with the real filter, and what must hold of it.

use crate::expected::{Accounts, Clocks, Evidence, Stage};
use crate::spec::{Mistake, RolloutKey, START, Spec};
use crate::state_url::{Received, StateUrl, document, lock};
use serde_json::Value;
use serin_conformance::sim;
use serin_history::Broken;
use serin_host_sim::{
    Clock, Entropy, HttpResponse, LogLevel, Module, Plugin, Stream, StreamInfo, Value as Property,
    VirtualClock,
};
use std::sync::{Arc, Mutex};
use std::time::Duration;

pub(crate) const WORKERS: usize = 2;
pub(crate) const TICK_MS: u64 = 1000;
/// How long a canary that fails may go on once there is enough evidence, in ms: five ticks, and the time in which
/// another VM takes over from a judge that is gone.
const ABORT_WITHIN_MS: u64 = 5 * TICK_MS + 5000;
/// The longest time between two reads of the state URL, in ms: its interval, the time limit of a read, a retry and a
/// new election.
const READ_WITHIN_MS: u64 = 25_000;
/// How long the webhook may take once the service answers well, in ms: the longest wait between two tries.
const RECORD_WITHIN_MS: u64 = 20_000;
/// `errors.timeout`, which the specs leave at its default, with the ticks around it, in ms.
const TIMED_OUT_MS: u64 = 30_000 + 3 * TICK_MS;
/// The bit of `response.flags` for a client that disconnected.
const CLIENT_DISCONNECT: i64 = 1 << 14;

pub(crate) type Checked<T = ()> = Result<T, Broken>;

pub(crate) fn check(
    invariant: &'static str,
    holds: bool,
    seen: impl FnOnce() -> String,
) -> Checked {
    if holds { Ok(()) } else { Err(Broken::new(invariant, seen())) }
}

/// How the canary answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Canary {
    Healthy,
    /// Half of its requests fail.
    Fails,
    /// It answers no request.
    Hangs,
}

/// What a history knows of a request.
#[derive(Clone, Copy)]
struct Decided {
    is_canary: bool,
    /// The stage of an exposure; `None` if the outcome is no evidence.
    stage: Option<Stage>,
}

struct InFlight {
    stream: Stream,
    worker: usize,
    decided: Decided,
    /// Since when it has no response header, an uptime in ms; `None` if it has one.
    hangs_since: Option<u64>,
    has_failed: bool,
    /// Whether it must have counted as failed by now.
    is_timed_out: bool,
}

pub(crate) struct Proxy<'m> {
    pub(crate) name: usize,
    module: &'m Module,
    canary: Canary,
    state_url: Option<StateUrl>,
    pub(crate) clock: VirtualClock,
    plugin: Plugin,
    received: Arc<Mutex<Received>>,
    audits: Arc<Mutex<Vec<String>>>,
    pub(crate) spec: Spec,
    fingerprint: Option<u64>,
    /// The highest epoch that this process has aborted, or has read an abort of.
    pub(crate) abort: Option<u64>,
    /// Each worker's lower bound of the share: no bucket below it may leave the canary.
    inside: [u32; WORKERS],
    clocks: Clocks,
    in_flight: Vec<InFlight>,
    evidence: Evidence<(RolloutKey, u32)>,
    accounts: Accounts,
    started_at: u64,
    /// An abort whose record has not reached the webhook, and since when the service has answered well.
    owed: Option<(u64, Option<u64>)>,
}

impl<'m> Proxy<'m> {
    pub(crate) fn start(
        name: usize,
        module: &'m Module,
        canary: Canary,
        state_url: Option<StateUrl>,
        spec: Spec,
    ) -> Checked<Proxy<'m>> {
        let clock = VirtualClock::at_millis(START);
        let (received, audits) = (Arc::default(), Arc::default());
        let plugin = plugin(module, state_url.as_ref(), &clock, &received, &audits, spec)?;
        let uptime = clock.uptime_nanos() / 1_000_000;
        Ok(Proxy {
            name,
            module,
            canary,
            state_url,
            plugin,
            received,
            audits,
            spec,
            fingerprint: spec.fingerprint(),
            abort: None,
            inside: [0; WORKERS],
            clocks: Clocks::new(uptime, WORKERS),
            in_flight: Vec::new(),
            evidence: Evidence::default(),
            accounts: Accounts::default(),
            started_at: uptime,
            owed: None,
            clock,
        })
    }

    /// The process ends and a new one begins on the same machine.
    pub(crate) fn restart(&mut self, spec: Spec) -> Checked {
        self.in_flight.clear();
        (self.received, self.audits) = (Arc::default(), Arc::default());
        let (received, audits) = (&self.received, &self.audits);
        let state_url = self.state_url.as_ref();
        self.plugin = plugin(self.module, state_url, &self.clock, received, audits, spec)?;
        (self.spec, self.fingerprint, self.abort) = (spec, spec.fingerprint(), None);
        self.inside = [0; WORKERS];
        (self.evidence, self.accounts) = (Evidence::default(), Accounts::default());
        (self.started_at, self.owed) = (self.uptime(), None);
        let uptime = self.uptime();
        (0..WORKERS).for_each(|worker| self.clocks.restart(worker, uptime));
        self.sync()
    }

    /// A VM fails and starts again.
    pub(crate) fn restart_vm(&mut self, vm: usize) -> Checked {
        self.plugin.fail_vm(vm);
        self.in_flight.retain(|request| {
            let is_lost = request.worker == vm;
            if let Some(stage) =
                request.decided.stage.filter(|_| is_lost && request.hangs_since.is_some())
            {
                self.accounts.allow(stage, request.decided.is_canary);
            }
            !is_lost
        });
        let restarted = self.plugin.restart_failed();
        check("a VM starts again", matches!(restarted, Ok(1)), || format!("{restarted:?}"))?;
        self.accounts.has_lost = true;
        self.evidence = Evidence::default();
        self.owed = None;
        if vm < WORKERS {
            self.inside[vm] = 0;
            self.clocks.restart(vm, self.uptime());
        }
        self.sync()
    }

    /// The proxy gets a good spec.
    pub(crate) fn deliver(&mut self, spec: Spec) -> Checked {
        let result = self.plugin.reconfigure(spec.json());
        check("a good spec is taken", result.is_ok(), || format!("{result:?}"))?;
        if self.spec.rollout_key() != spec.rollout_key() {
            self.inside = [0; WORKERS];
            self.evidence = Evidence::default();
            self.fingerprint = spec.fingerprint();
        }
        self.spec = spec;
        self.sync()
    }

    /// The proxy gets a bad spec.
    pub(crate) fn refuse(&mut self, mistake: Mistake) -> Checked {
        let result = self.plugin.reconfigure(mistake.text());
        check("a bad spec is refused", result.is_err(), || format!("{mistake:?} was taken"))?;
        self.sync()
    }

    /// The machine's clock is set to a number of hours beside the time.
    pub(crate) fn jump(&mut self, hours: i64) {
        let offset = hours * 3_600_000;
        self.clocks.jump(self.uptime(), offset);
        self.clock.jump_to_millis(self.uptime().saturating_add_signed(offset));
    }

    /// Requests of users who were not there before. One of ten ends later.
    pub(crate) fn requests(&mut self, worker: usize, count: u32, seed: u64) -> Checked<u32> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut canary_requests = 0;
        for _ in 0..count {
            let (mut stream, decided) = self.request(worker, random.u64(..))?;
            canary_requests += u32::from(decided.is_canary);
            let hangs = decided.is_canary && self.canary == Canary::Hangs;
            let has_failed = decided.is_canary && self.canary == Canary::Fails && random.bool();
            if !hangs {
                let status = if has_failed { "503" } else { "200" };
                stream.send_response_headers([(":status", status)], true);
            }
            let request = InFlight {
                stream,
                worker,
                decided,
                hangs_since: hangs.then(|| self.uptime()),
                has_failed,
                is_timed_out: false,
            };
            if hangs || random.u32(0..10) == 0 {
                self.in_flight.push(request);
            } else {
                self.end(request);
            }
        }
        self.sync()?;
        Ok(canary_requests)
    }

    /// The requests in flight end; those without an answer end only if their clients leave.
    pub(crate) fn end_in_flight(&mut self, clients_leave: bool) -> Checked {
        for request in std::mem::take(&mut self.in_flight) {
            if request.hangs_since.is_some() && !clients_leave {
                self.in_flight.push(request);
            } else {
                self.end(request);
            }
        }
        self.sync()
    }

    fn end(&mut self, mut request: InFlight) {
        if request.hangs_since.is_some() {
            request.stream.set_property(&["response", "flags"], Property::Int(CLIENT_DISCONNECT));
        }
        request.stream.finish();
        let Some(stage) = request.decided.stage else { return };
        self.accounts.end(stage, request.decided.is_canary);
        if !request.is_timed_out {
            self.add_evidence(stage, request.has_failed);
        }
    }

    fn add_evidence(&mut self, stage: Stage, has_failed: bool) {
        // Without a baseline there is nothing to compare the canary with.
        let has_baseline = self.spec.ramp.share_of(stage.step) < 100_000;
        if has_baseline && self.fingerprint == Some(stage.fingerprint) {
            let key = (self.spec.rollout_key(), stage.step);
            self.evidence.add(key, has_failed, self.clock.uptime_nanos() / 1_000_000);
        }
    }

    /// Time passes; late answers arrive.
    pub(crate) fn advance(&mut self, ms: u64) -> Checked {
        self.plugin.advance(Duration::from_millis(ms));
        let now = self.uptime();
        let late = std::mem::take(&mut lock(&self.received).late);
        let (due, rest): (Vec<_>, Vec<_>) = late.into_iter().partition(|answer| answer.at <= now);
        lock(&self.received).late.extend(rest);
        for answer in due {
            let response = answer.latches.as_ref().map_or_else(|| HttpResponse::new(204), document);
            let has_arrived = self.plugin.respond(answer.call, response);
            if let Some(latches) = answer.latches.filter(|_| has_arrived) {
                lock(&self.received).learn(&latches);
            }
        }
        let mut timed_out = Vec::new();
        for request in &mut self.in_flight {
            let is_over = request.hangs_since.is_some_and(|since| since + TIMED_OUT_MS <= now);
            if is_over && !std::mem::replace(&mut request.is_timed_out, true) {
                timed_out.extend(request.decided.stage);
            }
        }
        timed_out.into_iter().for_each(|stage| self.add_evidence(stage, true));
        self.sync()?;
        self.check_deadlines()
    }

    fn uptime(&self) -> u64 {
        self.clock.uptime_nanos() / 1_000_000
    }

    /// Takes over what the process has decided and read.
    fn sync(&mut self) -> Checked {
        let failure = self.plugin.failure();
        check("no VM fails", failure.is_none(), || format!("{failure:?}"))?;
        for line in std::mem::take(&mut *lock(&self.audits)) {
            let audit: Value = serde_json::from_str(&line).unwrap_or_default();
            if audit["verdict"] != "abort" {
                continue;
            }
            let is_justified = self.canary != Canary::Healthy;
            check("a healthy canary is not aborted", is_justified, || audit["reason"].to_string())?;
            let epoch = audit["epoch"].as_u64();
            check("an abort is decided once", epoch > self.abort, || line.clone())?;
            self.abort = epoch;
            self.owed = epoch.filter(|_| self.state_url.is_some()).map(|epoch| (epoch, None));
        }
        self.abort = self.abort.max(lock(&self.received).abort);
        Ok(())
    }

    fn is_known(&self) -> bool {
        self.state_url.is_none() || lock(&self.received).is_known
    }

    fn is_aborted(&self) -> bool {
        self.abort.is_some_and(|epoch| epoch >= self.spec.epoch)
    }

    /// Sends a request and checks its decision.
    fn request(&mut self, worker: usize, user: u64) -> Checked<(Stream, Decided)> {
        let uptime = self.uptime();
        self.clocks.note_request(worker, uptime);
        let mut stream = self.plugin.stream_on(worker, StreamInfo::new());
        let user = format!("{user:x}");
        let fields =
            [(":method", "GET"), (":path", "/"), (":authority", "a"), ("x-user-id", &user)];
        stream.send_request_headers(fields, true);
        let is_canary = stream.request_headers().get_str("x-serin-arm") == Some("b");
        let record = stream.filter_state("serin").unwrap_or_default();
        let record: Value = serde_json::from_slice(&record).unwrap_or_default();
        let seen = || format!("proxy {}, worker {worker}: {record}", self.name);
        let revision = record["revision"].as_u64();
        check("the latest good spec is in force", revision == Some(self.spec.revision), seen)?;
        let spec = self.spec;
        if !spec.has_rollout {
            return Ok((stream, Decided { is_canary, stage: None }));
        }
        let is_waiting = spec.has_gates && !self.is_known();
        check("an abort is never lost", !(is_canary && self.is_aborted()), seen)?;
        check("without the state the canary waits", !(is_canary && is_waiting), seen)?;
        let rollout = &record["rollout"];
        if rollout["reason"] != "SPLIT" {
            let is_stopped = self.is_aborted() || is_waiting;
            check("only an abort disables a rollout", is_stopped, seen)?;
            return Ok((stream, Decided { is_canary, stage: None }));
        }
        let number =
            |key: &str| rollout[key].as_u64().and_then(|number| u32::try_from(number).ok());
        let (bucket, share) =
            (number("bucket").unwrap_or_default(), number("share").unwrap_or_default());
        let is_out_again = !is_canary && bucket < self.inside[worker];
        check("nobody leaves the canary but by an abort or an edit", !is_out_again, seen)?;
        let latest = spec.ramp.share_at(self.clocks.latest(worker, uptime));
        check("nobody enters a step before its time", !(is_canary && bucket >= latest), seen)?;
        if !spec.has_gates {
            let earliest = spec.ramp.share_at(self.clocks.earliest(worker, uptime));
            let is_late = !is_canary && bucket < earliest;
            check("a ramp without gates goes on by the clock", !is_late, seen)?;
        }
        if is_canary {
            self.inside[worker] = self.inside[worker].max(bucket + 1);
        }
        let fingerprint = self.fingerprint.filter(|_| spec.has_gates);
        let (epoch, step) = (spec.epoch, spec.ramp.step_of(share));
        let stage = fingerprint.map(|fingerprint| Stage { epoch, step, fingerprint });
        Ok((stream, Decided { is_canary, stage }))
    }

    /// Checks what must have happened by now.
    fn check_deadlines(&mut self) -> Checked {
        let now = self.uptime();
        if let Some((key, since)) = self.evidence.enough()
            && now >= since + ABORT_WITHIN_MS
            && !self.is_aborted()
            && self.canary != Canary::Healthy
        {
            // Time may have brought another stage, which has no evidence yet.
            let (mut stream, decided) = self.request(0, now)?;
            stream.send_response_headers([(":status", "200")], true);
            stream.finish();
            if let Some(stage) = decided.stage {
                self.accounts.end(stage, decided.is_canary);
            }
            let step = decided.stage.map(|stage| stage.step);
            let is_same = (self.spec.rollout_key(), step) == (key.0, Some(key.1));
            check("a failing canary is aborted within ticks", !is_same, || {
                format!("proxy {}: evidence {} ms ago, no abort", self.name, now - since)
            })?;
            self.evidence = Evidence::default();
        }
        let Some(state_url) = &self.state_url else { return Ok(()) };
        let overlap = lock(&self.received).overlap;
        check("one VM at a time reads the state URL", overlap.is_none(), || {
            format!("{overlap:?}")
        })?;
        let read_at = lock(&self.received).read_at.unwrap_or(self.started_at);
        check("the state URL is read", now < read_at + READ_WITHIN_MS, || {
            format!("proxy {}: the latest read was {} ms ago", self.name, now - read_at)
        })?;
        if let Some((epoch, since)) = &mut self.owed {
            let is_good = state_url.answer() == crate::state_url::Answer::Good;
            *since = if is_good { since.or(Some(now)) } else { None };
            let is_late = since.is_some_and(|since| now >= since + RECORD_WITHIN_MS);
            let is_given_up = is_late && {
                let logs = self.plugin.logs();
                logs.iter().any(|line| line.message.contains("did not confirm a record"))
            };
            if state_url.abort() >= Some(*epoch) || is_given_up {
                self.owed = None;
            } else {
                check("the webhook gets the record", !is_late, || format!("epoch {epoch}"))?;
            }
        }
        Ok(())
    }

    /// Checks the counters and the shared tallies. `is_settled` if every VM has had time to add its counts.
    pub(crate) fn check_accounts(&mut self, is_settled: bool) -> Checked {
        let hanging = self.in_flight.iter().filter(|request| request.hangs_since.is_some());
        let hanging: Vec<(Stage, bool)> = hanging
            .filter_map(|request| Some((request.decided.stage?, request.decided.is_canary)))
            .collect();
        self.accounts.check(&self.plugin, &hanging, is_settled)
    }
}

fn plugin(
    module: &Module,
    state_url: Option<&StateUrl>,
    clock: &VirtualClock,
    received: &Arc<Mutex<Received>>,
    audits: &Arc<Mutex<Vec<String>>>,
    spec: Spec,
) -> Checked<Plugin> {
    let audits = Arc::clone(audits);
    let mut builder = Plugin::of_module(module)
        .limits(sim::generous_limits())
        .configuration(spec.json())
        .name("serin")
        .like_envoy(WORKERS)
        .clock(clock.clone())
        .entropy(Entropy::Seeded(7))
        .log_level(LogLevel::Info)
        .env_var("SERIN_GATE_TICK_MS", &TICK_MS.to_string())
        .on_log(move |line| {
            if line.message.starts_with("{\"audit\"") {
                lock(&audits).push(line.message.clone());
            }
        });
    if let Some(state_url) = state_url.cloned() {
        let (received, clock) = (Arc::clone(received), clock.clone());
        builder = builder
            .env_var("SERIN_STATE_CLUSTER", "state")
            .env_var("SERIN_STATE_URL", "http://state.example/latches")
            .env_var("SERIN_WEBHOOK_CLUSTER", "state")
            .env_var("SERIN_WEBHOOK_URL", "http://state.example/audits")
            .on_http_call(move |call| state_url.handle(call, &received, &clock));
    }
    builder.build().map_err(|error| Broken::new("a good spec is taken", error.to_string()))
}
