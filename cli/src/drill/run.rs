//! One run: requests through the real filter on a virtual clock, until the rollout is over.

use super::decision_record::Decided;
use super::observer::{Observer, Seen};
use super::proxy::{MILLISECOND, Proxy};
use super::run_config::RunConfig;
use super::timeline::{Tick, Timeline};
use super::upstream_model::UpstreamResponse;
use rand::RngExt;
use rand_distr::{Distribution, Exp1};
use serin_core::Share;
use serin_core::gate::Outcome;
use serin_host_sim::Stream;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const SECOND: u64 = 1_000_000_000;
/// A run goes on for so long after there is nothing more to decide.
const AFTERWARDS_MS: u64 = 120_000;
/// How long a step is watched that no clock ends.
const OPEN_STEP_MS: u64 = 600_000;

/// A request that waits for its answer.
struct Open {
    stream: Stream,
    response: UpstreamResponse,
    new: bool,
    seen: Option<Seen>,
}

/// The state of a run.
struct Run<'a> {
    config: RunConfig<'a>,
    proxy: Proxy,
    open: Vec<Option<Open>>,
    free: Vec<usize>,
    /// When each open request is answered.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    observer: Option<Observer<'a>>,
    timeline: Timeline,
    /// When the rollout has nothing more to decide, in ns.
    settled: Option<u64>,
    /// For each group of the subject, its bit among the cohorts that gates judge.
    judged: Vec<u32>,
}

/// Runs it.
pub(super) fn run(config: RunConfig<'_>) -> Result<Timeline, String> {
    let mut run = Run::new(config)?;
    run.until_over();
    run.timeline.close(run.proxy.now_ms(), &run.config.users.list);
    match run.proxy.failure() {
        Some(error) => Err(format!("the filter failed in the run {}: {error}", run.timeline.label)),
        None => Ok(run.timeline),
    }
}

