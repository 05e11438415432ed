//! Random histories of a fleet around one judge: pushes, epochs, gates in and out, clocks that jump, outcomes late and
//! lost. After each step the invariants of aborts and evidence hold; at the end, once the fleet is calm, a failing
//! canary is aborted and a healthy one is not.
//!
//! A history follows from its seed. `SERIN_HISTORIES` sets how many are run, `SERIN_HISTORY_SEED` runs one and prints it.

#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "the test reads how many histories to run, and prints the one that is asked for"
)]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt::Write;

use fastrand::Rng;
use serin_core::gate::{Exposure, Latch, Latches, Outcome, StageId, Tallies, Verdict};
use serin_core::plan::{Rollout, RolloutId};
use serin_core::{Bucket, Plan};
use serin_judge::{Conflict, Judge, LatchDocument, OutcomeBatch, Store, TallyBuffer};

/// How many histories `cargo test` runs.
const DEFAULT_HISTORIES: u64 = 200;
/// How many steps a history has before the fleet calms down.
const STEPS: u64 = 40;
const WORKERS: usize = 3;
/// Requests in a burst of one worker.
const BURST: u32 = 120;
const START: u64 = 1_795_250_000_000;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// A store of one owner.
#[derive(Default)]
struct Memory(RefCell<BTreeMap<String, Vec<u8>>>);

impl Store for Memory {
    type Version = ();

    fn get(&self, key: &str) -> (Option<Vec<u8>>, ()) {
        (self.0.borrow().get(key).cloned(), ())
    }

    fn set(&self, key: &str, value: &[u8], (): &()) -> Result<(), Conflict> {
        self.0.borrow_mut().insert(key.to_owned(), value.to_vec());
        Ok(())
    }

    fn remove(&self, key: &str) {
        self.0.borrow_mut().remove(key);
    }
}

/// What a push may change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Spec {
    epoch: u64,
    has_rollout: bool,
    has_gates: bool,
    /// Grows by steps, the first of which waits for its gate; otherwise a fixed share.
    has_steps: bool,
    /// A flag that has nothing to do with the rollout.
    unrelated: u64,
}

impl Spec {
    fn plan(self) -> Plan {
        let canary = if self.has_steps {
            r#"{"start":"2026-11-01T00:00:00Z","steps":[{"share":20,"hold":"1m","mode":"gate"},{"share":50}]}"#
        } else {
            r#"{"share":50}"#
        };
        // The first step waits for its gate only where there is one.
        let canary = if self.has_gates {
            canary.to_owned()
        } else {
            canary.replace(r#","mode":"gate""#, "")
        };
        let gates = if self.has_gates { r#","gates":{"alpha":0.001}"# } else { "" };
        let epoch = self.epoch;
        let rollout = format!(
            r#""web":{{"unit":"user","arms":{{"a":{{"target":"a"}},"b":{{"target":"b"}}}},"baseline":"a",
            "canary":{canary},"epoch":{epoch}{gates}}}"#
        );
        let rollouts = if self.has_rollout { rollout } else { String::new() };
        let unrelated = self.unrelated;
        let spec = format!(
            r#"{{"formatVersion":1,"units":{{"user":[{{"header":"x-user"}}]}},"rollouts":{{{rollouts}}},
            "flags":{{"f":{{"variants":{{"n":{unrelated}}},"defaultVariant":"n"}}}}}}"#
        );
        Plan::from_json(spec.as_bytes()).expect("a good spec")
    }
}

/// One isolate or VM.
struct Worker {
    plan: usize,
    buffer: TallyBuffer,
    latches: LatchDocument,
    /// Requests whose outcome is still to come.
    in_flight: Vec<Exposure>,
}

struct History {
    random: Rng,
    log: String,
    specs: Vec<(Spec, Plan)>,
    /// The spec that the judge has, an index.
    judged: usize,
    workers: Vec<Worker>,
    store: Memory,
    now: u64,
    /// Whether the canary fails half of its requests.
    fails: bool,
    /// The highest epoch that was aborted.
    aborted: Option<u64>,
    /// Outcomes that the judge was given, by stage.
    delivered: BTreeMap<(u64, u32, u64), u64>,
}

