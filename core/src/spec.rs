//! The document as written, typed. No logic: reading is `parse`'s work, meaning is `compile`'s.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::attribute::Attribute;
use crate::condition::Operator;
use crate::gate::GateSettings;
use crate::name_map::NameMap;
use crate::value::share::Share;
use crate::value::timestamp::Timestamp;

/// A whole document. Maps are sorted by name, so equal documents are equal whatever their order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spec {
    /// Grows with every change that ships.
    pub revision: u64,
    /// Which deploy this is, echoed in records.
    pub deploy: Deploy,
    /// What a mistake in it costs.
    pub isolation: Isolation,
    /// Who is bucketed: each unit's sources, the first one present counts.
    pub units: NameMap<Vec<UnitSource>>,
    /// NameMap conditions.
    pub cohorts: NameMap<Condition>,
    /// Units that get no rules' variants, to compare with.
    pub holdouts: NameMap<Holdout>,
    /// Experiments that must not share users.
    pub layers: NameMap<Bucketing>,
    /// Feature flags.
    pub flags: NameMap<Flag>,
    /// Changes of version on routes.
    pub rollouts: NameMap<Rollout>,
    /// XXH3-64 of the canonical JSON, see [`crate::Plan::digest`].
    pub digest: u64,
}

/// What a mistake in a spec costs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Isolation {
    /// The whole spec is refused.
    #[default]
    None,
    /// A mistake in a flag costs that flag alone.
    Flags,
}

/// Which deploy a spec belongs to. Says nothing to the decision.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Deploy {
    /// The deploy's own name.
    pub id: Option<String>,
    /// The commit it was built from.
    pub git_sha: Option<String>,
}

/// Where a unit's value may come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitSource {
    /// A claim of a token that the host has verified.
    Jwt(String),
    /// A request header field, name in lower case.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// A query parameter.
    Query(String),
    /// An id that Serin mints and keeps in the cookie of this name. Always the last source.
    Anonymous(String),
}

/// When something applies.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Every one holds.
    All(Vec<Condition>),
    /// At least one holds.
    Any(Vec<Condition>),
    /// It does not hold.
    Not(Box<Condition>),
    /// The cohort of this name.
    Cohort(String),
    /// An attribute of the request passes every operator.
    Test {
        /// What is looked at.
        attribute: Attribute,
        /// What must be true of it.
        operators: Vec<Operator>,
    },
}

/// Why a flag exists; decides which housekeeping it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagKind {
    /// Hides unfinished work until it ships; needs an owner and an expiry.
    Release,
    /// Compares variants; needs an owner and an expiry.
    Experiment,
    /// An operator's switch.
    Ops,
    /// Who may use something.
    Permission,
}

/// A flag's switch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlagState {
    /// Rules decide.
    #[default]
    Enabled,
    /// The kill switch: everybody gets the default variant.
    Disabled,
    /// It could not be read and is isolated: everybody gets the default variant, as an error. No
    /// document says so itself.
    Broken,
}

/// A feature flag.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Flag {
    /// Why it exists.
    pub kind: Option<FlagKind>,
    /// Who answers for it.
    pub owner: Option<String>,
    /// What it is for.
    pub purpose: Option<String>,
    /// The date it should be gone by, as written.
    pub expires: Option<String>,
    /// The kill switch.
    pub state: FlagState,
    /// The values it can take, all of one JSON type.
    pub variants: NameMap<Variant>,
    /// The variant when no rule serves one.
    pub default_variant: String,
    /// Flags that must have these variants, or else this one has its default.
    pub requires: Vec<(String, String)>,
    /// Tried in order, the first that serves wins.
    pub rules: Vec<Rule>,
    /// Where its value travels upstream; `None` is everywhere.
    pub deliver: Option<Vec<PathMatch>>,
}

