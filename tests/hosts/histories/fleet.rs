//! The fleet: two proxies, the people who edit the spec, and the service behind the state URL.

use crate::proxy::{Canary, Checked, Proxy, WORKERS};
use crate::spec::{Edit, Mistake, Ramp, START, Spec};
use crate::state_url::{Answer, StateUrl};
use fastrand::Rng;
use serin_history::{Broken, History, Model};
use serin_host_sim::Module;
use std::fmt::{Display, Write};

const PROXIES: usize = 2;
/// How many actions a history has before the fleet calms down.
const ACTIONS: usize = 30;
/// The time between two looks at a proxy, in ms.
const LOOK_MS: u64 = 1000;

/// What a history begins with.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Start {
    spec: Spec,
    canary: Canary,
    has_state_url: bool,
}

/// A step of a history.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Requests {
        proxy: usize,
        worker: usize,
        count: u32,
        seed: u64,
    },
    /// The requests in flight end.
    End {
        proxy: usize,
        clients_leave: bool,
    },
    Edit(Edit),
    /// The latest spec reaches a proxy.
    Deliver {
        proxy: usize,
    },
    /// A proxy gets a spec that it must refuse.
    Refuse {
        proxy: usize,
        mistake: Mistake,
    },
    /// An unrelated flag changes every few hundred ms, while users come.
    Pushes {
        proxy: usize,
        rounds: u32,
        every_ms: u64,
        count: u32,
        seed: u64,
    },
    Advance {
        ms: u64,
    },
    /// A machine's clock is set to this many hours beside the time.
    SetClock {
        proxy: usize,
        hours: i64,
    },
    /// A VM fails and starts again; the last one is the main thread's.
    RestartVm {
        proxy: usize,
        vm: usize,
    },
    RestartProcess {
        proxy: usize,
    },
    StateUrl(Answer),
    /// Another host lets the first step end.
    OtherHostEndsStep,
}

impl Action {
    fn random(random: &mut Rng) -> Action {
        let (proxy, seed) = (random.usize(0..PROXIES), random.u64(..));
        match random.u32(0..100) {
            0..26 => {
                let (worker, count) = (random.usize(0..WORKERS), random.u32(20..200));
                Action::Requests { proxy, worker, count, seed }
            }
            26..31 => Action::End { proxy, clients_leave: random.u32(0..3) == 0 },
            31..41 => Action::Edit(match random.u32(0..10) {
                0..2 => Edit::Unrelated,
                2..4 => Edit::EpochUp,
                4 => Edit::EpochDown,
                5..7 => Edit::GatesInOrOut,
                7 => Edit::RolloutInOrOut,
                _ => Edit::Ramp(ramp(random)),
            }),
            41..53 => Action::Deliver { proxy },
            53..57 => {
                let mistakes =
                    [Mistake::Empty, Mistake::Blank, Mistake::NotJson, Mistake::UnknownField];
                Action::Refuse { proxy, mistake: mistakes[random.usize(0..mistakes.len())] }
            }
            57..59 => Action::Pushes { proxy, rounds: 12, every_ms: 400, count: 20, seed },
            59..75 => Action::Advance { ms: random.u64(100..6_000) },
            75..79 => Action::Advance { ms: random.u64(30_000..140_000) },
            79..81 => Action::Advance { ms: 320_000 },
            81..87 => {
                let hours = [0, 0, 0, 1, -1, 24, -24];
                Action::SetClock { proxy, hours: hours[random.usize(0..hours.len())] }
            }
            87..90 => Action::RestartVm { proxy, vm: random.usize(0..=WORKERS) },
            90..92 => Action::RestartProcess { proxy },
            92..97 => Action::StateUrl(match random.u32(0..8) {
                0..3 => Answer::Good,
                3 => Answer::Fails,
                4 => Answer::Garbage,
                5 => Answer::Late(random.u64(500..4_000)),
                6 => Answer::Late(random.u64(5_000..15_000)),
                _ => Answer::Never,
            }),
            _ => Action::OtherHostEndsStep,
        }
    }
}

fn ramp(random: &mut Rng) -> Ramp {
    [Ramp::Half, Ramp::Fifth, Ramp::Gated, Ramp::Timed][random.usize(0..4)]
}

/// Fleets with the real filter.
pub(crate) struct FleetModel {
    pub(crate) module: Module,
}

impl Model for FleetModel {
    type Start = Start;
    type Action = Action;

    fn generate(&self, random: &mut Rng) -> History<Start, Action> {
        let spec = Spec {
            epoch: random.u64(0..3),
            has_rollout: true,
            has_gates: random.u32(0..4) > 0,
            ramp: ramp(random),
            unrelated: 0,
            revision: 1,
        };
        let canary = match random.u32(0..10) {
            0..3 => Canary::Healthy,
            3..8 => Canary::Fails,
            _ => Canary::Hangs,
        };
        let start = Start { spec, canary, has_state_url: random.bool() };
        let mut actions: Vec<Action> = (0..ACTIONS).map(|_| Action::random(random)).collect();
        actions.extend(calm(random));
        History { start, actions }
    }

    fn run(&self, history: &History<Start, Action>, log: &mut String) -> Checked {
        let mut fleet = Fleet::new(&self.module, &history.start, log)?;
        for action in &history.actions {
            fleet.note(format_args!("{action:?}"));
            let done = fleet.act(*action).and_then(|()| fleet.check(*action));
            if let Err(Broken { invariant, seen }) = &done {
                fleet.note(format_args!("BROKEN: {invariant}: {seen}"));
            }
            done?;
        }
        Ok(())
    }
}