impl History {
    fn new(seed: u64) -> History {
        let mut random = Rng::with_seed(seed);
        let spec = Spec {
            epoch: random.u64(0..3),
            has_rollout: true,
            has_gates: true,
            has_steps: random.bool(),
            unrelated: 0,
        };
        let worker = || Worker {
            plan: 0,
            buffer: TallyBuffer::default(),
            latches: LatchDocument::default(),
            in_flight: Vec::new(),
        };
        History {
            fails: random.bool(),
            random,
            log: format!("start {spec:?}\n"),
            specs: vec![(spec, spec.plan())],
            judged: 0,
            workers: std::iter::repeat_with(worker).take(WORKERS).collect(),
            store: Memory::default(),
            now: START,
            aborted: None,
            delivered: BTreeMap::new(),
        }
    }

    fn note(&mut self, what: impl std::fmt::Display) {
        writeln!(self.log, "{:>10} {what}", self.now - START.min(self.now)).expect("a string");
    }

    fn step(&mut self) {
        let worker = self.random.usize(0..WORKERS);
        match self.random.u32(0..100) {
            0..35 => self.burst(worker),
            35..60 => self.flush(worker),
            60..66 => self.push(),
            66..78 => self.deliver_push(),
            78..82 => self.wake(),
            82..88 => self.finish_in_flight(worker),
            88..91 => self.restart(worker),
            91..94 => self.jump(),
            _ => self.advance(),
        }
    }

    /// Requests of random users through one worker. Some outcomes come later.
    fn burst(&mut self, worker: usize) {
        let Worker { plan, latches, .. } = &self.workers[worker];
        let Some((_, rollout)) = rollout(&self.specs[*plan].1) else { return };
        // As decisions see the latches.
        let active = latches.latches.for_plan(&self.specs[*plan].1);
        let latch = active.as_ref().and_then(|active| active.get(RolloutId::from_index(0)));
        let is_aborted = rollout.abort_in_force(latch, Some(self.now)).is_some();
        let known = latch.and_then(|latch| latch.abort.as_ref()).map(|abort| abort.epoch);
        // An abort that the worker knows stops its epoch and every earlier one.
        assert_eq!(
            is_aborted,
            known.is_some_and(|epoch| epoch >= rollout.epoch()),
            "aborts are obeyed"
        );
        let Some(current) = rollout.current_stage(latch, self.now).filter(|_| !is_aborted) else {
            return;
        };
        let plan = *plan;
        for _ in 0..BURST {
            let bucket = Bucket::from_number(self.random.u32(0..100_000)).expect("a bucket");
            let canary = bucket.is_in(current.share);
            let exposure = Exposure {
                rollout: RolloutId::from_index(0),
                stage: current.stage,
                canary,
                bucket,
                cohorts: 0,
                kpi: false,
                counts: true,
            };
            if self.random.u32(0..10) == 0 {
                self.workers[worker].in_flight.push(exposure);
            } else {
                self.record(worker, plan, exposure);
            }
        }
        self.note(format_args!("worker {worker}: {BURST} requests in {:?}", current.stage));
    }

    fn record(&mut self, worker: usize, plan: usize, exposure: Exposure) {
        let Some((_, rollout)) = rollout(&self.specs[plan].1) else { return };
        let Some(trial) = rollout.trial() else { return };
        let fails = self.fails && exposure.canary && self.random.bool();
        let outcome = Outcome { status: if fails { 503 } else { 200 }, ..Outcome::default() };
        // What has no room is dropped: it is of a stage that is over.
        let _ = self.workers[worker].buffer.record(trial, &exposure, &outcome);
    }

    fn finish_in_flight(&mut self, worker: usize) {
        let plan = self.workers[worker].plan;
        for exposure in std::mem::take(&mut self.workers[worker].in_flight) {
            self.record(worker, plan, exposure);
        }
        self.note(format_args!("worker {worker}: late outcomes"));
    }