impl<'a> Run<'a> {
    fn new(config: RunConfig<'a>) -> Result<Run<'a>, String> {
        let (subject, fault) = (config.model.subject, config.model.fault);
        let proxy = Proxy::start(&config)?;
        let mut timeline = Timeline::new(subject, fault, config.users.list.len());
        // Without a canary's share nothing changes by itself.
        let settled = subject.fixed.map(|share| {
            timeline.enter(share, config.model.start_ms);
            proxy.now_nanos() + OPEN_STEP_MS * MILLISECOND
        });
        let bit = |name: &str| subject.judged_place(name).map_or(0, |place| 1 << place);
        Ok(Run {
            observer: Observer::new(subject),
            judged: subject.groups.iter().map(|group| bit(&group.name)).collect(),
            config,
            proxy,
            open: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
            timeline,
            settled,
        })
    }

    fn until_over(&mut self) {
        let start = self.proxy.now_nanos();
        let longest = self.config.load.longest_ms.saturating_mul(MILLISECOND);
        let end = start.saturating_add(longest);
        let mut next_request = start + self.gap();
        let mut next_second = start + SECOND;
        let mut tick = self.proxy.next_tick();
        loop {
            let answer = self.due.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
            let next = next_request.min(answer).min(tick).min(next_second);
            let end = self.settled.map_or(end, |settled| settled.min(end));
            if next >= end {
                return self.proxy.wait_until(end);
            }
            self.proxy.wait_until(next);
            if next == answer {
                self.answer();
            } else if next == tick {
                tick = self.proxy.tick();
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
        let gap: f64 = Exp1.sample(&mut self.config.random);
        (gap / self.config.load.per_second * 1e9) as u64 + 1
    }

    fn request(&mut self) {
        let config = &mut self.config;
        let (model, load) = (config.model, config.load);
        let index = config.users.next(&mut config.random);
        let user = &config.users.list[index];
        let worker = config.random.random_range(0..load.workers);
        let asks = config.random.random::<f64>() < load.kpi;
        let event = model.subject.kpi.as_ref().filter(|_| asks);
        let (method, path) = event.map_or(("GET", model.subject.path.as_str()), |event| {
            (event.method.as_str(), event.path.as_str())
        });
        let (stream, passed) = self.proxy.request(worker, &user.request, method, path);
        let record = stream.filter_state("serin").unwrap_or_default();
        let decided = Decided::read(&record);
        let decided = decided.filter(|decided| decided.rollout == model.subject.rollout);
        let now_ms = self.proxy.now_ms();
        let new = decided.as_ref().is_some_and(|decided| decided.arm == model.subject.arm);
        let response = model.respond(user, new, asks, now_ms, &mut config.random);
        if !passed {
            self.timeline.unanswered += 1;
            return;
        }
        let chosen = decided.as_ref().and_then(|decided| decided.by_share);
        self.timeline.request(now_ms, index, user, new, chosen.is_some());
        self.follow(chosen.map(|(_, share)| share), now_ms);
        if decided.is_none() {
            self.timeline.strays += 1;
        }
        let cohorts = self.cohorts(index);
        let seen = chosen.map(|(bucket, _)| Seen {
            canary: new,
            bucket,
            cohorts,
            kpi: response.kpi,
            outcome: Outcome::default(),
        });
        let at = self.proxy.now_nanos() + response.micros * 1000;
        let open = Open { stream, response, new, seen };
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
        let groups = self.config.users.list[user].groups;
        let judged = self.judged.iter().enumerate();
        judged
            .filter(|(bit, _)| groups & 1 << (*bit).min(31) != 0)
            .fold(0, |bits, (_, bit)| bits | bit)
    }

    /// Another share means another step.
    fn follow(&mut self, share: Option<Share>, now_ms: u64) {
        let fixed = self.config.model.subject.fixed.is_some();
        let changed = |share: &Share| !fixed && Some(*share) != self.timeline.share();
        let Some(share) = share.filter(changed) else { return };
        let step = self.timeline.enter(share, now_ms);
        if let Some(observer) = &mut self.observer {
            observer.enter(u32::try_from(step).unwrap_or(u32::MAX), share, now_ms);
        }
        if self.timeline.aborted().is_some() {
            return;
        }
        let subject = self.config.model.subject;
        let held = subject.steps.get(step).map(|step| step.hold_ms);
        let last = step + 1 >= subject.steps.len();
        let rest = match held {
            // Everybody has it, or nobody will end this step.
            _ if last && share == Share::ALL => Some(AFTERWARDS_MS),
            Some(None) => Some(OPEN_STEP_MS),
            _ => None,
        };
        self.settled = rest.map(|rest| self.proxy.now_nanos() + rest * MILLISECOND);
    }

    fn answer(&mut self) {
        let Some(Reverse((_, place))) = self.due.pop() else { return };
        let Some(open) = self.open[place].take() else { return };
        self.free.push(place);
        let event = self.config.model.subject.kpi.as_ref();
        let event = event.and_then(|event| event.header.as_deref()).filter(|_| open.response.kpi);
        self.proxy.answer(open.stream, &open.response, event);
        let failed = open.response.status >= 500;
        self.timeline.answer(self.proxy.now_ms(), open.new, failed);
        if let (Some(observer), Some(mut seen)) = (&mut self.observer, open.seen) {
            let kpi_header = seen.kpi;
            seen.outcome = Outcome {
                status: open.response.status,
                failed: open.response.flags != 0,
                micros: Some(open.response.micros),
                kpi_header,
            };
            observer.record(&seen);
        }
    }

    /// Once a second: what gates have said, and where everything stands.
    fn second(&mut self) {
        let now_ms = self.proxy.now_ms();
        for audit in self.proxy.take_audits() {
            let aborts = self.timeline.audit(audit, &self.config.model.subject.rollout);
            if aborts {
                self.settled = Some(self.proxy.now_nanos() + AFTERWARDS_MS * MILLISECOND);
            }
        }
        let (against, promotion) = match &mut self.observer {
            Some(observer) if self.timeline.aborted().is_none() => {
                observer.look(now_ms);
                (observer.against, observer.promotion)
            }
            _ => (0.0, 0.0),
        };
        self.timeline.tick(now_ms, Tick { against, promotion });
    }
}
