//! The plan: a spec with every name resolved to an index and every value parsed, so that deciding
//! cannot fail.

mod allocation;
mod flag;
mod id_set;
mod input;
mod path_index;
mod request_size;
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
pub use request_size::{MAX_FLAGS_BYTES, MAX_RECORD_BYTES, RequestSize};
pub use rollout::{Arm, Rollout, Shadow};
pub(crate) use rollout::{Mode, Pin};
pub(crate) use route_index::{RouteIndex, RouteIndexBuilder};
pub use trial::Trial;
pub(crate) use trial::{AbortPolicy, Kpi};

use crate::anonymous;
use crate::attribute::Attribute;
use crate::condition::Operator;
use crate::error::Errors;
use crate::hash::{Bucket, Purpose};
use crate::spec::Deploy;
use crate::value::share::Share;

/// A compiled [`Spec`](crate::Spec), which [`crate::decide()`] evaluates. It is immutable.
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
    /// The maximum number of flags that one path delivers.
    pub(crate) max_delivered: usize,
    pub(crate) request_size: RequestSize,
    pub(crate) isolated: Errors,
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(pub(crate) u32);

        impl $name {
            #[allow(dead_code)]
            /// The id of an index. Lists in a plan are far shorter than `u32::MAX`.
            pub(crate) fn new(index: usize) -> Self {
                Self(u32::try_from(index).unwrap_or(u32::MAX))
            }

            /// The id of an index in the plan's list. Looking up an id that the plan does not have
            /// gives `None`.
            pub fn from_index(index: usize) -> Self {
                Self::new(index)
            }

            /// The index in the plan's list, from 0, in the order of names.
            pub fn index(self) -> usize {
                usize::try_from(self.0).unwrap_or(usize::MAX)
            }
        }
    };
}

id!(
    /// The id of a unit in a plan.
    UnitId
);
id!(
    /// The id of a cohort in a plan.
    CohortId
);
id!(
    /// The id of a flag in a plan.
    FlagId
);
id!(
    /// The id of a variant in a flag.
    VariantId
);
id!(
    /// The id of a rollout in a plan.
    RolloutId
);
id!(
    /// The id of an arm in a rollout.
    ArmId
);

impl Plan {
    /// The mistakes in isolated flags; empty unless the spec asks for isolation. An isolated flag
    /// has its default variant and the error code `PARSE_ERROR`. It is missing if it has no usable
    /// default.
    pub fn isolated(&self) -> &Errors {
        &self.isolated
    }

    /// The spec's revision.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The digest: XXH3-64 of the spec's canonical JSON (sorted keys, no spaces, whole numbers
    /// without a point) as 16 hex digits. Documents that differ in spacing and order only have the
    /// same digest.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The deploy that the spec belongs to.
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

    /// An arm by the name of its rollout and its own name.
    pub fn arm_named(&self, rollout: &str, arm: &str) -> Option<(RolloutId, ArmId)> {
        let index = self.rollouts.binary_search_by(|known| (*known.name).cmp(rollout)).ok()?;
        let arms = self.rollouts.get(index)?.arms();
        let arm = arms.iter().position(|known| known.name() == arm)?;
        Some((RolloutId::new(index), ArmId::new(arm)))
    }

    /// A variant by the name of its flag and its own name.
    pub fn variant_named(&self, flag: &str, variant: &str) -> Option<(FlagId, VariantId)> {
        let id = self.flag_named(flag)?;
        let variants = self.flag(id)?.variants();
        let variant = variants.iter().position(|known| known.name() == variant)?;
        Some((id, VariantId::new(variant)))
    }

    /// Upper bounds of what one request can carry.
    pub fn request_size(&self) -> &RequestSize {
        &self.request_size
    }

    pub(crate) fn cohort(&self, id: CohortId) -> Option<&Cohort> {
        self.cohorts.get(id.index())
    }

    /// Whether an input is the cookie of a unit's anonymous ids.
    pub(crate) fn mints(&self, input: InputId) -> bool {
        let minted = |unit: &Unit| match unit.sources.last() {
            Some(Source::Anonymous { cookie, .. }) => *cookie == input,
            _ => false,
        };
        self.units.iter().any(minted)
    }

    /// Whether any decision of this plan depends on the time.
    pub fn needs_time(&self) -> bool {
        self.inputs.time
    }

    /// Whether any decision of this plan may depend on a claim of a verified token.
    pub fn needs_claims(&self) -> bool {
        self.inputs.claims
    }
}

/// The facts beyond the header block that evaluating a flag or rollout may read.
#[derive(Clone, Debug, Default)]
pub(crate) struct Needs {
    /// The [`InputId`]s that the host must fetch.
    pub(crate) host_inputs: IdSet,
    /// The [`UnitId`]s with anonymous ids.
    pub(crate) anonymous: IdSet,
}

/// A unit: the identity that is bucketed, such as a user, tenant or session.
#[derive(Clone, Debug)]
pub struct Unit {
    pub(crate) name: Box<str>,
    pub(crate) sources: Box<[Source]>,
}

/// A source of a unit's value. The first source with a value counts.
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

    /// The name of the cookie with this unit's anonymous ids, if it has such ids.
    pub fn anonymous_cookie(&self) -> Option<&str> {
        match self.sources.last() {
            Some(Source::Anonymous { name, .. }) => Some(name),
            _ => None,
        }
    }

    /// The unit's value in a string that a caller gives: an anonymous id may have its signature.
    pub(crate) fn id_of<'v>(&self, value: &'v str) -> &'v str {
        if self.anonymous_cookie().is_none() {
            return value;
        }
        anonymous::without_signature(value)
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

/// A test of an attribute: all operators must hold.
#[derive(Clone, Debug)]
pub(crate) struct Test {
    pub(crate) attribute: Attribute,
    pub(crate) slot: Slot,
    pub(crate) operators: Box<[Operator]>,
}

/// The location of an attribute's value among the facts.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Slot {
    Input(InputId),
    Unit(UnitId),
    Path,
    Host,
    Method,
    Time,
}

/// The inputs of the hash that gives a bucket: unit, purpose and salt.
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

    /// The purpose of the buckets.
    pub fn purpose(&self) -> Purpose {
        self.purpose
    }

    /// The salt of the hash.
    pub fn salt(&self) -> &str {
        &self.salt
    }
}

/// A partition of the 100,000 buckets into ranges, in order.
#[derive(Clone, Debug)]
pub struct Ranges<T> {
    pub(crate) list: Box<[Range<T>]>,
}

/// The buckets from `start` (inclusive) to `end` (exclusive).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Range<T> {
    pub(crate) start: u32,
    pub(crate) end: u32,
    /// The total share of all ranges with the same `to`.
    pub(crate) weight: Share,
    pub(crate) to: T,
}

impl<T: Copy> Ranges<T> {
    /// The ranges of bucket numbers, from 0 to 99,999 in order, each with the arm or variant that
    /// it gets.
    pub fn iter(&self) -> impl Iterator<Item = (core::ops::Range<u32>, T)> {
        self.list.iter().map(|range| (range.start..range.end, range.to))
    }

    /// The range that contains a bucket.
    #[inline]
    pub(crate) fn find(&self, bucket: Bucket) -> Option<Range<T>> {
        self.list.iter().find(|range| bucket.number() < range.end).copied()
    }
}
