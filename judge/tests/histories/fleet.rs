//! The fleet: workers, and the judge that they send their outcomes to.

use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use fastrand::Rng;
use serin_core::gate::{
    Audit, CurrentStage, Exposure, Latch, Latches, Outcome, StageId, Tallies, Verdict,
};
use serin_core::plan::{Rollout, RolloutId};
use serin_core::{Bucket, Plan};
use serin_history::Broken;
use serin_judge::{Judge, LatchDocument, OutcomeBatch, TallyBuffer};

use crate::memory::Memory;
use crate::spec::{Edit, Spec};

const WORKERS: usize = 3;
/// Requests in a burst of one worker.
const BURST: u32 = 120;
const START: u64 = 1_795_250_000_000;
const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) spec: Spec,
    /// Whether the canary fails half of its requests.
    pub(crate) fails: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    /// Requests of random users through one worker. Some outcomes come later.
    Burst {
        worker: usize,
        seed: u64,
    },
    /// A worker's batch goes to the judge. The batch or the answer may be lost.
    Flush {
        worker: usize,
        batch_lost: bool,
        answer_lost: bool,
    },
    Push(Edit),
    /// The newest spec reaches a worker.
    Deliver {
        worker: usize,
    },
    /// The newest spec reaches the judge.
    DeliverToJudge,
    /// The judge's alarm. Another host may have let a step end.
    Wake {
        other_ends_step: bool,
    },
    /// The outcomes come that were still to come.
    Late {
        worker: usize,
        seed: u64,
    },
    /// A worker starts again and knows nothing but what the judge says.
    Restart {
        worker: usize,
    },
    Jump {
        hours: i64,
    },
    Advance {
        ms: u64,
    },
}

impl Action {
    pub(crate) fn random(random: &mut Rng) -> Action {
        let worker = random.usize(0..WORKERS);
        match random.u32(0..100) {
            0..35 => Action::Burst { worker, seed: random.u64(..) },
            35..60 => {
                let (batch_lost, answer_lost) = (random.u32(0..10) == 0, random.u32(0..10) == 0);
                Action::Flush { worker, batch_lost, answer_lost }
            }
            60..66 => Action::Push(match random.u32(0..10) {
                0..4 => Edit::Unrelated,
                4 => Edit::EpochUp,
                5 => Edit::EpochDown,
                6 => Edit::GatesInOrOut,
                7 => Edit::RolloutInOrOut,
                8 => Edit::StepsInOrOut,
                _ => Edit::Nothing,
            }),
            66..75 => Action::Deliver { worker },
            75..78 => Action::DeliverToJudge,
            78..82 => Action::Wake { other_ends_step: random.bool() },
            82..88 => Action::Late { worker, seed: random.u64(..) },
            88..91 => Action::Restart { worker },
            91..94 => {
                Action::Jump { hours: *random.choice(&[1, 24, -1, -24]).expect("one of four") }
            }
            _ => Action::Advance { ms: random.u64(1_000..2 * MINUTE) },
        }
    }
}

/// One isolate or VM.
struct Worker {
    plan: usize,
    buffer: TallyBuffer,
    latches: LatchDocument,
    /// Requests whose outcome is still to come, with the plan of their decision.
    in_flight: Vec<(usize, Exposure)>,
}

pub(crate) struct Fleet<'l> {
    log: &'l mut String,
    specs: Vec<(Spec, Plan)>,
    /// The spec that the judge has, an index.
    judged: usize,
    workers: Vec<Worker>,
    store: Memory,
    now: u64,
    fails: bool,
    /// The highest epoch that was aborted.
    aborted: Option<u64>,
    /// Outcomes that the judge was given, by stage.
    delivered: BTreeMap<(u64, u32, u64), u64>,
}

pub(crate) type Checked<T = ()> = Result<T, Broken>;

pub(crate) fn check(invariant: &'static str, holds: bool, seen: impl Display) -> Checked {
    if holds { Ok(()) } else { Err(Broken::new(invariant, seen.to_string())) }
}

