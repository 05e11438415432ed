//! The spec: the document as written, as types. The reader is in `parse`, and `compile` resolves
//! the names.
//!
//! Only the reader creates a spec, so its structs can gain fields. Enums that tools must handle in
//! full, such as [`Mode`], can be matched exhaustively: a new variant is a breaking change.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use crate::attribute::Attribute;
use crate::condition::Operator;
use crate::gate::GateSettings;
use crate::name_map::NameMap;
use crate::value::share::Share;
use crate::value::timestamp::Timestamp;

/// The maximum size of a document, in bytes. Compiling one takes up to 20 times its size in memory,
/// and hosts have as little as 128 MB.
pub const MAX_BYTES: usize = 4 << 20;

/// A whole document. Maps are sorted by name, so the order of a document does not matter.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Spec {
    /// The revision, which grows with every change that ships.
    pub revision: u64,
    /// The deploy that the spec belongs to, repeated in decision records.
    pub deploy: Deploy,
    /// The part that a mistake makes unusable.
    pub isolation: Isolation,
    /// The units, each with its sources. The first source with a value counts.
    pub units: NameMap<Vec<UnitSource>>,
    /// Named conditions.
    pub cohorts: NameMap<Condition>,
    /// Groups of units that keep the default variants, for comparison.
    pub holdouts: NameMap<Holdout>,
    /// Layers, which keep experiments from sharing units.
    pub layers: NameMap<Bucketing>,
    /// Feature flags.
    pub flags: NameMap<Flag>,
    /// Changes of version on routes.
    pub rollouts: NameMap<Rollout>,
    /// XXH3-64 of the canonical JSON; see [`crate::Plan::digest`].
    pub digest: u64,
}

/// The part of a spec that a mistake makes unusable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Isolation {
    /// Any mistake refuses the whole spec.
    #[default]
    None,
    /// A mistake in a flag makes that flag alone unusable.
    Flags,
}

/// The deploy that a spec belongs to. It does not influence decisions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Deploy {
    /// The id of the deploy.
    pub id: Option<String>,
    /// The commit that was deployed.
    pub git_sha: Option<String>,
}

/// A source of a unit's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UnitSource {
    /// A claim of a token that the host has verified.
    Jwt(String),
    /// A request header field; its name in lower case.
    Header(String),
    /// A cookie.
    Cookie(String),
    /// A query parameter.
    Query(String),
    /// An id that Serin generates and stores in the cookie of this name. Always the last source.
    Anonymous(String),
}

/// A condition on a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// Every condition holds.
    All(Vec<Condition>),
    /// At least one condition holds.
    Any(Vec<Condition>),
    /// The condition does not hold.
    Not(Box<Condition>),
    /// The condition of this cohort holds.
    Cohort(String),
    /// An attribute of the request passes every operator.
    Test {
        /// The attribute that is tested.
        attribute: Attribute,
        /// The operators, all of which must hold.
        operators: Vec<Operator>,
    },
}

/// The kind of a flag, which determines its required fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FlagKind {
    /// Hides unfinished work until it ships; needs an owner and an expiry date.
    Release,
    /// Compares variants; needs an owner and an expiry date.
    Experiment,
    /// An operator's switch.
    Ops,
    /// Grants access to a feature.
    Permission,
}

/// The state of a flag.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FlagState {
    /// The rules decide.
    #[default]
    Enabled,
    /// Everybody gets the default variant.
    Disabled,
    /// It has a mistake and is isolated: everybody gets the default variant, with an error code. A
    /// document cannot set this state.
    Broken,
}

/// A feature flag.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Flag {
    /// The kind.
    pub kind: Option<FlagKind>,
    /// The person or team that is responsible for it.
    pub owner: Option<String>,
    /// The purpose, for people.
    pub purpose: Option<String>,
    /// The date by which it should be removed, as written.
    pub expires: Option<String>,
    /// The state: a disabled flag serves its default variant.
    pub state: FlagState,
    /// The variants, whose values have the same JSON type.
    pub variants: NameMap<Variant>,
    /// The variant that is served when no rule serves one.
    pub default_variant: String,
    /// Flags and the variants that they must have; otherwise this flag has its default variant.
    pub requires: Vec<(String, String)>,
    /// The rules, tried in order: the first that serves a variant wins.
    pub rules: Vec<Rule>,
    /// The paths on which its value is sent upstream; `None` for all paths.
    pub deliver: Option<Vec<PathMatch>>,
}

