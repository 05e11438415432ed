//! The rollouts of a plan.

use alloc::boxed::Box;

use super::{AbortPolicy, ArmId, Bucketing, Condition, FlagId, InputId, Needs, Ranges, Trial};
use crate::gate::{Abort, Latch};
use crate::schedule::Schedule;
use crate::spec::Compare;
use crate::value::share::Share;

/// A compiled rollout.
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

    /// Whether deciding depends on the time.
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

    /// The arm of the requests that no other arm gets.
    pub fn baseline(&self) -> ArmId {
        self.baseline
    }

    /// The arms that requests or shadow copies can be sent to. An arm may be listed more than once.
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

    /// The hash inputs of the buckets; `None` if the rollout has neither a share nor a split.
    pub fn bucketing(&self) -> Option<&Bucketing> {
        match &self.mode {
            Mode::Canary { bucketing, .. } => bucketing.as_ref(),
            Mode::Split { bucketing, .. } => Some(bucketing),
            Mode::Fixed(_) | Mode::Pinned { .. } => None,
        }
    }

    /// The shadow, if the rollout has one.
    pub fn shadow(&self) -> Option<&Shadow> {
        self.shadow.as_ref()
    }

    /// Whether a host that cannot reach the arm may send the request to the baseline.
    pub fn falls_back(&self) -> bool {
        self.falls_back
    }

    /// The epoch. Raising it clears an abort.
    pub fn epoch(&self) -> u64 {
        self.abort_policy.epoch
    }

    /// The time after an abort until a raised epoch takes effect, in ms.
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

    /// The abort that stops this rollout at `now_ms`, if one does. `now_ms` is the time in ms since
    /// 1970, or `None` without a clock. Every host and tool uses this function, so that they agree.
    pub fn abort_in_force<'l>(
        &self,
        latch: Option<&'l Latch>,
        now_ms: Option<u64>,
    ) -> Option<&'l Abort> {
        let abort = latch?.abort.as_ref()?;
        abort.stops(self.epoch(), self.cooldown_ms(), now_ms).then_some(abort)
    }
}

/// A shadow: copies of requests to an arm whose responses are not sent to the client.
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
    /// The arm that gets the copies.
    pub fn arm(&self) -> ArmId {
        self.arm
    }

    /// The part of its response that is compared with the client's response.
    pub fn compare(&self) -> Compare {
        self.compare
    }

    /// The maximum number of copies in flight in one worker of the host.
    pub fn max_in_flight(&self) -> u32 {
        self.max_in_flight
    }
}

/// An arm: the upstream of one version.
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

/// A session pin: a cookie that keeps a session on its first arm for `ms` milliseconds.
#[derive(Clone, Debug)]
pub(crate) struct Pin {
    pub(crate) cookie: Box<str>,
    pub(crate) input: InputId,
    pub(crate) ms: u64,
}

/// The mode in which a rollout divides its traffic among the arms.
#[derive(Clone, Debug)]
pub(crate) enum Mode {
    Fixed(ArmId),
    Pinned { active: ArmId, pin: Pin },
    Canary { arm: ArmId, rings: Box<[Condition]>, schedule: Schedule, bucketing: Option<Bucketing> },
    Split { ranges: Ranges<ArmId>, bucketing: Bucketing },
}