impl<'l> Fleet<'l> {
    pub(crate) fn new(setup: &Setup, log: &'l mut String) -> Fleet<'l> {
        let worker = || Worker {
            plan: 0,
            buffer: TallyBuffer::default(),
            latches: LatchDocument::default(),
            in_flight: Vec::new(),
        };
        Fleet {
            log,
            specs: vec![(setup.spec, setup.spec.plan())],
            judged: 0,
            workers: std::iter::repeat_with(worker).take(WORKERS).collect(),
            store: Memory::default(),
            now: START,
            fails: setup.fails,
            aborted: None,
            delivered: BTreeMap::new(),
        }
    }

    fn note(&mut self, what: impl Display) {
        writeln!(self.log, "{:>10} {what}", self.now.cast_signed() - START.cast_signed())
            .expect("a string");
    }

    pub(crate) fn act(&mut self, action: Action) -> Checked {
        match action {
            Action::Burst { worker, seed } => self.burst(worker, &mut Rng::with_seed(seed)),
            Action::Flush { worker, batch_lost, answer_lost } => {
                self.flush(worker, batch_lost, answer_lost)
            }
            Action::Push(edit) => {
                let mut spec = self.specs.last().expect("a first spec").0;
                edit.apply(&mut spec);
                self.note(format_args!("push {spec:?}"));
                self.specs.push((spec, spec.plan()));
                Ok(())
            }
            Action::Deliver { worker } => {
                self.workers[worker].plan = self.specs.len() - 1;
                Ok(())
            }
            Action::DeliverToJudge => {
                self.judged = self.specs.len() - 1;
                Ok(())
            }
            Action::Wake { other_ends_step } => self.wake(other_ends_step),
            Action::Late { worker, seed } => {
                let mut random = Rng::with_seed(seed);
                for (plan, exposure) in std::mem::take(&mut self.workers[worker].in_flight) {
                    self.record(worker, plan, exposure, &mut random);
                }
                self.note(format_args!("worker {worker}: late outcomes"));
                Ok(())
            }
            Action::Restart { worker } => {
                self.restart(worker);
                Ok(())
            }
            Action::Jump { hours } => {
                self.now = self.now.saturating_add_signed(hours * HOUR.cast_signed());
                self.note("the clock jumps");
                Ok(())
            }
            Action::Advance { ms } => {
                self.now += ms;
                Ok(())
            }
        }
    }

    fn burst(&mut self, worker: usize, random: &mut Rng) -> Checked {
        let Worker { plan, latches, .. } = &self.workers[worker];
        let Some((_, rollout)) = rollout(&self.specs[*plan].1) else { return Ok(()) };
        // As decisions see the latches.
        let active = latches.latches.for_plan(&self.specs[*plan].1);
        let latch = active.as_ref().and_then(|active| active.get(RolloutId::from_index(0)));
        let is_aborted = rollout.abort_in_force(latch, Some(self.now)).is_some();
        let known = latch.and_then(|latch| latch.abort.as_ref()).map(|abort| abort.epoch);
        let is_stopped = known.is_some_and(|epoch| epoch >= rollout.epoch());
        check(
            "a known abort stops its epoch and every earlier one",
            is_aborted == is_stopped,
            is_aborted,
        )?;
        let Some(current) = rollout.current_stage(latch, self.now).filter(|_| !is_aborted) else {
            return Ok(());
        };
        let plan = *plan;
        for _ in 0..BURST {
            let exposure = random_exposure(random, &current);
            if random.u32(0..10) == 0 {
                self.workers[worker].in_flight.push((plan, exposure));
            } else {
                self.record(worker, plan, exposure, random);
            }
        }
        self.note(format_args!("worker {worker}: {BURST} requests in {:?}", current.stage));
        Ok(())
    }

    fn record(&mut self, worker: usize, plan: usize, exposure: Exposure, random: &mut Rng) {
        let Some((_, rollout)) = rollout(&self.specs[plan].1) else { return };
        let Some(trial) = rollout.trial() else { return };
        let fails = self.fails && exposure.canary && random.bool();
        let outcome = Outcome { status: if fails { 503 } else { 200 }, ..Outcome::default() };
        // What has no room is dropped: it is of a stage that is over.
        let _ = self.workers[worker].buffer.record(trial, &exposure, &outcome);
    }

    fn flush(&mut self, worker: usize, batch_lost: bool, answer_lost: bool) -> Checked {
        let Some(tallies) = self.workers[worker].buffer.take() else { return Ok(()) };
        if batch_lost {
            self.note(format_args!("worker {worker}: batch lost"));
            return Ok(());
        }
        let document = self.judge_batch(worker, tallies)?;
        if answer_lost {
            self.note(format_args!("worker {worker}: answer lost"));
        } else {
            self.workers[worker].latches.merge(&document);
        }
        Ok(())
    }

    fn judge_batch(&mut self, worker: usize, tallies: Tallies) -> Checked<LatchDocument> {
        let before = self.document();
        let StageId { epoch, step, fingerprint } = tallies.stage;
        let requests = tallies.groups[0].requests.exposures();
        *self.delivered.entry((epoch, step, fingerprint)).or_default() += requests;
        let digest = self.specs[self.workers[worker].plan].1.digest().to_owned();
        let batch = OutcomeBatch { digest, tallies: vec![("web".to_owned(), tallies)] };
        let plan = &self.specs[self.judged].1;
        let audits =
            Judge::new(&self.store).take_batch(plan, &batch, &Latches::default(), self.now);
        let audits = audits.expect("one owner has no conflicts").audits;
        self.take_over(&audits)?;
        let verdicts: Vec<_> =
            audits.iter().map(|audit| audit.evaluation.judgement.to_string()).collect();
        self.note(format_args!(
            "worker {worker}: {requests} outcomes of epoch {epoch} step {step}: {verdicts:?}"
        ));
        self.check(&before)?;
        Ok(self.document())
    }

    fn wake(&mut self, other_ends_step: bool) -> Checked {
        let before = self.document();
        let (spec, plan) = &self.specs[self.judged];
        let mut others = Latches::default();
        if other_ends_step && spec.has_rollout {
            others.update("web", |latch| {
                latch.raise_epoch(spec.epoch);
                latch.end_step(0, self.now);
            });
        }
        let audits = Judge::new(&self.store).wake(plan, &others, self.now);
        // Outcomes that no batch has had evaluated may abort now.
        self.take_over(&audits.expect("one owner has no conflicts"))?;
        self.note(format_args!("the judge wakes, learns {}", others.to_json()));
        self.check(&before)
    }

    /// Notes the aborts among what the judge has decided.
    fn take_over(&mut self, audits: &[Audit]) -> Checked {
        for audit in audits {
            if audit.evaluation.judgement.verdict == Verdict::Abort {
                let reason = audit.evaluation.reason();
                check("a healthy canary is not aborted", self.fails, reason)?;
                self.aborted = self.aborted.max(Some(audit.epoch));
            }
        }
        Ok(())
    }

    fn document(&self) -> LatchDocument {
        Judge::new(&self.store).document()
    }

    /// What no step may break.
    fn check(&self, before: &LatchDocument) -> Checked {
        let after = self.document();
        check("versions grow", after.version >= before.version, after.version)?;
        let latch = |document: &LatchDocument| {
            document.latches.get("web").cloned().unwrap_or_else(|| Latch::new("web"))
        };
        let (old, new) = (latch(before), latch(&after));
        let epoch = |latch: &Latch| latch.abort.as_ref().map(|abort| abort.epoch);
        check("an abort is never lost", epoch(&new) >= epoch(&old), after.to_json())?;
        check("what was aborted is known", epoch(&new) == self.aborted, after.to_json())?;
        if new.epoch == old.epoch {
            for (step, at) in &old.ended_steps {
                let is_kept = |(known, time): &(u32, u64)| known == step && time <= at;
                let is_kept = new.ended_steps.iter().any(is_kept);
                check("an ended step stays at its earliest time", is_kept, after.to_json())?;
            }
        }
        let Some(tallies) = Judge::new(&self.store).tallies("web") else { return Ok(()) };
        let StageId { epoch, step, fingerprint } = tallies.stage;
        let delivered = self.delivered.get(&(epoch, step, fingerprint)).copied();
        let counted = tallies.groups[0].requests.exposures();
        check("no outcome counts twice", counted <= delivered.unwrap_or_default(), counted)
    }

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

    /// One spec everywhere, no faults: a failing canary is aborted before its users are many.
    pub(crate) fn calm_down(&mut self) -> Checked {
        let mut spec = self.specs.last().expect("a first spec").0;
        (spec.has_rollout, spec.has_gates) = (true, true);
        // The epoch may be lower than others that were: only aborts of it and later ones hold it.
        if self.aborted.is_some_and(|epoch| epoch >= spec.epoch) {
            spec.epoch = self.aborted.unwrap_or_default() + 1;
        }
        self.specs.push((spec, spec.plan()));
        self.judged = self.specs.len() - 1;
        self.note(format_args!("calm {spec:?}"));
        for worker in 0..WORKERS {
            self.workers[worker].plan = self.judged;
            self.restart(worker);
        }
        let mut random = Rng::with_seed(self.now);
        for round in 0..60 {
            self.now += 1_000;
            let worker = round % WORKERS;
            self.burst(worker, &mut random)?;
            if let Some(tallies) = self.workers[worker].buffer.take() {
                let document = self.judge_batch(worker, tallies)?;
                self.workers.iter_mut().for_each(|worker| worker.latches.merge(&document));
            }
        }
        let is_aborted = self.aborted.is_some_and(|epoch| epoch >= spec.epoch);
        check("a failing canary is aborted", is_aborted == self.fails, is_aborted)
    }
}

fn rollout(plan: &Plan) -> Option<(RolloutId, &Rollout)> {
    plan.rollouts().first().map(|rollout| (RolloutId::from_index(0), rollout))
}

/// The exposure of a request of a random user in a stage.
pub(crate) fn random_exposure(random: &mut Rng, current: &CurrentStage) -> Exposure {
    let bucket = Bucket::from_number(random.u32(0..100_000)).expect("a bucket");
    Exposure {
        rollout: RolloutId::from_index(0),
        stage: current.stage,
        canary: bucket.is_in(current.share),
        bucket,
        cohorts: 0,
        kpi: false,
        counts: true,
    }
}
