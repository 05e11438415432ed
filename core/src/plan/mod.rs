//! The resolved spec: every name an index, every value parsed, nothing left to go wrong.

mod id_set;
mod input;
mod path_index;
mod route_index;

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

pub(crate) use id_set::IdSet;
pub(crate) use input::Inputs;
pub use input::{HostInput, Input, InputId};
pub(crate) use path_index::{PathIndex, PathIndexBuilder};
pub(crate) use route_index::{RouteIndex, RouteIndexBuilder};

use crate::attribute::Attribute;
use crate::condition::Operator;
use crate::error::Errors;
use crate::facts::Facts;
use crate::hash::{Bucket, Purpose};
use crate::schedule::Schedule;
use crate::spec::{Compare, Deploy, FlagState, Spec};
use crate::value::share::Share;

/// What [`crate::decide`] works on: immutable, made from a [`Spec`] only.
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
    /// Reads and compiles a JSON document.
    ///
    /// # Errors
    /// Every mistake in the document, of reading and of meaning.
    pub fn from_json(json: &[u8]) -> Result<Plan, Errors> {
        let mut errors = Errors::new();
        let spec = crate::parse::document::document(json, &mut errors);
        let plan = crate::compile::compile(&spec, &mut errors);
        if errors.is_empty() { Ok(plan) } else { Err(errors) }
    }

    /// Compiles a spec.
    ///
    /// # Errors
    /// Every mistake in its meaning.
    pub fn new(spec: &Spec) -> Result<Plan, Errors> {
        let mut errors = Errors::new();
        let plan = crate::compile::compile(spec, &mut errors);
        if errors.is_empty() { Ok(plan) } else { Err(errors) }
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

    pub(crate) fn cohort(&self, id: CohortId) -> Option<&Cohort> {
        self.cohorts.get(id.index())
    }

    /// Whether any decision of this plan looks at the clock.
    pub fn needs_time(&self) -> bool {
        self.inputs.time
    }

    /// What this request's decision needs beyond its header block. A host fetches these and no
    /// others.
    pub fn host_inputs<'p>(&'p self, facts: &Facts<'_>) -> Vec<HostInput<'p>> {
        if !self.inputs.any_from_host {
            return Vec::new();
        }
        let mut ids = IdSet::default();
        self.each_need(facts, |needs| ids.extend(&needs.host_inputs));
        ids.iter().filter_map(|id| self.inputs.host_input(InputId(id))).collect()
    }

    /// The units that this request's decision may need, that have no value yet and that may be given
    /// an anonymous id.
    pub fn anonymous_units(&self, facts: &Facts<'_>) -> Vec<UnitId> {
        if self.units.iter().all(|unit| unit.anonymous_cookie().is_none()) {
            return Vec::new();
        }
        let mut ids = IdSet::default();
        self.each_need(facts, |needs| ids.extend(&needs.anonymous));
        let missing = |unit: &UnitId| facts.unit(self, *unit).is_none();
        ids.iter().map(UnitId).filter(missing).collect()
    }

    /// Visits the needs of the request's rollout and of every flag its path delivers.
    fn each_need(&self, facts: &Facts<'_>, mut visit: impl FnMut(&Needs)) {
        let rollout = self.routes.find(facts.host(), facts.path());
        if let Some(rollout) = rollout.and_then(|id| self.rollout(id)) {
            visit(&rollout.needs);
        }
        self.deliveries.walk(facts.path(), |flags| {
            for flag in flags.iter().filter_map(|id| self.flag(FlagId(*id))) {
                visit(&flag.needs);
            }
        });
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
pub(crate) struct Bucketing {
    pub(crate) unit: UnitId,
    pub(crate) purpose: Purpose,
    pub(crate) salt: Box<str>,
}

/// Ranges of buckets that share out all 100,000, in order.
#[derive(Clone, Debug)]
pub(crate) struct Ranges<T> {
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
    /// The range a bucket lies in.
    #[inline]
    pub(crate) fn find(&self, bucket: Bucket) -> Option<Range<T>> {
        self.list.iter().find(|range| bucket.number() < range.end).copied()
    }
}

/// A flag.
#[derive(Clone, Debug)]
pub struct Flag {
    pub(crate) name: Box<str>,
    pub(crate) state: FlagState,
    pub(crate) variants: Box<[Variant]>,
    pub(crate) default_variant: VariantId,
    pub(crate) requires: Box<[(FlagId, VariantId)]>,
    /// Whether holdouts leave it alone.
    pub(crate) held_out: bool,
    pub(crate) rules: Box<[Rule]>,
    pub(crate) needs: Needs,
}

/// A group that flags for release and experiment leave alone.
#[derive(Clone, Debug)]
pub(crate) struct Holdout {
    pub(crate) name: Box<str>,
    pub(crate) bucketing: Bucketing,
    pub(crate) share: Share,
}

/// A part of a layer.
#[derive(Clone, Debug)]
pub(crate) struct LayerRange {
    pub(crate) bucketing: Bucketing,
    pub(crate) from: Share,
    pub(crate) to: Share,
}

impl Flag {
    /// The flag's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The variants, in the order of names.
    pub fn variants(&self) -> &[Variant] {
        &self.variants
    }

    pub(crate) fn needs_time(&self) -> bool {
        self.rules.iter().any(|rule| match &rule.outcome {
            Outcome::Ramp { schedule, .. } => schedule.needs_time(),
            _ => false,
        })
    }

    /// A variant by its id.
    pub fn variant(&self, id: VariantId) -> Option<&Variant> {
        self.variants.get(id.index())
    }
}

/// A value that a flag can take.
#[derive(Clone, Debug)]
pub struct Variant {
    pub(crate) name: Box<str>,
    pub(crate) json: Box<str>,
    /// `flag=item`, as `serin-flags` carries it.
    pub(crate) member: Box<str>,
}

impl Variant {
    /// The variant's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value as canonical JSON.
    pub fn json(&self) -> &str {
        &self.json
    }
}

/// A rule of a flag.
#[derive(Clone, Debug)]
pub(crate) struct Rule {
    pub(crate) name: Box<str>,
    pub(crate) when: Option<Condition>,
    pub(crate) layer: Option<LayerRange>,
    pub(crate) outcome: Outcome,
}

/// What a rule serves.
#[derive(Clone, Debug)]
pub(crate) enum Outcome {
    Serve(VariantId),
    Ramp { variant: VariantId, schedule: Schedule, bucketing: Bucketing },
    Split { ranges: Ranges<VariantId>, bucketing: Bucketing },
}

/// A rollout.
#[derive(Clone, Debug)]
pub struct Rollout {
    pub(crate) name: Box<str>,
    pub(crate) arms: Box<[Arm]>,
    pub(crate) baseline: ArmId,
    pub(crate) mode: Mode,
    pub(crate) shadow: Option<Shadow>,
    pub(crate) falls_back: bool,
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

    /// The arm that gets copies of requests, if there is one.
    pub fn shadow(&self) -> Option<&Shadow> {
        self.shadow.as_ref()
    }

    /// Whether a host that can't reach the arm may try the baseline.
    pub fn falls_back(&self) -> bool {
        self.falls_back
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