/// A variant of a flag.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Variant {
    /// The value in canonical JSON.
    pub json: String,
    /// The value as a bare item of Structured Fields (RFC 9651), if it can be one.
    pub item: Option<String>,
}

/// One rule of a flag.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Rule {
    /// The name in records and explanations; `rules[i]` when absent.
    pub name: Option<String>,
    /// The condition under which it applies; always when absent.
    pub when: Option<Condition>,
    /// The range of a layer that the rule is limited to.
    pub layer: Option<LayerRange>,
    /// The action.
    pub action: RuleAction,
}

/// A range of a layer: the units whose bucket in the layer is between two shares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerRange {
    /// The layer's name.
    pub name: String,
    /// The start, inclusive.
    pub from: Share,
    /// The end, exclusive.
    pub to: Share,
}

/// A holdout: a share of the units that keeps the default of every flag except those of kind `ops`
/// and `permission`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Holdout {
    /// The unit and the salt.
    pub bucketing: Bucketing,
    /// The share of units that is held out.
    pub share: Share,
}

/// The share of units that a ramp reaches over time.
#[derive(Clone, Debug, PartialEq)]
pub enum Progress {
    /// A constant share.
    Fixed(Share),
    /// A share that changes in steps.
    Steps {
        /// The time when the first step begins. Required if a step ends after a duration.
        start: Option<Timestamp>,
        /// The steps in order.
        steps: Vec<Step>,
    },
}

impl Default for Progress {
    fn default() -> Self {
        Progress::Fixed(Share::ZERO)
    }
}

/// One step of a ramp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The share of units.
    pub share: Share,
    /// The duration of the step.
    pub hold: Hold,
    /// Whether the step then continues until the gate's verdict is promotable.
    pub gated: bool,
}

/// The hold of a step: how long it lasts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// A duration in ms.
    For(u64),
    /// Until a person changes the spec.
    Manual,
    /// Without end: the last step.
    Last,
}

/// The weights of a split, with its previous weights.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Weights {
    /// The current weights by name; they sum to 100 %.
    pub now: NameMap<Share>,
    /// The previous weights, the oldest first.
    pub past: Vec<NameMap<Share>>,
}

/// The action of a rule that applies.
#[derive(Clone, Debug, PartialEq)]
pub enum RuleAction {
    /// Serves one variant.
    Serve(String),
    /// Serves one variant to a share of the units. For the others the next rule is tried.
    Ramp {
        /// The variant.
        variant: String,
        /// The share over time.
        progress: Progress,
        /// The unit and the salt.
        bucketing: Bucketing,
    },
    /// Serves each unit one of several variants.
    Split {
        /// The weights of the variants.
        weights: Weights,
        /// The unit and the salt.
        bucketing: Bucketing,
    },
}

/// The unit that is bucketed, and the salt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bucketing {
    /// The unit; the only unit of the spec when absent.
    pub unit: Option<String>,
    /// The salt; the name of the flag, rollout, layer or holdout when absent.
    pub salt: Option<String>,
}

/// A change of version on a route.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Rollout {
    /// The requests that it applies to.
    pub matches: RouteMatch,
    /// The unit and the salt.
    pub bucketing: Bucketing,
    /// The arms, one for each version.
    pub arms: NameMap<Arm>,
    /// The arm of the requests that no other arm gets.
    pub baseline: String,
    /// The mode, which divides the traffic among the arms.
    pub mode: Mode,
    /// The shadow, which gets copies of requests.
    pub shadow: Option<Shadow>,
    /// Whether a host that cannot reach the arm may send the request to the baseline.
    pub falls_back: bool,
    /// The gates and the effects of an abort.
    pub abort_policy: AbortPolicy,
    /// XXH3-64 of the rollout's canonical JSON: evidence from before an edit does not count after
    /// it.
    pub digest: u64,
}

