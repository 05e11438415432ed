//! The resolved spec: every name an index, every value parsed, nothing left to go wrong.

mod allocation;
mod flag;
mod id_set;
mod input;
mod path_index;
mod rollout;
mod route_index;
mod trial;

use alloc::boxed::Box;
use alloc::string::String;

pub use allocation::Allocation;
pub(crate) use flag::RuleAction;
pub use flag::{Flag, Holdout, LayerRange, Rule, Variant};
pub(crate) use id_set::IdSet;
pub(crate) use input::HostInput;
pub(crate) use input::Inputs;
pub use input::{Input, InputId};
pub(crate) use path_index::{PathIndex, PathIndexBuilder};
pub use rollout::{Arm, Rollout, Shadow};
pub(crate) use rollout::{Mode, Pin};
pub(crate) use route_index::{RouteIndex, RouteIndexBuilder};
pub use trial::Trial;
pub(crate) use trial::{AbortPolicy, Kpi};

use crate::attribute::Attribute;
use crate::condition::Operator;
use crate::error::Errors;
use crate::hash::{Bucket, Purpose};
use crate::spec::Deploy;
use crate::value::share::Share;

/// What [`crate::decide()`] works on: immutable, made from a [`Spec`](crate::Spec) only.
#[derive(Clone, Debug)]
pub struct Plan {
    pub(crate) revision: u64,
    pub(crate) digest: String,
    pub(crate) deploy: Deploy,
    pub(crate) inputs: Inputs,
    pub(crate) units: Box<[Unit]>,
    pub(crate) cohorts: Box<[Cohort]>,
    pub(crate) holdouts: Box<[Holdout]>,
    pub(crate) flags: Box<[Flag]>,
    pub(crate) rollouts: Box<[Rollout]>,
    pub(crate) routes: RouteIndex,
    pub(crate) deliveries: PathIndex,
    /// The most flags that any path delivers.
    pub(crate) most_delivered: usize,
    pub(crate) isolated: Errors,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub(crate) u32);

        impl $name {
            #[allow(dead_code)]
            /// From a position; plans are bounded far below `u32::MAX` parts.
            pub(crate) fn new(index: usize) -> Self {
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }

            /// The id of a position in the plan's list: an id that the plan does not have finds nothing.
            pub fn from_index(index: usize) -> Self {
                Self::new(index)
            }

            /// The position in the plan's list, from 0, in the order of names.
            pub fn index(self) -> usize {
                usize::try_from(self.0).unwrap_or(usize::MAX)
            }
        }
    };
}

id!(
    /// A unit of a plan.
    UnitId
);
id!(
    /// A cohort of a plan.
    CohortId
);
id!(
    /// A flag of a plan.
    FlagId
);
id!(
    /// A variant of a flag.
    VariantId
);
id!(
    /// A rollout of a plan.
    RolloutId
);
id!(
    /// An arm of a rollout.
    ArmId
);

impl Plan {
    /// The mistakes in flags that are isolated; empty but for specs that ask for isolation. Such a flag
    /// has its default variant and the error code `PARSE_ERROR`, or is missing if its default can't be
    /// read.
    pub fn isolated(&self) -> &Errors {
        &self.isolated
    }

    /// The spec's revision.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// XXH3-64 of the spec's canonical JSON (sorted keys, no spaces, whole numbers without a point)
    /// as 16 hex digits: equal for equal documents, however they are written.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// Which deploy the spec belongs to.
    pub fn deploy(&self) -> &Deploy {
        &self.deploy
    }

    /// The flags, in the order of names.
    pub fn flags(&self) -> &[Flag] {
        &self.flags
    }

    /// The rollouts, in the order of names.
    pub fn rollouts(&self) -> &[Rollout] {
        &self.rollouts
    }

    /// The holdouts, in the order of names.
    pub fn holdouts(&self) -> &[Holdout] {
        &self.holdouts
    }

    /// The units, in the order of names.
    pub fn units(&self) -> &[Unit] {
        &self.units
    }

    /// A flag by its id.
    pub fn flag(&self, id: FlagId) -> Option<&Flag> {
        self.flags.get(id.index())
    }

    /// A rollout by its id.
    pub fn rollout(&self, id: RolloutId) -> Option<&Rollout> {
        self.rollouts.get(id.index())
    }

    /// A unit by its id.
    pub fn unit(&self, id: UnitId) -> Option<&Unit> {
        self.units.get(id.index())
    }

    /// A unit by its name.
    pub fn unit_named(&self, name: &str) -> Option<UnitId> {
        self.units.binary_search_by(|unit| (*unit.name).cmp(name)).ok().map(UnitId::new)
    }

