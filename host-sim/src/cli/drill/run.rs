//! One run: requests through the real filter on a virtual clock, until the rollout is over.

use super::observer::{Observer, Seen};
use super::record::Decided;
use super::story::{Story, Tick};
use super::users::{Random, Users};
use super::world::{Fate, World};
use rand::RngExt;
use rand_distr::{Distribution, Exp1};
use serin_core::gate::Outcome;
use serin_host_sim::{
    Action, Clock, Entropy, HttpResponse, Limits, Module, Plugin, Stream, StreamInfo, VirtualClock,
};
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How much goes on, whatever goes wrong.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    pub(super) per_second: f64,
    pub(super) workers: usize,
    /// How many requests may be KPI events, 0 to 1.
    pub(super) kpi: f64,
    /// When a run is over at the latest, in ms.
    pub(super) longest_ms: u64,
}

/// Everything a run depends on.
pub(super) struct Setting<'a> {
    pub(super) module: &'a Module,
    pub(super) world: World<'a>,
    pub(super) users: &'a Users,
    pub(super) pace: Pace,
    pub(super) random: Random,
    /// For the guests' own randomness.
    pub(super) seed: u64,
}

const SECOND: u64 = 1_000_000_000;
const MILLISECOND: u64 = 1_000_000;
/// A run goes on for so long after there is nothing more to decide.
const AFTERWARDS_MS: u64 = 120_000;
/// How long a step is watched that no clock ends.
const OPEN_STEP_MS: u64 = 600_000;

/// A request that waits for its answer.
struct Open {
    stream: Stream,
    fate: Fate,
    new: bool,
    seen: Option<Seen>,
}

/// The state of a run.
struct Run<'a> {
    setting: Setting<'a>,
    plugin: Plugin,
    clock: VirtualClock,
    audits: Arc<Mutex<Vec<String>>>,
    open: Vec<Option<Open>>,
    free: Vec<usize>,
    /// When each open request is answered.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    observer: Option<Observer<'a>>,
    story: Story,
    /// When the rollout has nothing more to decide, in ns.
    settled: Option<u64>,
}

/// Runs it.
pub(super) fn run(setting: Setting<'_>) -> Result<Story, String> {
    let mut run = Run::new(setting)?;
    run.until_over();
    run.story.close(run.now_ms(), &run.setting.users.list);
    match run.plugin.failure() {
        Some(error) => Err(format!("the filter failed in the run {}: {error}", run.story.label)),
        None => Ok(run.story),
    }
}

