//! The VMs of one process: they share a store, and one of them judges. A VM's tick may be interrupted by the ticks of
//! others between any two of its operations on the store.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt::{Display, Write};

use fastrand::Rng;
use serin_core::Plan;
use serin_core::gate::{CurrentStage, Latches, Outcome, Verdict};
use serin_history::{Broken, History, Model};
use serin_judge::{Conflict, Judge, Lease, Store, TallyBuffer};

use crate::fleet::{Checked, check, random_exposure};
use crate::shared_memory::SharedMemory;
use crate::spec::Spec;

const VMS: usize = 3;
/// How many actions a history has before the process calms down.
const ACTIONS: usize = 40;
/// The seconds that the calm lasts.
const CALM_SECONDS: u32 = 20;
/// Requests in a burst of one VM.
const BURST: u32 = 60;
const START: u64 = 1_795_250_000_000;
const SECOND: u64 = 1_000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;
const TICK_MS: u32 = 1_000;
/// How long a VM may stand still in the middle of its tick, in ms: longer than a lease.
const STANDSTILL_MS: u64 = 9_000;
/// How long a lease lasts, in ms: two ticks and two seconds.
const LEASE_MS: u64 = 4_000;
/// How long nobody may judge while VMs tick, in ms: a lease, and the time between two ticks of a VM.
const VACANT_MS: u64 = LEASE_MS + 2 * SECOND;
/// The same after the clock of the leases has jumped, in ms: a lease that is valid may last two leases.
const VACANT_AFTER_JUMP_MS: u64 = 2 * LEASE_MS + 2 * SECOND;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    epoch: u64,
    /// Whether the canary fails half of its requests.
    fails: bool,
}

#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    /// Requests of random users in one VM.
    Burst { vm: usize, seed: u64 },
    /// A second passes in which each VM ticks once, in any order, with interruptions.
    Second { seed: u64 },
    /// A VM ticks besides, as at a push.
    Tick { vm: usize, seed: u64 },
    /// A VM dies with what it has not shared yet.
    Die { vm: usize },
    /// A dead VM starts again.
    Restart { vm: usize },
    /// A VM does not tick for some seconds.
    Hang { vm: usize, seconds: u64 },
    /// The clock of the leases jumps, by ms: a host may have none that cannot be set.
    Jump { ms: i64 },
    /// People raise the epoch; the new spec reaches all VMs.
    RaiseEpoch,
}

impl Action {
    fn random(random: &mut Rng) -> Action {
        let (vm, seed) = (random.usize(0..VMS), random.u64(..));
        match random.u32(0..100) {
            0..20 => Action::Burst { vm, seed },
            20..65 => Action::Second { seed },
            65..71 => Action::Tick { vm, seed },
            71..78 => Action::Die { vm },
            78..84 => Action::Restart { vm },
            84..90 => Action::Hang { vm, seconds: random.u64(1..12) },
            90..97 => {
                let size = [2_000, 20_000, 4 * MINUTE, HOUR, 24 * HOUR][random.usize(0..5)];
                Action::Jump { ms: if random.bool() { size } else { -size } }
            }
            _ => Action::RaiseEpoch,
        }
    }
}

/// Processes whose VMs elect a judge.
pub(crate) struct VmModel;

impl Model for VmModel {
    type Start = Start;
    type Action = Action;

    fn generate(&self, random: &mut Rng) -> History<Start, Action> {
        let start = Start { epoch: random.u64(0..3), fails: random.bool() };
        let mut actions: Vec<Action> = (0..ACTIONS).map(|_| Action::random(random)).collect();
        actions.extend(calm(random));
        History { start, actions }
    }

    fn run(&self, history: &History<Start, Action>, log: &mut String) -> Checked {
        let process = Process::new(history.start);
        let mut result = Ok(());
        for action in &history.actions {
            process.note(format_args!("{action:?}"));
            result = process.act(*action);
            if result.is_err() {
                break;
            }
        }
        if result.is_ok() {
            result = process.check_end();
        }
        log.push_str(&process.log.into_inner());
        result
    }
}