/// A flag's value.
#[derive(Clone, Debug, PartialEq)]
pub struct Variant {
    /// Canonical JSON.
    pub json: String,
    /// The value as a bare item of Structured Fields, if such an item can carry it.
    pub item: Option<String>,
}

/// One rule of a flag.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    /// For records and explanations; `rules[i]` when absent.
    pub name: Option<String>,
    /// Whom it is for; everybody when absent.
    pub when: Option<Condition>,
    /// The part of a layer that this rule has to itself.
    pub layer: Option<LayerRange>,
    /// What they get.
    pub action: RuleAction,
}

/// A part of a layer: the units whose bucket in the layer lies from one share up to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerRange {
    /// The layer's name.
    pub name: String,
    /// Where the part begins, inclusive.
    pub from: Share,
    /// Where it ends, exclusive.
    pub to: Share,
}

/// A group that flags for release and experiment leave alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Holdout {
    /// Who is bucketed and how.
    pub bucketing: Bucketing,
    /// How many are held out.
    pub share: Share,
}

/// How many of the units, now and later.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// The same at all times.
    Fixed(Share),
    /// A share that changes by steps.
    Steps {
        /// When the first step begins; needed unless no step ends by itself.
        start: Option<Timestamp>,
        /// In order.
        steps: Vec<Step>,
    },
}

impl Default for Progress {
    fn default() -> Self {
        Progress::Fixed(Share::ZERO)
    }
}

/// One step of a share that changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Of how many.
    pub share: Share,
    /// For how long.
    pub hold: Hold,
    /// Whether it lasts beyond that until the gate says promotable.
    pub gated: bool,
}

/// How long a step lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// This many ms.
    For(u64),
    /// Until the spec changes.
    Manual,
    /// For good: the last step.
    Last,
}

/// Weights, with those that came before them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// By name; they sum to 100 %.
    pub now: NameMap<Share>,
    /// Earlier weights, the oldest first.
    pub past: Vec<NameMap<Share>>,
}

/// What a rule serves.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleAction {
    /// One variant.
    Serve(String),
    /// One variant to a share of the units; the others go on to the next rule.
    Ramp {
        /// The variant.
        variant: String,
        /// To how many.
        progress: Progress,
        /// Who is bucketed and how.
        bucketing: Bucketing,
    },
    /// One of several variants to every unit.
    Split {
        /// Each variant's weight.
        weights: Weights,
        /// Who is bucketed and how.
        bucketing: Bucketing,
    },
}

/// Who is bucketed, and with which salt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucketing {
    /// The unit; may be absent when the spec has just one.
    pub unit: Option<String>,
    /// The salt; the flag's or rollout's name when absent.
    pub salt: Option<String>,
}

/// A change of version on a route.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rollout {
    /// Which requests it is for.
    pub matches: RouteMatch,
    /// Who is bucketed and how.
    pub bucketing: Bucketing,
    /// The versions.
    pub arms: NameMap<Arm>,
    /// The arm that takes everything nothing else takes.
    pub baseline: String,
    /// How the other arms get their traffic.
    pub mode: Mode,
    /// An arm that gets copies of requests.
    pub shadow: Option<Shadow>,
    /// Whether a host that can't reach the arm may try the baseline.
    pub falls_back: bool,
    /// Its gates, and what an abort does.
    pub abort_policy: AbortPolicy,
    /// XXH3-64 of the rollout's canonical JSON: evidence from before an edit says nothing of what
    /// came after it.
    pub digest: u64,
}

/// The gates of a rollout, and what an abort does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct AbortPolicy {
    /// Raised by people to clear an abort.
    pub epoch: u64,
    /// After an abort, a raised epoch counts only from so many ms on.
    pub cooldown_ms: u64,
    /// What is compared; nothing when absent.
    pub gates: Option<Gates>,
    /// Flags that an abort turns off.
    pub disables: Vec<String>,
}

