//! Flags, resolved.

use alloc::boxed::Box;

use super::{Bucketing, Condition, FlagId, Needs, Ranges, RolloutId, VariantId};
use crate::schedule::Schedule;
use crate::spec::FlagState;
use crate::value::share::Share;

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
    /// Rollouts whose abort turns it off.
    pub(crate) disabled_by: Box<[RolloutId]>,
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
        self.rules.iter().any(|rule| match &rule.action {
            RuleAction::Ramp { schedule, .. } => schedule.needs_time(),
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
    pub(crate) action: RuleAction,
}

/// What a rule serves.
#[derive(Clone, Debug)]
pub(crate) enum RuleAction {
    Serve(VariantId),
    Ramp { variant: VariantId, schedule: Schedule, bucketing: Bucketing },
    Split { ranges: Ranges<VariantId>, bucketing: Bucketing },
}