/// Every VM runs and ticks, and users come.
fn calm(random: &mut Rng) -> Vec<Action> {
    let mut actions: Vec<Action> = (0..VMS).map(|vm| Action::Restart { vm }).collect();
    // Those that hang come back.
    actions.extend((0..12).map(|_| Action::Second { seed: random.u64(..) }));
    actions.push(Action::RaiseEpoch);
    for second in 0..CALM_SECONDS {
        let vm = second as usize % VMS;
        actions.push(Action::Burst { vm, seed: random.u64(..) });
        actions.push(Action::Second { seed: random.u64(..) });
    }
    actions
}

struct Vm {
    id: u64,
    buffer: TallyBuffer,
    /// It does not tick before this time, in ms since the beginning.
    hangs_until: u64,
}

/// A VM that is to interrupt another one, after a number of operations on the store.
struct Interruption {
    after: u32,
    vm: usize,
    /// How long the interrupted VM stands still before, in ms.
    ms: u64,
}

/// A VM that was elected.
#[derive(Clone, Copy, Debug)]
struct Holder {
    id: u64,
    /// The end of its lease, as an uptime in ms.
    until: u64,
    /// Whether no clock has jumped since, and no VM stood still in the middle of a tick.
    is_exact: bool,
}

struct Process {
    log: RefCell<String>,
    memory: SharedMemory,
    /// `None` while a VM is dead, or in the middle of its tick.
    vms: RefCell<Vec<Option<Vm>>>,
    next_id: Cell<u64>,
    interruptions: RefCell<Vec<Interruption>>,
    broken: RefCell<Option<Broken>>,
    spec: Cell<Spec>,
    plan: RefCell<Plan>,
    fails: bool,
    /// Time since the beginning, in ms.
    elapsed: Cell<u64>,
    /// The clock of the leases, in ms.
    uptime: Cell<u64>,
    holder: Cell<Option<Holder>>,
    /// Since when somebody should be elected, in ms since the beginning: the latest election, or jump, or time at
    /// which no VM ran.
    vacant_since: Cell<u64>,
    /// Outcomes that VMs have added, by epoch.
    added: RefCell<BTreeMap<u64, u64>>,
    /// The highest epoch that was aborted.
    aborted: Cell<Option<u64>>,
}

impl Process {
    fn new(start: Start) -> Process {
        let spec = Spec {
            epoch: start.epoch,
            has_rollout: true,
            has_gates: true,
            has_steps: false,
            unrelated: 0,
        };
        let process = Process {
            log: RefCell::default(),
            memory: SharedMemory::default(),
            vms: RefCell::default(),
            next_id: Cell::new(1),
            interruptions: RefCell::default(),
            broken: RefCell::default(),
            spec: Cell::new(spec),
            plan: RefCell::new(spec.plan()),
            fails: start.fails,
            elapsed: Cell::new(0),
            uptime: Cell::new(3 * HOUR.unsigned_abs()),
            holder: Cell::default(),
            vacant_since: Cell::default(),
            added: RefCell::default(),
            aborted: Cell::default(),
        };
        // The host tries the config in a VM of its own before.
        Lease::open(&process.memory);
        Judge::new(&process.memory).open("web");
        let vms = (0..VMS).map(|_| Some(process.new_vm())).collect();
        process.vms.replace(vms);
        process
    }

    fn new_vm(&self) -> Vm {
        let id = self.next_id.replace(self.next_id.get() + 1);
        Vm { id, buffer: TallyBuffer::default(), hangs_until: 0 }
    }

    fn note(&self, what: impl Display) {
        let _ = writeln!(self.log.borrow_mut(), "{:>9} {what}", self.elapsed.get());
    }

    fn act(&self, action: Action) -> Checked {
        match action {
            Action::Burst { vm, seed } => self.burst(vm, &mut Rng::with_seed(seed)),
            Action::Second { seed } => self.second(&mut Rng::with_seed(seed)),
            Action::Tick { vm, seed } => {
                self.interrupt(&mut Rng::with_seed(seed));
                self.tick(vm);
            }
            Action::Die { vm } => self.vms.borrow_mut()[vm] = None,
            Action::Restart { vm } => {
                Lease::open(&self.memory);
                Judge::new(&self.memory).open("web");
                let fresh = self.new_vm();
                self.vms.borrow_mut()[vm].get_or_insert(fresh);
            }
            Action::Hang { vm, seconds } => {
                if let Some(vm) = &mut self.vms.borrow_mut()[vm] {
                    vm.hangs_until = self.elapsed.get() + seconds * SECOND;
                }
            }
            Action::Jump { ms } => {
                self.uptime.set(self.uptime.get().saturating_add_signed(ms));
                self.disturb();
            }
            Action::RaiseEpoch => {
                let mut spec = self.spec.get();
                spec.epoch += 1;
                self.spec.set(spec);
                self.plan.replace(spec.plan());
            }
        }
        self.broken.take().map_or(Ok(()), Err)
    }

