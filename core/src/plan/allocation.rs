//! The allocation of buckets by a rule or rollout at one point in time, for tools that compare
//! plans.

use super::{ArmId, Bucketing, Mode, Ranges, Rollout, Rule, RuleAction, VariantId};
use crate::value::share::Share;
use crate::value::timestamp::Timestamp;

/// The variant or arm that each bucket gets, without regard to conditions, rings, pins and
/// overrides. Deciding does not use it.
#[derive(Clone, Copy, Debug)]
pub enum Allocation<'p, T> {
    /// Every bucket gets the same.
    Everyone(T),
    /// The buckets of a share get `to`. The others go to the next rule or to the baseline.
    Share {
        /// The variant or arm of the share.
        to: T,
        /// The share, counted from bucket 0.
        share: Share,
        /// The hash inputs of the buckets.
        bucketing: &'p Bucketing,
    },
    /// Each range of buckets gets its own variant or arm.
    Split {
        /// The ranges.
        ranges: &'p Ranges<T>,
        /// The hash inputs of the buckets.
        bucketing: &'p Bucketing,
    },
}

impl Rule {
    /// The allocation of this rule at `now`: steps are ended by the clock alone, not by gates.
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
    /// The allocation of this rollout at `now`: steps are ended by the clock alone, not by gates.
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
