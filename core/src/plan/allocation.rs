//! How a rule or a rollout gives buckets out at one moment.

use super::{ArmId, Bucketing, Mode, Ranges, Rollout, Rule, RuleAction, VariantId};
use crate::value::share::Share;
use crate::value::timestamp::Timestamp;

/// Which buckets get which variant or arm, whoever conditions, rings, pins and overrides choose. It is
/// for tools that compare plans; deciding does not use it.
#[derive(Clone, Copy, Debug)]
pub enum Allocation<'p, T> {
    /// The same for every bucket.
    Everyone(T),
    /// One thing for the buckets below a share. The others go to the next rule or to the baseline.
    Share {
        /// What the share gets.
        to: T,
        /// How large it is.
        share: Share,
        /// Who is bucketed.
        bucketing: &'p Bucketing,
    },
    /// Each range of buckets has its own.
    Split {
        /// The ranges.
        ranges: &'p Ranges<T>,
        /// Who is bucketed.
        bucketing: &'p Bucketing,
    },
}

impl Rule {
    /// What buckets get of this rule at `now`, by the clock alone.
    pub fn allocation(&self, now: Timestamp) -> Allocation<'_, VariantId> {
        match &self.action {
            RuleAction::Serve(variant) => Allocation::Everyone(*variant),
            RuleAction::Ramp { variant, schedule, bucketing } => {
                let share = schedule.at(Some(now), None).share;
                Allocation::Share { to: *variant, share, bucketing }
            }
            RuleAction::Split { ranges, bucketing } => Allocation::Split { ranges, bucketing },
        }
    }
}

impl Rollout {
    /// What buckets get of this rollout at `now`, by the clock alone.
    pub fn allocation(&self, now: Timestamp) -> Allocation<'_, ArmId> {
        match &self.mode {
            Mode::Fixed(arm) | Mode::Pinned { active: arm, .. } => Allocation::Everyone(*arm),
            Mode::Canary { bucketing: None, .. } => Allocation::Everyone(self.baseline),
            Mode::Canary { arm, schedule, bucketing: Some(bucketing), .. } => {
                let share = schedule.at(Some(now), None).share;
                Allocation::Share { to: *arm, share, bucketing }
            }
            Mode::Split { ranges, bucketing } => Allocation::Split { ranges, bucketing },
        }
    }
}
