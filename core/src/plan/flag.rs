//! The flags and holdouts of a plan.

use alloc::boxed::Box;

use super::{Bucketing, Condition, FlagId, Needs, Ranges, RolloutId, VariantId};
use crate::schedule::Schedule;
use crate::spec::FlagState;
use crate::value::share::Share;

/// A compiled flag.
#[derive(Clone, Debug)]
pub struct Flag {
    pub(crate) name: Box<str>,
    pub(crate) state: FlagState,
    pub(crate) variants: Box<[Variant]>,
    pub(crate) default_variant: VariantId,
    pub(crate) requires: Box<[(FlagId, VariantId)]>,
    /// Whether holdouts apply to it.
    pub(crate) held_out: bool,
    pub(crate) rules: Box<[Rule]>,
    /// The rollouts whose abort turns it off.
    pub(crate) disabled_by: Box<[RolloutId]>,
    pub(crate) needs: Needs,
}

/// A holdout: a share of the units that keeps the default of every flag except those of kind `ops`
/// and `permission`.
#[derive(Clone, Debug)]
pub struct Holdout {
    pub(crate) name: Box<str>,
    pub(crate) bucketing: Bucketing,
    pub(crate) share: Share,
}

impl Holdout {
    /// The holdout's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The hash inputs of the buckets.
    pub fn bucketing(&self) -> &Bucketing {
        &self.bucketing
    }

    /// The share of units that is held out.
    pub fn share(&self) -> Share {
        self.share
    }
}

/// A range of a layer's buckets.
#[derive(Clone, Debug)]
pub struct LayerRange {
    pub(crate) bucketing: Bucketing,
    pub(crate) from: Share,
    pub(crate) to: Share,
}

impl LayerRange {
    /// The hash inputs of the buckets.
    pub fn bucketing(&self) -> &Bucketing {
        &self.bucketing
    }

    /// The start of the range, inclusive, as the share of units before it.
    pub fn from(&self) -> Share {
        self.from
    }

    /// The end of the range, exclusive, as the share of units before it.
    pub fn to(&self) -> Share {
        self.to
    }
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

    /// Whether a rule has steps that depend on the time.
    pub(crate) fn needs_time(&self) -> bool {
        self.rules.iter().any(|rule| match &rule.action {
            RuleAction::Ramp { schedule, .. } => schedule.needs_time(),
            _ => false,
        })
    }

    /// The rules, in the order in which they are tried.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// A variant by its id.
    pub fn variant(&self, id: VariantId) -> Option<&Variant> {
        self.variants.get(id.index())
    }
}

/// A variant: a named value of a flag.
#[derive(Clone, Debug)]
pub struct Variant {
    pub(crate) name: Box<str>,
    pub(crate) json: Box<str>,
    /// The member `flag=item` of the header field `serin-flags`.
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

/// A compiled rule of a flag.
#[derive(Clone, Debug)]
pub struct Rule {
    pub(crate) name: Box<str>,
    pub(crate) when: Option<Condition>,
    pub(crate) layer: Option<LayerRange>,
    pub(crate) action: RuleAction,
}

impl Rule {
    /// The rule's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The range of a layer that the rule is limited to, if it is in a layer.
    pub fn layer(&self) -> Option<&LayerRange> {
        self.layer.as_ref()
    }

    /// The hash inputs of the rule's buckets; `None` if it serves one variant to everyone.
    pub fn bucketing(&self) -> Option<&Bucketing> {
        match &self.action {
            RuleAction::Serve(_) => None,
            RuleAction::Ramp { bucketing, .. } | RuleAction::Split { bucketing, .. } => {
                Some(bucketing)
            }
        }
    }
}

/// The action of a rule that applies.
#[derive(Clone, Debug)]
pub(crate) enum RuleAction {
    Serve(VariantId),
    Ramp { variant: VariantId, schedule: Schedule, bucketing: Bucketing },
    Split { ranges: Ranges<VariantId>, bucketing: Bucketing },
}
