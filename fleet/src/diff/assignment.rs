//! What a unit or request is assigned under a plan, and whether two assignments differ.

use super::spec_pair::{Pair, Side};
use serin_core::{FlagDecision, RolloutDecision};

/// An arm, a variant or a cohort membership, by positions in the plan that decided it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Assignment {
    /// The spec has no such rollout, flag or cohort, or the flag is not delivered here.
    Nothing,
    /// Rollout and arm.
    Arm(usize, usize),
    /// Flag and variant.
    Variant(usize, usize),
    /// Whether the unit is in the cohort.
    Member(bool),
}

impl Assignment {
    pub(super) fn arm(decision: Option<&RolloutDecision>) -> Assignment {
        decision
            .map_or(Assignment::Nothing, |it| Assignment::Arm(it.rollout.index(), it.arm.index()))
    }

    pub(super) fn variant(decision: Option<&FlagDecision>) -> Assignment {
        decision.map_or(Assignment::Nothing, |it| {
            Assignment::Variant(it.flag.index(), it.variant.index())
        })
    }
}

impl Pair<'_> {
    /// Whether the assignments differ. A rollout or flag that the old spec lacks counts as if everybody had
    /// had its baseline or default, one that the new spec lacks as if everybody got them now.
    pub(super) fn is_move(&self, old: Assignment, new: Assignment) -> bool {
        let (a, b) = (&self.old, &self.new);
        match (old, new) {
            (Assignment::Arm(rollout, arm), Assignment::Arm(other, to)) => {
                a.arm(rollout, arm) != b.arm(other, to)
            }
            (Assignment::Variant(flag, variant), Assignment::Variant(other, to)) => {
                a.variant(flag, variant) != b.variant(other, to)
            }
            (Assignment::Arm(rollout, arm), Assignment::Nothing) => !a.is_baseline(rollout, arm),
            (Assignment::Nothing, Assignment::Arm(rollout, arm)) => !b.is_baseline(rollout, arm),
            (Assignment::Variant(flag, variant), Assignment::Nothing) => {
                !a.is_default(flag, variant)
            }
            (Assignment::Nothing, Assignment::Variant(flag, variant)) => {
                !b.is_default(flag, variant)
            }
            (Assignment::Nothing, Assignment::Member(inside))
            | (Assignment::Member(inside), Assignment::Nothing) => inside,
            (old, new) => old != new,
        }
    }

    /// The labels of both assignments, with as much detail as distinguishes them.
    pub(super) fn labels(&self, old: Assignment, new: Assignment) -> (String, String) {
        let (a, b) = (&self.old, &self.new);
        match (old, new) {
            (Assignment::Arm(rollout, arm), Assignment::Arm(other, to)) => {
                let ((old_rollout, from, old), (new_rollout, to, new)) =
                    (a.arm(rollout, arm), b.arm(other, to));
                if old_rollout != new_rollout {
                    (format!("{old_rollout}/{from}"), format!("{new_rollout}/{to}"))
                } else if from == to {
                    (format!("{from} ({old})"), format!("{to} ({new})"))
                } else {
                    (from.to_owned(), to.to_owned())
                }
            }
            (Assignment::Variant(flag, variant), Assignment::Variant(other, to)) => {
                let ((from, old), (to, new)) = (a.variant(flag, variant), b.variant(other, to));
                if from == to {
                    (format!("{from} = {old}"), format!("{to} = {new}"))
                } else {
                    (from.to_owned(), to.to_owned())
                }
            }
            (old, new) => (a.label(old), b.label(new)),
        }
    }
}

impl Side<'_> {
    /// The names of the rollout and the arm, and the arm's target.
    fn arm(&self, rollout: usize, arm: usize) -> (&str, &str, &str) {
        let rollout = self.plan.rollouts().get(rollout);
        let arm = rollout.and_then(|it| Some((it.name(), it.arms().get(arm)?)));
        arm.map_or(("", "", ""), |(rollout, arm)| (rollout, arm.name(), arm.target()))
    }

    /// The name and the JSON value of a variant.
    fn variant(&self, flag: usize, variant: usize) -> (&str, &str) {
        let variant = self.plan.flags().get(flag).and_then(|flag| flag.variants().get(variant));
        variant.map_or(("", ""), |variant| (variant.name(), variant.json()))
    }

    fn is_baseline(&self, rollout: usize, arm: usize) -> bool {
        self.plan.rollouts().get(rollout).is_some_and(|it| it.baseline().index() == arm)
    }

    fn is_default(&self, flag: usize, variant: usize) -> bool {
        let name = self.plan.flags().get(flag).map_or("", |flag| flag.name());
        let declared = self.spec.flags.get(name);
        declared.is_some_and(|it| it.default_variant == self.variant(flag, variant).0)
    }

    fn label(&self, assignment: Assignment) -> String {
        match assignment {
            Assignment::Nothing => "nothing".to_owned(),
            Assignment::Arm(rollout, arm) => self.arm(rollout, arm).1.to_owned(),
            Assignment::Variant(flag, variant) => self.variant(flag, variant).0.to_owned(),
            Assignment::Member(true) => "inside".to_owned(),
            Assignment::Member(false) => "outside".to_owned(),
        }
    }
}