    fn advance(&self, ms: u64) {
        self.elapsed.set(self.elapsed.get() + ms);
        self.uptime.set(self.uptime.get() + ms);
    }

    /// The VM in the middle of its tick stands still. After more than a lease it still believes in its own one, or in
    /// the time that it has read.
    fn stand_still(&self, ms: u64) {
        self.advance(ms);
        if ms >= LEASE_MS {
            self.note(format_args!("    stands still for {ms} ms"));
            self.disturb();
        }
    }

    /// The leases are not exact any more.
    fn disturb(&self) {
        self.holder.set(self.holder.get().map(|held| Holder { is_exact: false, ..held }));
        self.vacant_since.set(self.elapsed.get());
    }

    /// Plans the interruptions of the next tick.
    fn interrupt(&self, random: &mut Rng) {
        let interruption = |random: &mut Rng| {
            let ms = if random.u32(0..20) == 0 { STANDSTILL_MS } else { 5 };
            Interruption { after: random.u32(0..8), vm: random.usize(0..VMS), ms }
        };
        let count = random.u32(0..4);
        self.interruptions.replace((0..count).map(|_| interruption(random)).collect());
    }

    fn second(&self, random: &mut Rng) {
        let mut order: Vec<usize> = (0..VMS).collect();
        random.shuffle(&mut order);
        let mut left = SECOND;
        for vm in order {
            let wait = random.u64(0..300);
            left -= wait;
            self.advance(wait);
            self.interrupt(random);
            self.tick(vm);
        }
        self.interruptions.take();
        self.advance(left);
        let is_running =
            |vm: &Option<Vm>| vm.as_ref().is_some_and(|vm| vm.hangs_until <= self.elapsed.get());
        if !self.vms.borrow().iter().any(is_running) {
            self.vacant_since.set(self.elapsed.get());
        }
        self.require(self.check_vacancy());
        self.require(self.check_evidence());
    }

    /// Runs the tick of a VM, unless it is dead, hangs or ticks already.
    fn tick(&self, index: usize) {
        let vm = {
            let mut vms = self.vms.borrow_mut();
            vms[index].take_if(|vm| vm.hangs_until <= self.elapsed.get())
        };
        let Some(mut vm) = vm else { return };
        let uptime = self.uptime.get();
        let store = InterruptedStore { process: self };
        self.flush(&mut vm, &store);
        let is_elected = Lease { vm: vm.id, tick_ms: TICK_MS }.take(&store, uptime);
        self.require(self.note_election(vm.id, uptime, is_elected));
        if is_elected {
            self.judge(&store);
        }
        self.vms.borrow_mut()[index] = Some(vm);
    }

    fn flush(&self, vm: &mut Vm, store: &InterruptedStore<'_>) {
        let Some(current) = self.current() else { return };
        // What belongs to an earlier epoch is no evidence.
        let Some(tallies) = vm.buffer.take().filter(|tallies| tallies.stage == current.stage)
        else {
            return;
        };
        if Judge::new(store).add("web", &tallies, current.stage).is_ok() {
            let count = tallies.groups[0].requests.exposures();
            *self.added.borrow_mut().entry(tallies.stage.epoch).or_default() += count;
        } else {
            let _ = vm.buffer.add(tallies);
        }
    }

    fn judge(&self, store: &InterruptedStore<'_>) {
        let plan = self.plan.borrow().clone();
        let now = START + self.elapsed.get();
        // A conflict means that the next tick judges again.
        let audits = Judge::new(store).wake(&plan, &Latches::default(), now).unwrap_or_default();
        for audit in audits {
            if audit.evaluation.judgement.verdict != Verdict::Abort {
                continue;
            }
            self.note(format_args!("    epoch {} is aborted", audit.epoch));
            let reason = audit.evaluation.reason();
            self.require(check("a healthy canary is not aborted", self.fails, reason));
            let is_first = Some(audit.epoch) > self.aborted.get();
            self.require(check("an abort is decided once", is_first, audit.epoch));
            self.aborted.set(Some(audit.epoch));
        }
    }