    /// Sends a worker's batch; the batch or the answer may be lost.
    fn flush(&mut self, worker: usize) {
        let Some(tallies) = self.workers[worker].buffer.take() else { return };
        if self.random.u32(0..10) == 0 {
            return self.note(format_args!("worker {worker}: batch lost"));
        }
        let document = self.judge_batch(worker, tallies);
        if self.random.u32(0..10) == 0 {
            return self.note(format_args!("worker {worker}: answer lost"));
        }
        self.workers[worker].latches.merge(&document);
    }

    fn judge_batch(&mut self, worker: usize, tallies: Tallies) -> LatchDocument {
        let before = self.document();
        let StageId { epoch, step, fingerprint } = tallies.stage;
        let requests = tallies.groups[0].requests.exposures();
        *self.delivered.entry((epoch, step, fingerprint)).or_default() += requests;
        let digest = self.specs[self.workers[worker].plan].1.digest().to_owned();
        let batch = OutcomeBatch { digest, tallies: vec![("web".to_owned(), tallies)] };
        let plan = &self.specs[self.judged].1;
        let audits =
            Judge::new(&self.store).take_batch(plan, &batch, &Latches::default(), self.now);
        let audits = audits.expect("one owner has no conflicts");
        for audit in &audits {
            if audit.evaluation.judgement.verdict == Verdict::Abort {
                assert!(self.fails, "a healthy canary was aborted: {}", audit.evaluation.reason());
                self.aborted = self.aborted.max(Some(audit.epoch));
            }
        }
        let verdicts: Vec<_> =
            audits.iter().map(|audit| audit.evaluation.judgement.to_string()).collect();
        self.note(format_args!(
            "worker {worker}: {requests} outcomes of epoch {epoch} step {step}: {verdicts:?}"
        ));
        self.check(&before);
        self.document()
    }

    /// The judge's alarm. Another host may have let a step end.
    fn wake(&mut self) {
        let before = self.document();
        let (spec, plan) = &self.specs[self.judged];
        let mut others = Latches::default();
        if self.random.bool() && spec.has_rollout {
            others.update("web", |latch| {
                latch.raise_epoch(spec.epoch);
                latch.end_step(0, self.now);
            });
        }
        let audits = Judge::new(&self.store).wake(plan, &others, self.now);
        audits.expect("one owner has no conflicts");
        self.note(format_args!("the judge wakes, learns {}", others.to_json()));
        self.check(&before);
    }

    fn document(&self) -> LatchDocument {
        Judge::new(&self.store).document()
    }

    /// What no step may break.
    fn check(&self, before: &LatchDocument) {
        let after = self.document();
        assert!(after.version >= before.version, "versions grow");
        let latch = |document: &LatchDocument| {
            document.latches.get("web").cloned().unwrap_or_else(|| Latch::new("web"))
        };
        let (old, new) = (latch(before), latch(&after));
        let epoch = |latch: &Latch| latch.abort.as_ref().map(|abort| abort.epoch);
        assert!(epoch(&new) >= epoch(&old), "an abort is never lost");
        assert_eq!(epoch(&new), self.aborted, "what was aborted is known");
        if new.epoch == old.epoch {
            for (step, at) in &old.ended_steps {
                let kept = new.ended_steps.iter().any(|(known, time)| known == step && time <= at);
                assert!(kept, "ended steps stay, and the earliest time counts");
            }
        }
        let tallies = Judge::new(&self.store).tallies("web");
        if let Some(tallies) = tallies {
            let StageId { epoch, step, fingerprint } = tallies.stage;
            let delivered =
                self.delivered.get(&(epoch, step, fingerprint)).copied().unwrap_or_default();
            assert!(tallies.groups[0].requests.exposures() <= delivered, "no outcome counts twice");
        }
    }

    /// People push a spec.
    fn push(&mut self) {
        let mut spec = self.specs.last().expect("a first spec").0;
        match self.random.u32(0..10) {
            0..4 => spec.unrelated += 1,
            4 => spec.epoch += 1,
            5 => spec.epoch = spec.epoch.saturating_sub(1),
            6 => spec.has_gates ^= true,
            7 => spec.has_rollout ^= true,
            8 => spec.has_steps ^= true,
            _ => {}
        }
        self.note(format_args!("push {spec:?}"));
        self.specs.push((spec, spec.plan()));
    }