    /// A flag by its name.
    pub fn flag_named(&self, name: &str) -> Option<FlagId> {
        self.flags.binary_search_by(|flag| (*flag.name).cmp(name)).ok().map(FlagId::new)
    }

    /// An arm by the names of its rollout and its own.
    pub fn arm_named(&self, rollout: &str, arm: &str) -> Option<(RolloutId, ArmId)> {
        let index = self.rollouts.binary_search_by(|known| (*known.name).cmp(rollout)).ok()?;
        let arms = self.rollouts.get(index)?.arms();
        let arm = arms.iter().position(|known| known.name() == arm)?;
        Some((RolloutId::new(index), ArmId::new(arm)))
    }

    /// A variant by the names of its flag and its own.
    pub fn variant_named(&self, flag: &str, variant: &str) -> Option<(FlagId, VariantId)> {
        let id = self.flag_named(flag)?;
        let variants = self.flag(id)?.variants();
        let variant = variants.iter().position(|known| known.name() == variant)?;
        Some((id, VariantId::new(variant)))
    }

    pub(crate) fn cohort(&self, id: CohortId) -> Option<&Cohort> {
        self.cohorts.get(id.index())
    }

    /// Whether any decision of this plan looks at the clock.
    pub fn needs_time(&self) -> bool {
        self.inputs.time
    }

    /// Whether any decision may look at a claim of a verified token.
    pub fn needs_claims(&self) -> bool {
        self.inputs.claims
    }
}

/// What evaluating something may look at beyond the header block.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    /// Of [`InputId`]s.
    pub(crate) host_inputs: IdSet,
    /// Of [`UnitId`]s.
    pub(crate) anonymous: IdSet,
}

/// Who is bucketed.
#[derive(Clone, Debug)]
pub struct Unit {
    pub(crate) name: Box<str>,
    pub(crate) sources: Box<[Source]>,
}

/// Where a unit's value may be.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    Input(InputId),
    Anonymous { cookie: InputId, name: Box<str> },
}

impl Unit {
    /// The unit's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The cookie that keeps this unit's anonymous ids, if it has such ids.
    pub fn anonymous_cookie(&self) -> Option<&str> {
        match self.sources.last() {
            Some(Source::Anonymous { name, .. }) => Some(name),
            _ => None,
        }
    }

    pub(crate) fn sources(&self) -> &[Source] {
        &self.sources
    }
}

/// A named condition.
#[derive(Clone, Debug)]
pub(crate) struct Cohort {
    pub(crate) name: Box<str>,
    pub(crate) condition: Condition,
}

/// A condition with its names resolved.
#[derive(Clone, Debug)]
pub(crate) enum Condition {
    All(Box<[Condition]>),
    Any(Box<[Condition]>),
    Not(Box<Condition>),
    Cohort(CohortId),
    Test(Box<Test>),
}

/// An attribute and what it must pass.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    pub(crate) attribute: Attribute,
    pub(crate) slot: Slot,
    pub(crate) operators: Box<[Operator]>,
}

/// Where an attribute's value is among the facts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Slot {
    Input(InputId),
    Unit(UnitId),
    Path,
    Host,
    Method,
    Time,
}

/// Who is bucketed, for what, and with which salt.
#[derive(Clone, Debug)]
pub struct Bucketing {
    pub(crate) unit: UnitId,
    pub(crate) purpose: Purpose,
    pub(crate) salt: Box<str>,
}

impl Bucketing {
    /// The unit that is bucketed.
    pub fn unit(&self) -> UnitId {
        self.unit
    }

    /// What the buckets are for.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The salt of the hash.
    pub fn salt(&self) -> &str {
        &self.salt
    }
}

/// Ranges of buckets that share out all 100,000, in order.
#[derive(Clone, Debug)]
pub struct Ranges<T> {
    pub(crate) list: Box<[Range<T>]>,
}

/// The buckets from `start` (inclusive) to `end` (exclusive).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range<T> {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// Of all ranges that lead to the same.
    pub(crate) weight: Share,
    pub(crate) to: T,
}

impl<T: Copy> Ranges<T> {
    /// The buckets' numbers, 0 to 99,999 in order, and what each range of them gets.
    pub fn iter(&self) -> impl Iterator<Item = (core::ops::Range<u32>, T)> {
        self.list.iter().map(|range| (range.start..range.end, range.to))
    }

    /// The range a bucket lies in.
    #[inline]
    pub(crate) fn find(&self, bucket: Bucket) -> Option<Range<T>> {
        self.list.iter().find(|range| bucket.number() < range.end).copied()
    }
}