    /// Stores the first invariant that does not hold: a tick may be in the middle of another one.
    fn require(&self, result: Checked) {
        if let Err(broken) = result {
            self.broken.borrow_mut().get_or_insert(broken);
        }
    }

    fn note_election(&self, id: u64, uptime: u64, is_elected: bool) -> Checked {
        let held = self.holder.get().filter(|held| held.is_exact && uptime < held.until);
        let seen = format!("VM {id} at {uptime}, {held:?}");
        if !is_elected {
            let is_over = held.is_none_or(|held| held.id != id);
            return check("a judge goes on at its next tick", is_over, seen);
        }
        self.note(format_args!("    VM {id} judges"));
        let until = uptime + LEASE_MS;
        self.holder.set(Some(Holder { id, until, is_exact: true }));
        self.vacant_since.set(self.elapsed.get());
        // A VM that stood still takes the lease by the time that it has read before.
        let stood_still = self.uptime.get() - uptime >= LEASE_MS;
        let is_alone = stood_still || held.is_none_or(|held| held.id == id);
        check("one VM judges at a time", is_alone, seen)
    }

    fn check_vacancy(&self) -> Checked {
        let is_exact = self.holder.get().is_none_or(|held| held.is_exact);
        let limit = if is_exact { VACANT_MS } else { VACANT_AFTER_JUMP_MS };
        let vacant = self.elapsed.get() - self.vacant_since.get();
        check("another VM judges soon", vacant <= limit, format_args!("nobody for {vacant} ms"))
    }

    fn check_evidence(&self) -> Checked {
        let Some(tallies) = Judge::new(&self.memory).tallies("web") else { return Ok(()) };
        let counted = tallies.groups[0].requests.exposures();
        let added = self.added.borrow().get(&tallies.stage.epoch).copied().unwrap_or_default();
        let seen = format!("{counted} counted, {added} added");
        check("what VMs add counts once", counted == added, seen)
    }

    fn check_end(&self) -> Checked {
        let is_aborted = self.aborted.get() >= Some(self.spec.get().epoch);
        check("a failing canary is aborted", is_aborted == self.fails, is_aborted)
    }

    fn current(&self) -> Option<CurrentStage> {
        let plan = self.plan.borrow();
        plan.rollouts().first()?.current_stage(None, START + self.elapsed.get())
    }

    fn burst(&self, vm: usize, random: &mut Rng) {
        let Some(current) = self.current() else { return };
        let plan = self.plan.borrow();
        let Some(trial) = plan.rollouts().first().and_then(|rollout| rollout.trial()) else {
            return;
        };
        let mut vms = self.vms.borrow_mut();
        let Some(vm) = &mut vms[vm] else { return };
        for _ in 0..BURST {
            let exposure = random_exposure(random, &current);
            let fails = self.fails && exposure.canary && random.bool();
            let outcome = Outcome { status: if fails { 503 } else { 200 }, ..Outcome::default() };
            // What is displaced is of an earlier epoch.
            let _ = vm.buffer.record(trial, &exposure, &outcome);
        }
    }
}

/// The shared memory as a VM in the middle of its tick sees it: the ticks of others come between its operations.
struct InterruptedStore<'p> {
    process: &'p Process,
}

impl InterruptedStore<'_> {
    fn interrupt(&self) {
        let due = {
            let mut interruptions = self.process.interruptions.borrow_mut();
            match interruptions.last_mut() {
                Some(next) if next.after > 0 => {
                    next.after -= 1;
                    None
                }
                Some(_) => interruptions.pop(),
                None => None,
            }
        };
        if let Some(interruption) = due {
            self.process.stand_still(interruption.ms);
            self.process.note(format_args!("    interrupted by VM {}", interruption.vm));
            self.process.tick(interruption.vm);
        }
    }
}

impl Store for InterruptedStore<'_> {
    type Version = u32;

    fn get(&self, key: &str) -> (Option<Vec<u8>>, u32) {
        self.interrupt();
        self.process.memory.get(key)
    }

    fn set(&self, key: &str, value: &[u8], version: &u32) -> Result<(), Conflict> {
        self.interrupt();
        self.process.memory.set(key, value, version)
    }

    fn remove(&self, key: &str) {
        self.process.memory.remove(key);
    }
}