impl<'a> Run<'a> {
    fn new(setting: Setting<'a>) -> Result<Run<'a>, String> {
        let world = setting.world;
        let clock = VirtualClock::at_millis(world.start_ms);
        let audits = Arc::new(Mutex::new(Vec::new()));
        let kept = Arc::clone(&audits);
        let mut plugin = Plugin::of_module(setting.module)
            .configuration(world.subject.json.clone())
            .clock(clock.clone())
            .entropy(Entropy::Seeded(setting.seed))
            .limits(limits())
            .fail_policy(serin_host_sim::FailPolicy::FailClosed)
            .on_log(move |line| {
                if let Some(at) = line.message.find("{\"audit\":") {
                    let record = line.message[at..].to_owned();
                    kept.lock().unwrap_or_else(PoisonError::into_inner).push(record);
                }
            });
        plugin = shadow(plugin, &setting, &clock);
        let plugin = plugin.like_envoy(setting.pace.workers).build();
        let plugin = plugin.map_err(|error| format!("the filter: {error}"))?;
        let subject = world.subject;
        let mut story = Story::new(subject, world.fault, setting.users.list.len());
        // Without a canary's share nothing changes by itself.
        let settled = subject.fixed.map(|share| {
            story.enter(share, world.start_ms);
            clock.now_nanos() + OPEN_STEP_MS * MILLISECOND
        });
        Ok(Run {
            observer: Observer::new(subject),
            setting,
            plugin,
            clock,
            audits,
            open: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
            story,
            settled,
        })
    }

    fn now_ms(&self) -> u64 {
        self.clock.now_nanos() / MILLISECOND
    }

    fn until_over(&mut self) {
        let start = self.clock.now_nanos();
        let end = start + self.setting.pace.longest_ms * MILLISECOND;
        let mut next_request = start + self.gap();
        let mut next_second = start + SECOND;
        let mut tick = self.plugin.next_due_nanos().unwrap_or(u64::MAX);
        loop {
            let answer = self.due.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
            let next = next_request.min(answer).min(tick).min(next_second);
            if next >= end || self.settled.is_some_and(|settled| next >= settled) {
                return;
            }
            let wait = next.saturating_sub(self.clock.now_nanos());
            self.clock.advance(Duration::from_nanos(wait));
            if next == answer {
                self.answer();
            } else if next == tick {
                self.plugin.tick();
                tick = self.plugin.next_due_nanos().unwrap_or(u64::MAX);
            } else if next == next_second {
                self.second();
                next_second += SECOND;
            } else {
                self.request();
                next_request = next + self.gap();
            }
        }
    }

    /// Ns until the next request.
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    fn gap(&mut self) -> u64 {
        let gap: f64 = Exp1.sample(&mut self.setting.random);
        (gap / self.setting.pace.per_second * 1e9) as u64 + 1
    }

    fn request(&mut self) {
        let setting = &mut self.setting;
        let (world, pace) = (setting.world, setting.pace);
        let index = setting.users.next(&mut setting.random);
        let user = &setting.users.list[index];
        let worker = setting.random.random_range(0..pace.workers);
        let asks = setting.random.random::<f64>() < pace.kpi;
        let event = world.subject.kpi.as_ref().filter(|_| asks);
        let (method, path) = event.map_or(("GET", world.subject.path.as_str()), |event| {
            (event.method.as_str(), event.path.as_str())
        });
        let mut info = StreamInfo::new();
        if let Some(address) = &user.request.address {
            info = info.source(address);
        }
        if !user.request.claims.is_empty() {
            let token = serde_json::json!({ "payload": user.request.claims });
            info = info.metadata("envoy.filters.http.jwt_authn", token);
        }
        let mut stream = self.plugin.stream_on(worker, info);
        let pairs = user.request.pairs(method, path);
        let action = stream.send_request_headers(pairs, true);
        let decided = stream.filter_state("serin").and_then(|record| Decided::read(&record));
        let decided = decided.filter(|decided| decided.rollout == world.subject.rollout);
        let now_ms = self.clock.now_nanos() / MILLISECOND;
        let new = decided.as_ref().is_some_and(|decided| decided.arm == world.subject.arm);
        let fate = world.fate(user, new, asks, now_ms, &mut setting.random);
        if action != Action::Continue {
            self.story.unanswered += 1;
            return;
        }
        let chosen = decided.as_ref().and_then(|decided| decided.by_share);
        self.story.request(now_ms, index, user, new, chosen.is_some());
        self.follow(chosen.map(|(_, share)| share), now_ms);
        if decided.is_none() {
            self.story.strays += 1;
        }
        let cohorts = self.cohorts(index);
        let seen = chosen.map(|(bucket, _)| Seen {
            canary: new,
            bucket,
            cohorts,
            kpi: fate.kpi,
            outcome: Outcome::default(),
        });
        let at = self.clock.now_nanos() + fate.micros * 1000;
        let open = Open { stream, fate, new, seen };
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.open.push(None);
                self.open.len() - 1
            }
        };
        self.open[place] = Some(open);
        self.due.push(Reverse((at, place)));
    }

    /// Which of the gates' cohorts a user is in.
    fn cohorts(&self, user: usize) -> u32 {
        let subject = self.setting.world.subject;
        let groups = self.setting.users.list[user].groups;
        let inside = subject.groups.iter().enumerate().filter(|(bit, _)| groups & 1 << bit != 0);
        let places = inside.filter_map(|(_, group)| subject.judged_place(&group.name));
        places.fold(0, |bits, place| bits | 1 << place)
    }

    /// Another share means another step.
    fn follow(&mut self, share: Option<serin_core::Share>, now_ms: u64) {
        let fixed = self.setting.world.subject.fixed.is_some();
        let changed = |share: &serin_core::Share| !fixed && Some(*share) != self.story.share();
        let Some(share) = share.filter(changed) else { return };
        let step = self.story.enter(share, now_ms);
        if let Some(observer) = &mut self.observer {
            observer.enter(u32::try_from(step).unwrap_or(u32::MAX), share, now_ms);
        }
        if self.story.aborted().is_some() {
            return;
        }
        let subject = self.setting.world.subject;
        let held = subject.steps.get(step).map(|step| step.hold_ms);
        let last = step + 1 >= subject.steps.len();
        let rest = match held {
            // Everybody has it, or nobody will end this step.
            _ if last && share == serin_core::Share::ALL => Some(AFTERWARDS_MS),
            Some(None) => Some(OPEN_STEP_MS),
            _ => None,
        };
        self.settled = rest.map(|rest| self.clock.now_nanos() + rest * MILLISECOND);
    }

    fn answer(&mut self) {
        let Some(Reverse((_, place))) = self.due.pop() else { return };
        let Some(mut open) = self.open[place].take() else { return };
        self.free.push(place);
        if open.fate.flags != 0 {
            open.stream
                .set_property(&["response", "flags"], serin_host_sim::Value::Int(open.fate.flags));
        }
        let status = open.fate.status.to_string();
        let mut headers = vec![(":status", status.as_str())];
        let event =
            self.setting.world.subject.kpi.as_ref().and_then(|event| event.header.as_deref());
        if let Some(name) = event.filter(|_| open.fate.kpi) {
            headers.push((name, "1"));
        }
        let body = self.plugin.sees_response_body();
        open.stream.send_response_headers(headers, !body);
        if body {
            open.stream.send_response_body("ok", true);
        }
        open.stream.finish();
        let failed = open.fate.status >= 500;
        self.story.answer(self.now_ms(), open.new, failed);
        if let (Some(observer), Some(mut seen)) = (&mut self.observer, open.seen) {
            let kpi_header = seen.kpi;
            seen.outcome = Outcome {
                status: open.fate.status,
                failed: open.fate.flags != 0,
                micros: Some(open.fate.micros),
                kpi_header,
            };
            observer.record(&seen);
        }
    }

    /// Once a second: what gates have said, and where everything stands.
    fn second(&mut self) {
        let now_ms = self.now_ms();
        let audits: Vec<String> =
            self.audits.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        for audit in audits {
            let aborts = self.story.audit(audit, &self.setting.world.subject.rollout);
            if aborts {
                self.settled = Some(self.clock.now_nanos() + AFTERWARDS_MS * MILLISECOND);
            }
        }
        let (against, promotion) = match &mut self.observer {
            Some(observer) if self.story.aborted().is_none() => {
                observer.look(now_ms);
                (observer.against, observer.promotion)
            }
            _ => (0.0, 0.0),
        };
        self.story.tick(now_ms, Tick { against, promotion });
    }
}

/// A record is long, and a machine that is busy must not change what a run comes to.
fn limits() -> Limits {
    Limits {
        log_line_bytes: 256 << 10,
        call_deadline: Duration::from_secs(600),
        ..Limits::default()
    }
}

/// Answers the filter's own calls, which compare a shadow's answers.
fn shadow(
    plugin: serin_host_sim::PluginBuilder,
    setting: &Setting<'_>,
    clock: &VirtualClock,
) -> serin_host_sim::PluginBuilder {
    let fault = setting.world.fault;
    let struck_ms = setting.world.start_ms + fault.onset_ms;
    let differs = fault.shadow;
    let random = Mutex::new(super::users::random(setting.seed, "shadow", 0));
    let clock = clock.clone();
    plugin.on_http_call(move |_| {
        let now_ms = clock.now_nanos() / MILLISECOND;
        let mut random = random.lock().unwrap_or_else(PoisonError::into_inner);
        let status = super::world::shadow_status(differs && now_ms >= struck_ms, &mut random);
        Some(HttpResponse::new(status).body("ok"))
    })
}