/// What of a canary is compared with its baseline.
#[derive(Clone, Debug, PartialEq)]
pub struct Gates {
    /// The statistics.
    pub settings: GateSettings,
    /// Answers that are errors.
    pub errors: Statuses,
    /// What a KPI event is, if KPI events take part.
    pub kpi: Option<KpiEvent>,
    /// Of the compared answers of the shadow, how many may differ.
    pub max_divergence: Option<Share>,
    /// Cohorts that are judged by themselves, too.
    pub cohorts: Vec<String>,
}

/// A set of statuses: whole classes and single ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses {
    /// Bit n stands for n00 to n99.
    pub classes: u8,
    /// Single statuses.
    pub codes: Vec<u16>,
}

impl Statuses {
    /// 500 to 599.
    pub const SERVER_ERRORS: Statuses = Statuses { classes: 1 << 5, codes: Vec::new() };
    /// 200 to 299.
    pub const SUCCESSES: Statuses = Statuses { classes: 1 << 2, codes: Vec::new() };

    /// Whether a status is in the set.
    pub fn contains(&self, status: u16) -> bool {
        let class = status.checked_div(100).filter(|class| *class < 8).unwrap_or(0);
        self.classes & (1 << class) != 0 || self.codes.contains(&status)
    }
}

/// A request that counts as a success of the business: all of what is given has to be true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KpiEvent {
    /// Its method is one of these; any when empty.
    pub methods: Vec<String>,
    /// Its path is one of these; any when empty.
    pub paths: Vec<PathMatch>,
    /// The status of its answer.
    pub status: Statuses,
    /// A header field that its answer has, in lower case.
    pub header: Option<String>,
}

/// Copies of requests for an arm whose answers nobody waits for.
#[derive(Clone, Debug, PartialEq)]
pub struct Shadow {
    /// The arm.
    pub arm: String,
    /// Of how many units.
    pub share: Share,
    /// Whose requests; everybody's when absent.
    pub when: Option<Condition>,
    /// Methods that are copied, in upper case.
    pub methods: Vec<String>,
    /// What is compared with the answer that the client got.
    pub compare: Compare,
    /// How many copies may be under way at once, in one worker of the host.
    pub max_in_flight: u32,
}

/// What of a shadow's answer is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Compare {
    /// Nothing.
    #[default]
    Nothing,
    /// The status.
    Status,
    /// The status and the body.
    Body,
}

/// One version's upstream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Arm {
    /// The upstream's name in the host: a cluster, subset, origin or binding.
    pub target: String,
    /// The version of the data's schema that it writes.
    pub schema_epoch: Option<u64>,
    /// The version that it can't do without.
    pub needs_schema_epoch: Option<u64>,
}

/// How a rollout shares its traffic.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Mode {
    /// Everything to the baseline.
    #[default]
    Baseline,
    /// Rings first, then a share of the units.
    Canary {
        /// The arm; the only one beside the baseline when absent.
        arm: Option<String>,
        /// Whoever is in one of these gets the canary whatever the share.
        rings: Vec<Condition>,
        /// Of everybody else.
        progress: Progress,
    },
    /// Everything to one arm.
    BlueGreen {
        /// That arm.
        active: String,
        /// For how many ms a session keeps the arm that it began on; 0 is not at all.
        pin_ms: u64,
    },
    /// Each arm's weight.
    Split(Weights),
}

/// Which requests a rollout is for: any of the hosts and any of the paths.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteMatch {
    /// Hosts; every host when empty.
    pub hosts: Vec<HostMatch>,
    /// Paths; every path when empty.
    pub paths: Vec<PathMatch>,
}

/// A pattern for the host, in lower case and without a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostMatch {
    /// This host.
    Exact(String),
    /// `*.example.com`: every host below `example.com`, given here without `*.`.
    Below(String),
}

/// A pattern for the path, normalised as request paths are.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathMatch {
    /// This path.
    Exact(String),
    /// This path and everything below it, by whole segments.
    Prefix(String),
}
