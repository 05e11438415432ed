//! One run: requests through the real filter on a virtual clock, until the rollout is over.

use super::decision_record::RolloutDecision;
use super::observer::Observer;
use super::proxy::{MILLISECOND, Proxy};
use super::run_config::RunConfig;
use super::timeline::{Likelihoods, Timeline};
use super::upstream_model::UpstreamResponse;
use rand::RngExt;
use rand_distr::{Distribution, Exp1};
use serin_core::Share;
use serin_host_sim::Stream;
use std::cmp::Reverse;
use std::collections::BinaryHeap;

const SECOND: u64 = 1_000_000_000;
/// How long a run goes on after an abort or a promotion.
const AFTERWARDS_MS: u64 = 120_000;
/// How long a run stays in a step without a hold.
const OPEN_STEP_MS: u64 = 600_000;

/// A request that waits for its response.
struct OpenRequest {
    stream: Stream,
    response: UpstreamResponse,
    new: bool,
}

/// The state of a run.
struct Run<'a> {
    config: RunConfig<'a>,
    proxy: Proxy,
    /// The requests without a response, by index; indexes are reused.
    open: Vec<Option<OpenRequest>>,
    free: Vec<usize>,
    /// The time of each response in ns, and the request's index in `open`.
    due: BinaryHeap<Reverse<(u64, usize)>>,
    observer: Option<Observer<'a>>,
    timeline: Timeline,
    /// The end of the run in ns, once the rollout cannot change any more.
    end: Option<u64>,
}

/// Runs a rollout to its end.
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
        // Only the share of a canary changes by itself.
        let end = subject.fixed.map(|share| {
            timeline.begin_step(share, config.model.start_ms);
            proxy.now_nanos() + OPEN_STEP_MS * MILLISECOND
        });
        Ok(Run {
            observer: Observer::new(subject),
            config,
            proxy,
            open: Vec::new(),
            free: Vec::new(),
            due: BinaryHeap::new(),
            timeline,
            end,
        })
    }

    fn until_over(&mut self) {
        let start = self.proxy.now_nanos();
        let length = self.config.load.max_ms.saturating_mul(MILLISECOND);
        let end = start.saturating_add(length);
        let mut next_request = start + self.gap();
        let mut next_second = start + SECOND;
        let mut tick = self.proxy.next_tick();
        loop {
            let answer = self.due.peek().map_or(u64::MAX, |Reverse((at, _))| *at);
            let next = next_request.min(answer).min(tick).min(next_second);
            let end = self.end.map_or(end, |earlier| earlier.min(end));
            if next >= end {
                return self.proxy.wait_until(end);
            }
            self.proxy.wait_until(next);
            if next == answer {
                self.answer();
            } else if next == tick {
                tick = self.proxy.tick();
            } else if next == next_second {
                // After the filter's tick of the same time, so that its evaluation is observed.
                self.second();
                next_second += SECOND;
            } else {
                self.request();
                next_request = next + self.gap();
            }
        }
    }

    /// The time until the next request, in ns: exponential, so that requests arrive as a Poisson process.
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
        let decided = RolloutDecision::read(&record);
        let decided = decided.filter(|decided| decided.rollout == model.subject.rollout);
        let now_ms = self.proxy.now_ms();
        let new = decided.as_ref().is_some_and(|decided| decided.arm == model.subject.arm);
        let response = model.respond(user, new, asks, now_ms, &mut config.random);
        if !passed {
            self.timeline.unanswered += 1;
            return;
        }
        let share = decided.as_ref().and_then(|decided| decided.share);
        self.timeline.request(now_ms, index, user, new, share.is_some());
        self.follow(share, now_ms);
        if decided.is_none() {
            self.timeline.strays += 1;
        }
        let at = self.proxy.now_nanos() + response.micros * 1000;
        let open = OpenRequest { stream, response, new };
        let index = match self.free.pop() {
            Some(index) => index,
            None => {
                self.open.push(None);
                self.open.len() - 1
            }
        };
        self.open[index] = Some(open);
        self.due.push(Reverse((at, index)));
    }

    /// Follows the rollout to the step that a new share belongs to.
    fn follow(&mut self, share: Option<Share>, now_ms: u64) {
        let fixed = self.config.model.subject.fixed.is_some();
        let changed = |share: &Share| !fixed && Some(*share) != self.timeline.share();
        let Some(share) = share.filter(changed) else { return };
        let step = self.timeline.begin_step(share, now_ms);
        if self.timeline.aborted().is_some() {
            return;
        }
        let subject = self.config.model.subject;
        let held = subject.steps.get(step).map(|step| step.hold_ms);
        let last = step + 1 >= subject.steps.len();
        let rest = match held {
            // Everybody has the new version, or the step has no hold that ends it.
            _ if last && share == Share::ALL => Some(AFTERWARDS_MS),
            Some(None) => Some(OPEN_STEP_MS),
            _ => None,
        };
        self.end = rest.map(|rest| self.proxy.now_nanos() + rest * MILLISECOND);
    }

    fn answer(&mut self) {
        let Some(Reverse((_, index))) = self.due.pop() else { return };
        let Some(open) = self.open[index].take() else { return };
        self.free.push(index);
        let event = self.config.model.subject.kpi.as_ref();
        let event = event.and_then(|event| event.header.as_deref()).filter(|_| open.response.kpi);
        self.proxy.answer(open.stream, &open.response, event);
        let failed = open.response.status >= 500;
        self.timeline.answer(self.proxy.now_ms(), open.new, failed);
    }

    /// Records the audits of the last second, and the likelihoods as they are now.
    fn second(&mut self) {
        let now_ms = self.proxy.now_ms();
        for audit in self.proxy.take_audits() {
            let aborts = self.timeline.audit(audit, &self.config.model.subject.rollout);
            if aborts {
                self.end = Some(self.proxy.now_nanos() + AFTERWARDS_MS * MILLISECOND);
            }
        }
        let likelihoods = match &self.observer {
            Some(observer) if self.timeline.aborted().is_none() => {
                observer.likelihoods(&self.proxy)
            }
            _ => Likelihoods::default(),
        };
        self.timeline.second(now_ms, likelihoods);
    }
}