/// People resume the rollout, everything works, and users come: a failing canary must be aborted on each proxy. On one
/// of them an unrelated flag may change all the time.
fn calm(random: &mut Rng) -> Vec<Action> {
    let mut actions = vec![Action::StateUrl(Answer::Good), Action::Edit(Edit::Resume)];
    for proxy in 0..PROXIES {
        actions.extend([Action::Deliver { proxy }, Action::End { proxy, clients_leave: true }]);
    }
    actions.push(Action::Advance { ms: 12_000 });
    for proxy in 0..PROXIES {
        if random.u32(0..3) == 0 {
            let seed = random.u64(..);
            actions.push(Action::Pushes { proxy, rounds: 45, every_ms: 400, count: 20, seed });
            continue;
        }
        for worker in (0..WORKERS).cycle().take(4) {
            actions.push(Action::Requests { proxy, worker, count: 120, seed: random.u64(..) });
            actions.push(Action::Advance { ms: 1_500 });
        }
    }
    // A request without an answer counts after half a minute.
    actions.push(Action::Advance { ms: 36_000 });
    for proxy in 0..PROXIES {
        actions.push(Action::Requests { proxy, worker: 0, count: 120, seed: random.u64(..) });
    }
    actions.push(Action::Advance { ms: 12_000 });
    actions
}

struct Fleet<'m, 'l> {
    log: &'l mut String,
    git: Spec,
    proxies: Vec<Proxy<'m>>,
    state_url: StateUrl,
    /// Time since the beginning, in ms.
    elapsed: u64,
}

impl<'m, 'l> Fleet<'m, 'l> {
    fn new(module: &'m Module, start: &Start, log: &'l mut String) -> Checked<Fleet<'m, 'l>> {
        let state_url = StateUrl::new();
        let proxy = |name| {
            let state_url = start.has_state_url.then(|| state_url.clone());
            Proxy::start(name, module, start.canary, state_url, start.spec)
        };
        let proxies = (0..PROXIES).map(proxy).collect::<Result<Vec<_>, _>>()?;
        Ok(Fleet { log, git: start.spec, proxies, state_url, elapsed: 0 })
    }

    fn note(&mut self, what: impl Display) {
        let _ = writeln!(self.log, "{:>9} {what}", self.elapsed);
    }

    fn act(&mut self, action: Action) -> Checked {
        match action {
            Action::Requests { proxy, worker, count, seed } => {
                let canary = self.proxies[proxy].requests(worker, count, seed)?;
                self.note(format_args!("    {canary} to the canary"));
                Ok(())
            }
            Action::End { proxy, clients_leave } => {
                self.proxies[proxy].end_in_flight(clients_leave)
            }
            Action::Edit(edit) => {
                self.edit(edit);
                Ok(())
            }
            Action::Deliver { proxy } => {
                let spec = self.git;
                self.note(format_args!("    {spec:?}"));
                self.proxies[proxy].deliver(spec)
            }
            Action::Refuse { proxy, mistake } => self.proxies[proxy].refuse(mistake),
            Action::Pushes { proxy, rounds, every_ms, count, seed } => {
                let mut random = Rng::with_seed(seed);
                for round in 0..rounds {
                    self.edit(Edit::Unrelated);
                    self.proxies[proxy].deliver(self.git)?;
                    let worker = round as usize % WORKERS;
                    self.proxies[proxy].requests(worker, count, random.u64(..))?;
                    self.advance(every_ms)?;
                }
                Ok(())
            }
            Action::Advance { ms } => self.advance(ms),
            Action::SetClock { proxy, hours } => {
                self.proxies[proxy].jump(hours);
                Ok(())
            }
            Action::RestartVm { proxy, vm } => self.proxies[proxy].restart_vm(vm),
            Action::RestartProcess { proxy } => self.proxies[proxy].restart(self.git),
            Action::StateUrl(answer) => {
                self.state_url.set_answer(answer);
                Ok(())
            }
            Action::OtherHostEndsStep => {
                self.state_url.end_first_step(self.git.epoch, START + self.elapsed);
                Ok(())
            }
        }
    }

    fn edit(&mut self, edit: Edit) {
        let spec = &mut self.git;
        match edit {
            Edit::Unrelated => spec.unrelated += 1,
            Edit::EpochUp => spec.epoch += 1,
            Edit::EpochDown => spec.epoch = spec.epoch.saturating_sub(1),
            Edit::GatesInOrOut => spec.has_gates ^= true,
            Edit::RolloutInOrOut => spec.has_rollout ^= true,
            Edit::Ramp(ramp) => spec.ramp = ramp,
            Edit::Resume => {
                (spec.has_rollout, spec.has_gates) = (true, true);
                let aborts = self.proxies.iter().map(|proxy| proxy.abort);
                let abort = aborts.chain([self.state_url.abort()]).flatten().max();
                spec.epoch = spec.epoch.max(abort.map_or(0, |epoch| epoch + 1));
            }
        }
        spec.revision += 1;
    }

    fn advance(&mut self, ms: u64) -> Checked {
        let mut left = ms;
        while left > 0 {
            let by = left.min(LOOK_MS);
            self.elapsed += by;
            self.proxies.iter_mut().try_for_each(|proxy| proxy.advance(by))?;
            left -= by;
        }
        Ok(())
    }

    fn check(&mut self, action: Action) -> Checked {
        let is_settled = matches!(action, Action::Advance { ms } if ms >= 3_000);
        self.proxies.iter_mut().try_for_each(|proxy| proxy.check_accounts(is_settled))?;
        for proxy in 0..PROXIES {
            let (name, abort) = (self.proxies[proxy].name, self.proxies[proxy].abort);
            if let Some(epoch) = abort {
                self.note(format_args!("    proxy {name}: epoch {epoch} is aborted"));
            }
        }
        Ok(())
    }
}