    /// The newest spec reaches the judge or a worker.
    fn deliver_push(&mut self) {
        let newest = self.specs.len() - 1;
        match self.random.usize(0..=WORKERS) {
            WORKERS => self.judged = newest,
            worker => self.workers[worker].plan = newest,
        }
    }

    /// A worker starts again and knows nothing but what the judge says.
    fn restart(&mut self, worker: usize) {
        let document = self.document();
        let plan = self.workers[worker].plan;
        self.workers[worker] = Worker {
            plan,
            buffer: TallyBuffer::default(),
            latches: document,
            in_flight: Vec::new(),
        };
        self.note(format_args!("worker {worker}: restart"));
    }

    fn jump(&mut self) {
        let by = *self.random.choice(&[HOUR, 24 * HOUR]).expect("one of two");
        self.now = if self.random.bool() { self.now + by } else { self.now - by };
        self.note("the clock jumps");
    }

    fn advance(&mut self) {
        self.now += self.random.u64(1_000..2 * MINUTE);
    }

    /// One spec everywhere, no faults: a failing canary is aborted before its users are many.
    fn calm_down(&mut self) {
        let mut spec = self.specs.last().expect("a first spec").0;
        (spec.has_rollout, spec.has_gates) = (true, true);
        // The epoch may be lower than others that were: only aborts of it and later ones hold it.
        if self.aborted.is_some_and(|epoch| epoch >= spec.epoch) {
            spec.epoch = self.aborted.unwrap_or_default() + 1;
        }
        self.specs.push((spec, spec.plan()));
        self.judged = self.specs.len() - 1;
        self.note(format_args!("calm {spec:?}"));
        let document = self.document();
        for worker in &mut self.workers {
            *worker = Worker {
                plan: self.judged,
                buffer: TallyBuffer::default(),
                latches: document.clone(),
                in_flight: Vec::new(),
            };
        }
        for round in 0..60 {
            self.now += 1_000;
            let worker = round % WORKERS;
            self.burst(worker);
            if let Some(tallies) = self.workers[worker].buffer.take() {
                let document = self.judge_batch(worker, tallies);
                self.workers.iter_mut().for_each(|worker| worker.latches.merge(&document));
            }
        }
        let is_aborted = self.aborted.is_some_and(|epoch| epoch >= spec.epoch);
        assert_eq!(is_aborted, self.fails, "a failing canary is aborted, and only that");
    }
}

fn rollout(plan: &Plan) -> Option<(RolloutId, &Rollout)> {
    plan.rollouts().first().map(|rollout| (RolloutId::from_index(0), rollout))
}

fn run(seed: u64) -> Result<(), String> {
    let mut history = History::new(seed);
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        for _ in 0..STEPS {
            history.step();
        }
        history.calm_down();
    }));
    match outcome {
        Ok(()) => Ok(()),
        Err(panic) => {
            let why = panic
                .downcast_ref::<String>()
                .cloned()
                .or_else(|| panic.downcast_ref::<&str>().map(|text| (*text).to_owned()));
            Err(format!("seed {seed}: {}\n{}", why.unwrap_or_default(), history.log))
        }
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

#[test]
fn every_history_keeps_the_invariants() {
    if let Some(seed) = number("SERIN_HISTORY_SEED") {
        let mut history = History::new(seed);
        (0..STEPS).for_each(|_| history.step());
        history.calm_down();
        print!("{}", history.log);
        return;
    }
    let count = number("SERIN_HISTORIES").unwrap_or(DEFAULT_HISTORIES);
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let failures: Vec<String> = (0..count).filter_map(|seed| run(seed).err()).collect();
    std::panic::set_hook(hook);
    let shortest = failures.iter().min_by_key(|failure| failure.len());
    assert!(
        failures.is_empty(),
        "{} of {count} histories failed; {}",
        failures.len(),
        shortest.expect("one")
    );
}