/// The gates of a rollout and the effects of an abort.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct AbortPolicy {
    /// The epoch. Raising it clears an abort.
    pub epoch: u64,
    /// The time after an abort until a raised epoch takes effect, in ms.
    pub cooldown_ms: u64,
    /// The gates; nothing is compared when absent.
    pub gates: Option<Gates>,
    /// The flags that an abort turns off.
    pub disables: Vec<String>,
}

/// The gates: what is compared between a canary and its baseline.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Gates {
    /// The settings of the statistical tests.
    pub settings: GateSettings,
    /// The statuses that count as errors.
    pub errors: Statuses,
    /// The definition of a KPI event, if KPI events are compared.
    pub kpi: Option<KpiEvent>,
    /// The share of the shadow's compared responses that may differ.
    pub max_divergence: Option<Share>,
    /// The units whose outcomes count.
    pub count: CountedUnits,
    /// The time without a response header after which a request counts as failed, in ms.
    pub timeout_ms: u64,
    /// The cohorts that are judged separately, besides all requests.
    pub cohorts: Vec<String>,
}

/// The units whose outcomes count in a trial.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CountedUnits {
    /// All units.
    #[default]
    All,
    /// Units whose value the client cannot choose: from a verified token, or an anonymous id with a valid
    /// signature.
    Verified,
}

/// A set of statuses: whole classes and single ones.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statuses {
    /// A bit mask of classes: bit n is n00 to n99.
    pub classes: u8,
    /// The single statuses.
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

/// The definition of a KPI event, a request that is a business success: all of its parts must
/// match.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct KpiEvent {
    /// The methods; every method when empty.
    pub methods: Vec<String>,
    /// The paths; every path when empty.
    pub paths: Vec<PathMatch>,
    /// The statuses of the response.
    pub status: Statuses,
    /// A header field that the response must have; its name in lower case.
    pub header: Option<String>,
}

/// A shadow: copies of requests to an arm whose responses are not sent to the client.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Shadow {
    /// The arm that gets the copies.
    pub arm: String,
    /// The share of units whose requests are copied.
    pub share: Share,
    /// The condition under which a request is copied; always when absent.
    pub when: Option<Condition>,
    /// The methods that are copied, in upper case.
    pub methods: Vec<String>,
    /// The part of the response that is compared with the client's response.
    pub compare: Compare,
    /// The maximum number of copies in flight in one worker of the host.
    pub max_in_flight: u32,
}

/// The part of a shadow's response that is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compare {
    /// Nothing.
    #[default]
    Nothing,
    /// The status.
    Status,
    /// The status and the body.
    Body,
}

/// An arm: the upstream of one version.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Arm {
    /// The name of the upstream in the host: a cluster, subset, origin or binding.
    pub target: String,
    /// The version of the data schema that it writes.
    pub schema_epoch: Option<u64>,
    /// The version of the data schema that it requires.
    pub needs_schema_epoch: Option<u64>,
}

/// The mode in which a rollout divides its traffic among the arms.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Mode {
    /// Every request goes to the baseline.
    #[default]
    Baseline,
    /// The rings and a share of the other units go to one arm.
    Canary {
        /// The arm; the only one beside the baseline when absent.
        arm: Option<String>,
        /// The rings: conditions under which a request goes to the canary whatever the share.
        rings: Vec<Condition>,
        /// The share of the other units over time.
        progress: Progress,
    },
    /// Every request goes to one arm.
    BlueGreen {
        /// The name of that arm.
        active: String,
        /// The time that a session stays on its first arm, in ms; 0 for no pinning.
        pin_ms: u64,
    },
    /// Each arm gets a weight.
    Split(Weights),
}

/// The requests that a rollout applies to: one of the hosts and one of the paths must match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RouteMatch {
    /// The hosts; every host when empty.
    pub hosts: Vec<HostMatch>,
    /// The paths; every path when empty.
    pub paths: Vec<PathMatch>,
}

/// A host pattern, in lower case and without a port.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum HostMatch {
    /// This host.
    Exact(String),
    /// `*.example.com`: every subdomain of `example.com`, stored without `*.`.
    Below(String),
}

/// A path pattern, normalised like the paths of requests.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum PathMatch {
    /// This path.
    Exact(String),
    /// This path and every path below it, by whole segments.
    Prefix(String),
}
