//! Rollouts, resolved.

use alloc::boxed::Box;

use super::{AbortPolicy, ArmId, Bucketing, Condition, FlagId, InputId, Needs, Ranges, Trial};
use crate::gate::{Abort, Latch};
use crate::schedule::Schedule;
use crate::spec::Compare;
use crate::value::share::Share;

/// A rollout.
#[derive(Clone, Debug)]
pub struct Rollout {
    pub(crate) name: Box<str>,
    pub(crate) arms: Box<[Arm]>,
    pub(crate) baseline: ArmId,
    pub(crate) mode: Mode,
    pub(crate) shadow: Option<Shadow>,
    pub(crate) falls_back: bool,
    pub(crate) abort_policy: AbortPolicy,
    pub(crate) needs: Needs,
}

impl Rollout {
    /// The rollout's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The arms, in the order of names.
    pub fn arms(&self) -> &[Arm] {
        &self.arms
    }

    pub(crate) fn needs_time(&self) -> bool {
        if self.abort_policy.cooldown_ms > 0 {
            return true;
        }
        match &self.mode {
            Mode::Pinned { .. } => true,
            Mode::Canary { schedule, .. } => schedule.needs_time(),
            Mode::Fixed(_) | Mode::Split { .. } => false,
        }
    }

    /// An arm by its id.
    pub fn arm(&self, id: ArmId) -> Option<&Arm> {
        self.arms.get(id.index())
    }

    /// The arm that takes everything nothing else takes.
    pub fn baseline(&self) -> ArmId {
        self.baseline
    }

    /// The arms that requests or copies of them can be sent to; an arm may be there more than once.
    pub fn reachable_arms(&self) -> impl Iterator<Item = ArmId> {
        let (active, ranges) = match &self.mode {
            Mode::Fixed(arm) | Mode::Pinned { active: arm, .. } | Mode::Canary { arm, .. } => {
                (Some(*arm), None)
            }
            Mode::Split { ranges, .. } => (None, Some(ranges)),
        };
        let shadow = self.shadow.as_ref().map(Shadow::arm);
        let split = ranges.into_iter().flat_map(|ranges| ranges.iter().map(|(_, arm)| arm));
        [self.baseline].into_iter().chain(shadow).chain(active).chain(split)
    }

    /// Who is bucketed; `None` if the rollout has neither a share nor a split.
    pub fn bucketing(&self) -> Option<&Bucketing> {
        match &self.mode {
            Mode::Canary { bucketing, .. } => bucketing.as_ref(),
            Mode::Split { bucketing, .. } => Some(bucketing),
            Mode::Fixed(_) | Mode::Pinned { .. } => None,
        }
    }

    /// The arm that gets copies of requests, if there is one.
    pub fn shadow(&self) -> Option<&Shadow> {
        self.shadow.as_ref()
    }

    /// Whether a host that can't reach the arm may try the baseline.
    pub fn falls_back(&self) -> bool {
        self.falls_back
    }

    /// The epoch. People raise it to clear an abort.
    pub fn epoch(&self) -> u64 {
        self.abort_policy.epoch
    }

    /// How long after an abort a raised epoch takes effect, in ms.
    pub fn cooldown_ms(&self) -> u64 {
        self.abort_policy.cooldown_ms
    }

    /// The flags that an abort turns off.
    pub fn disables(&self) -> &[FlagId] {
        &self.abort_policy.disables
    }

    /// The trial that the gates judge; `None` without gates.
    pub fn trial(&self) -> Option<&Trial> {
        self.abort_policy.trial.as_ref()
    }

    /// The abort that stops this rollout at `now_ms` (since 1970; `None` without a clock); `None` if
    /// none does. Every host and every tool asks here.
    pub fn abort_in_force<'l>(
        &self,
        latch: Option<&'l Latch>,
        now_ms: Option<u64>,
    ) -> Option<&'l Abort> {
        let abort = latch?.abort.as_ref()?;
        abort.stops(self.epoch(), self.cooldown_ms(), now_ms).then_some(abort)
    }
}

/// Copies of requests for an arm whose answers nobody waits for.
#[derive(Clone, Debug)]
pub struct Shadow {
    pub(crate) arm: ArmId,
    pub(crate) share: Share,
    pub(crate) when: Option<Condition>,
    pub(crate) methods: Box<[Box<str>]>,
    pub(crate) bucketing: Bucketing,
    pub(crate) compare: Compare,
    pub(crate) max_in_flight: u32,
}

impl Shadow {
    /// The arm.
    pub fn arm(&self) -> ArmId {
        self.arm
    }

    /// What of its answer is compared with the one the client got.
    pub fn compare(&self) -> Compare {
        self.compare
    }

    /// How many copies may be under way at once, in one worker of the host.
    pub fn max_in_flight(&self) -> u32 {
        self.max_in_flight
    }
}

/// One version's upstream.
#[derive(Clone, Debug)]
pub struct Arm {
    pub(crate) name: Box<str>,
    pub(crate) target: Box<str>,
}

impl Arm {
    /// The arm's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The upstream's name in the host.
    pub fn target(&self) -> &str {
        &self.target
    }
}

/// How long a session keeps the arm it began on.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    pub(crate) cookie: Box<str>,
    pub(crate) input: InputId,
    pub(crate) ms: u64,
}

/// How a rollout shares its traffic.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    Fixed(ArmId),
    Pinned { active: ArmId, pin: Pin },
    Canary { arm: ArmId, rings: Box<[Condition]>, schedule: Schedule, bucketing: Option<Bucketing> },
    Split { ranges: Ranges<ArmId>, bucketing: Bucketing },
}
